package beacon

import (
	"slices"
	"strings"
)

// event reads one event into the beacon. The reason is empty where it was good.
func (d *decoder) event(object []byte) Reason {
	if !isObject(object) {
		return BadEvent
	}
	if len(object) > MaxEventBytes {
		return TooLarge
	}
	if depthOf(object) > MaxDepth-2 { // the beacon and its array are the first two levels
		return BadField
	}
	members, ok := appendMembers(d.members[:0], object)
	d.members = members
	if !ok {
		return BadField
	}
	kind, ok := "", false
	for _, m := range members {
		if string(m.name) == "type" {
			kind, ok = stringOf(m.value)
		}
	}
	if !ok {
		return BadEvent
	}
	switch kind {
	case "request":
		return d.request(members)
	case "navigation":
		return d.navigation(members)
	case "web_vital":
		return d.webVital(members)
	default:
		return UnknownType
	}
}

// base reads the fields that every event has, and keeps as an attribute what
// no other reader wants. An event's own reader calls it for the names that it
// does not know.
func (d *decoder) base(e *Event, m member) Reason {
	var ok bool
	switch string(m.name) {
	case "type":
	case "id":
		e.ID, ok = spanIDOf(m.value)
		return when(!ok, BadID)
	case "start":
		e.Start, ok = numberOf(m.value)
		return when(!ok || !d.maybeAt(e.Start), BadTime)
	case "view.instance_id":
		e.ViewID, ok = idOf(m.value)
		return when(!ok, BadField)
	default:
		return d.attribute(e, string(m.name), m.value)
	}
	return ""
}

// attribute keeps a field that has no place of its own. Beyond the limits it is
// left out and counted, since an event is worth more than one of its extras.
func (d *decoder) attribute(e *Event, name string, value []byte) Reason {
	if len(e.Attributes) == MaxAttributes || len(name) > MaxAttributeName ||
		len(value) > MaxAttributeBytes || elementsOf(value) > MaxAttributeValues {
		d.beacon.AttributesDropped++
		return ""
	}
	v, ok := anyOf(value)
	if !ok {
		return BadField
	}
	if e.Attributes == nil {
		e.Attributes = make(map[string]any)
	}
	e.Attributes[name] = v
	return ""
}

// complete checks what base cannot see from one field: that id and start are
// there, and that the event ends in time.
func (d *decoder) complete(e *Event, members []member, duration float64) Reason {
	if e.ID == [8]byte{} {
		return BadID
	}
	hasStart := slices.ContainsFunc(members, func(m member) bool { return string(m.name) == "start" && !isNull(m.value) })
	return when(!hasStart || !d.maybeAt(e.Start+duration), BadTime)
}

// when returns the reason where the fault is there.
func when(fault bool, reason Reason) Reason {
	if fault {
		return reason
	}
	return ""
}

func (d *decoder) request(members []member) Reason {
	r := Request{Method: "GET"}
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		if reason := d.requestField(&r, m); reason != "" {
			return reason
		}
	}
	if reason := d.complete(&r.Event, members, r.Duration); reason != "" {
		return reason
	}
	if contextWasSent(r.TraceContextHint) && r.ServerTimingHint == "received" && r.ServerTimingTraceID.IsZero() {
		r.ServerTimingTraceID = r.TraceID // else the hint were mismatch
	}
	if reason := r.check(); reason != "" {
		return reason
	}
	d.beacon.Requests = append(d.beacon.Requests, r)
	return ""
}

// check holds the fields of a request against each other.
func (r *Request) check() Reason {
	carried := r.Carried()
	switch {
	case r.URL == "":
		return BadURL
	case r.TraceContextHint == "" || r.ServerTimingHint == "":
		return BadHint
	case r.Kind == "" || r.Error != "" && r.StatusCode != 0:
		return BadField
	case r.TraceID.IsZero() && (!r.SpanID.IsZero() || contextWasSent(r.TraceContextHint)),
		carried && r.SpanID.IsZero(), // a traceparent always has both
		r.ServerTimingTraceID.IsZero() && !r.ServerTimingSpanID.IsZero():
		return BadTrace
	default:
		return ""
	}
}

func (d *decoder) requestField(r *Request, m member) Reason {
	var ok bool
	switch string(m.name) {
	case "request.kind":
		r.Kind, ok = oneOf(m.value, requestKinds)
	case "duration":
		r.Duration, ok = numberOf(m.value)
		return when(!ok || !within(r.Duration), BadTime)
	case "url.full":
		r.URL, ok = stringOf(m.value)
		return when(!ok || !validURL(r.URL), BadURL)
	case "http.request.method":
		r.Method, ok = methodOf(m.value)
	case "http.response.status_code":
		var status int64
		status, ok = integerOf(m.value, 100, 999)
		r.StatusCode = int(status)
	case "error.reason":
		r.Error, ok = oneOf(m.value, errorReasons)
	case "request.trace_context_hint":
		r.TraceContextHint, ok = oneOf(m.value, traceContextHints)
		return when(!ok, BadHint)
	case "request.server_timing_hint":
		r.ServerTimingHint, ok = oneOf(m.value, serverTimingHints)
		return when(!ok, BadHint)
	case "trace.id":
		r.TraceID, ok = traceIDOf(m.value)
		return when(!ok, BadTrace)
	case "span.id":
		r.SpanID, ok = spanIDOf(m.value)
		return when(!ok, BadTrace)
	case "trace.is_sampled":
		var sampled bool
		sampled, ok = boolOf(m.value)
		r.Sampled = &sampled
	case "request.server_timing.trace_id":
		r.ServerTimingTraceID, ok = traceIDOf(m.value)
		return when(!ok, BadTrace)
	case "request.server_timing.span_id":
		r.ServerTimingSpanID, ok = spanIDOf(m.value)
		return when(!ok, BadTrace)
	case "request.server_timing.response_id":
		var id int64
		id, ok = integerOf(m.value, -1<<31, 1<<31-1)
		response := int32(id) //nolint:gosec // integerOf bounds it
		r.ResponseID = &response
	case "performance.initiator_type":
		r.InitiatorType, ok = shortOf(m.value, MaxStringBytes)
	case "performance.next_hop_protocol":
		r.NextHopProtocol, ok = shortOf(m.value, MaxStringBytes)
	case "performance.delivery":
		r.Delivery, ok = oneOf(m.value, deliveries)
	case "performance.transfer_size":
		r.TransferSize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.encoded_body_size":
		r.EncodedBodySize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.decoded_body_size":
		r.DecodedBodySize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.timing":
		return d.timing(&r.Event, m.value, r.Timing.field)
	default:
		return d.base(&r.Event, m)
	}
	return when(!ok, BadField)
}

func (d *decoder) navigation(members []member) Reason {
	n := Navigation{}
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		if reason := d.navigationField(&n, m); reason != "" {
			return reason
		}
	}
	if reason := d.complete(&n.Event, members, n.Duration); reason != "" {
		return reason
	}
	d.beacon.Navigations = append(d.beacon.Navigations, n)
	return ""
}

func (d *decoder) navigationField(n *Navigation, m member) Reason {
	var ok bool
	switch string(m.name) {
	case "duration":
		n.Duration, ok = numberOf(m.value)
		return when(!ok || !within(n.Duration), BadTime)
	case "url.full":
		n.URL, ok = stringOf(m.value)
		return when(!ok || !validURL(n.URL), BadURL)
	case "navigation.type":
		n.Type, ok = oneOf(m.value, navigationTypes)
	case "page.title":
		n.Title, ok = shortOf(m.value, MaxStringBytes)
	case "page.referrer":
		n.Referrer, ok = stringOf(m.value)
		return when(!ok || n.Referrer != "" && !validURL(n.Referrer), BadURL)
	case "performance.timing":
		return d.timing(&n.Event, m.value, n.Timing.field)
	default:
		return d.base(&n.Event, m)
	}
	return when(!ok, BadField)
}

func (d *decoder) webVital(members []member) Reason {
	v := WebVital{}
	hasValue := false
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		var ok bool
		reason := BadField
		switch string(m.name) {
		case "web_vital.name":
			v.Name, ok = oneOf(m.value, webVitalNames)
		case "web_vital.value":
			v.Value, hasValue = numberOf(m.value)
			ok = hasValue && v.Value >= 0 && v.Value <= maxWebVital
		case "web_vital.rating":
			v.Rating, ok = oneOf(m.value, webVitalRatings)
		case "url.full":
			reason = BadURL
			v.URL, ok = stringOf(m.value)
			ok = ok && validURL(v.URL)
		default:
			reason = d.base(&v.Event, m)
			ok = reason == ""
		}
		if !ok {
			return reason
		}
	}
	if v.Name == "" || !hasValue {
		return BadField
	}
	if reason := d.complete(&v.Event, members, 0); reason != "" {
		return reason
	}
	d.beacon.WebVitals = append(d.beacon.WebVitals, v)
	return ""
}

// timing reads the object performance.timing. field returns where a phase
// belongs, nil for one that this version does not know.
func (d *decoder) timing(e *Event, object []byte, field func(name string) *float64) Reason {
	if !isObject(object) {
		return BadField
	}
	phases, ok := appendMembers(d.phases[:0], object)
	d.phases = phases
	if !ok {
		return BadField
	}
	for _, m := range phases {
		if isNull(m.value) {
			continue
		}
		phase := field(string(m.name))
		if phase == nil {
			if reason := d.attribute(e, "performance.timing."+string(m.name), m.value); reason != "" {
				return reason
			}
			continue
		}
		if *phase, ok = numberOf(m.value); !ok || !within(*phase) {
			return BadTime
		}
	}
	return ""
}

func (t *ResourceTiming) field(name string) *float64 {
	switch name {
	case "redirect_start":
		return &t.RedirectStart
	case "redirect_end":
		return &t.RedirectEnd
	case "worker_start":
		return &t.WorkerStart
	case "fetch_start":
		return &t.FetchStart
	case "domain_lookup_start":
		return &t.DomainLookupStart
	case "domain_lookup_end":
		return &t.DomainLookupEnd
	case "connect_start":
		return &t.ConnectStart
	case "connect_end":
		return &t.ConnectEnd
	case "secure_connection_start":
		return &t.SecureConnectionStart
	case "request_start":
		return &t.RequestStart
	case "first_interim_response_start":
		return &t.FirstInterimResponseStart
	case "response_start":
		return &t.ResponseStart
	case "response_end":
		return &t.ResponseEnd
	default:
		return nil
	}
}

func (t *NavigationTiming) field(name string) *float64 {
	switch name {
	case "activation_start":
		return &t.ActivationStart
	case "dom_interactive":
		return &t.DOMInteractive
	case "dom_content_loaded_event_start":
		return &t.DOMContentLoadedEventStart
	case "dom_content_loaded_event_end":
		return &t.DOMContentLoadedEventEnd
	case "dom_complete":
		return &t.DOMComplete
	case "load_event_start":
		return &t.LoadEventStart
	case "load_event_end":
		return &t.LoadEventEnd
	default:
		return nil
	}
}

// The values that beacon.md allows.
var (
	requestKinds = []string{"fetch", "resource", "xhr", "document"}
	errorReasons = []string{"abort", "abort_unsent", "network", "timeout", "no_network", "csp", "invalid_call", "unknown_reason"}
	deliveries   = []string{"network", "cache", "service_worker"}

	traceContextHints = []string{
		"set", "included", "external", "invalid", "max_length", "missing_values", "cross_origin", "excluded", "disabled",
		"not_http", "from_server", "not_set", "cors_rejected", "not_sampled", "unused", "api_set", "api_invalid", "api_unused",
	}
	serverTimingHints = []string{"received", "not_available", "no_trace_info", "invalid", "mismatch", "stale"}

	navigationTypes = []string{"navigate", "reload", "back_forward", "prerender"}
	webVitalNames   = []string{"LCP", "INP", "CLS", "FCP", "TTFB"}
	webVitalRatings = []string{"good", "needs-improvement", "poor"}
)

// oneOf returns the one of the allowed values that a string value is.
func oneOf(value []byte, allowed []string) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	text := value[1 : len(value)-1]
	for _, s := range allowed {
		if string(text) == s {
			return s, true
		}
	}
	return "", false
}

// methodOf reads a method, a token (RFC 9110, sections 9.1 and 5.6.2), in upper
// case. Browsers upper-case the common ones only, so a page that asks for patch
// sends patch.
func methodOf(value []byte) (s string, ok bool) {
	s, ok = shortOf(value, MaxMethodBytes)
	return strings.ToUpper(s), ok && s != "" && all(s, func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || slices.Contains([]byte("!#$%&'*+-.^_`|~"), c)
	})
}

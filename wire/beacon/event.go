package beacon

import (
	"slices"
	"strings"
)

// event reads the event that begins at i into the beacon. The reason is empty where it
// was good.
func (d *decoder) event(i int) (end int, reason Reason) {
	if d.at(i) != '{' {
		end, _ = d.value(i)
		return end, BadEvent
	}
	o := d.object(i, d.members)
	d.phasesFault = false
	deepest := 0
	for o.next() {
		var sh shape
		if o.name == "performance.timing" && d.at(o.start) == '{' {
			end, sh = d.timingPhases(o.start)
		} else {
			end, sh = d.value(o.start)
		}
		deepest = max(deepest, sh.depth)
		o.add(end, sh)
	}
	d.members, end = o.members, o.end
	switch {
	case end == malformed:
		return end, BadEvent // of no interest: the beacon is refused
	case end-i > MaxEventBytes:
		return end, TooLarge
	case o.fault || deepest > MaxDepth-3: // the beacon, its array and the event are the first three levels
		return end, BadField
	}
	d.attributes, d.hasStart = d.attributes[:0], false
	for _, m := range d.members {
		if m.name == "type" {
			return end, d.eventOf(m.value, 1+(len(d.text)-end)/max(end-i, minEventBytes))
		}
	}
	return end, BadEvent
}

// eventOf reads the event at hand, whose type is given. There may be about as many as left, itself
// included.
func (d *decoder) eventOf(kind string, left int) Reason {
	b := &d.beacon
	switch kind {
	case `"request"`:
		return read(d, &b.Requests, (*decoder).request, left)
	case `"navigation"`:
		return read(d, &b.Navigations, (*decoder).navigation, left)
	case `"web_vital"`:
		return read(d, &b.WebVitals, (*decoder).webVital, left)
	case `"error"`:
		return read(d, &b.Errors, (*decoder).errorEvent, left)
	case `"action"`:
		return read(d, &b.Actions, (*decoder).action, left)
	}
	if d.pageEventType = pageEventTypeOf(kind); d.pageEventType != nil {
		return read(d, &b.PageEvents, (*decoder).pageEvent, left)
	}
	if _, ok := stringOf(kind); !ok {
		return BadEvent
	}
	return UnknownType
}

// read reads one event of a type into its list, and takes it out again where it is not good.
func read[T any](d *decoder, list *[]T, fields func(*decoder, *T) Reason, left int) Reason {
	n := len(*list)
	if n == cap(*list) {
		*list = slices.Grow(*list, min(left, 2*n+32))
	}
	*list = append(*list, *new(T))
	reason := fields(d, &(*list)[n])
	if reason != "" {
		(*list)[n] = *new(T) // what is behind the end is zero, see emptied
		*list = (*list)[:n]
	}
	return reason
}

// pointTo returns a pointer to a value, in a piece of memory that many share.
func pointTo[T any](piece *[]T, v T) *T {
	if len(*piece) == cap(*piece) {
		*piece = make([]T, 0, 64)
	}
	*piece = append(*piece, v)
	return &(*piece)[len(*piece)-1]
}

// minEventBytes is less than what an event has that is good.
const minEventBytes = 64

// base reads the fields that every event has, and keeps as an attribute what
// no other reader wants. An event's own reader calls it for the names that it
// does not know.
func (d *decoder) base(e *Event, m member) Reason {
	var ok bool
	switch m.name {
	case "type":
	case "id":
		e.ID, ok = spanIDOf(m.value)
		return when(!ok, BadID)
	case "start":
		e.Start, ok = numberOf(m.value)
		d.hasStart = true
		return when(!ok || !d.maybeAt(e.Start), BadTime)
	case "view.instance_id":
		e.ViewID, ok = sameOr(&d.viewID, m.value)
		return when(!ok, BadField)
	case "action.id":
		e.ActionID, ok = sameOr(&d.actionID, m.value)
		return when(!ok, BadField)
	default:
		d.attribute(m)
	}
	return ""
}

// complete checks what base cannot see from one field: that id and start are
// there, and that the event ends in time.
func (d *decoder) complete(e *Event, duration float64) Reason {
	switch {
	case e.ID == [8]byte{}:
		return BadID
	case !d.hasStart || !d.maybeAt(e.Start+duration):
		return BadTime
	}
	var ok bool
	e.Attributes, ok = d.attributeText()
	return when(!ok, BadField)
}

// when returns the reason where the fault is there.
func when(fault bool, reason Reason) Reason {
	if fault {
		return reason
	}
	return ""
}

func (d *decoder) request(r *Request) Reason {
	r.Method = "GET"
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		if reason := d.requestField(r, m); reason != "" {
			return reason
		}
	}
	if contextWasSent(r.TraceContextHint) && r.ServerTimingHint == "received" && r.ServerTimingTraceID.IsZero() {
		r.ServerTimingTraceID = r.TraceID // else the hint were mismatch
	}
	if reason := d.complete(&r.Event, r.Duration); reason != "" {
		return reason
	}
	return r.check()
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
	switch m.name {
	case "request.kind":
		r.Kind, ok = oneOf(m.value, requestKinds)
	case "duration":
		r.Duration, ok = numberOf(m.value)
		return when(!ok || !within(r.Duration), BadTime)
	case "url.full":
		r.URL, ok = urlOf(m.value)
		return when(!ok, BadURL)
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
		r.Sampled = pointTo(&d.sampled, sampled)
	case "request.server_timing.trace_id":
		r.ServerTimingTraceID, ok = traceIDOf(m.value)
		return when(!ok, BadTrace)
	case "request.server_timing.span_id":
		r.ServerTimingSpanID, ok = spanIDOf(m.value)
		return when(!ok, BadTrace)
	case "request.server_timing.response_id":
		var id int64
		id, ok = integerOf(m.value, -1<<31, 1<<31-1)
		r.ResponseID = pointTo(&d.responseIDs, int32(id)) //nolint:gosec // integerOf bounds it
	case "performance.initiator_type":
		r.InitiatorType, ok = usualOr(usualInitiators, m.value, MaxStringBytes)
	case "performance.next_hop_protocol":
		r.NextHopProtocol, ok = usualOr(usualProtocols, m.value, MaxStringBytes)
	case "performance.delivery":
		r.Delivery, ok = oneOf(m.value, deliveries)
	case "performance.transfer_size":
		r.TransferSize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.encoded_body_size":
		r.EncodedBodySize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.decoded_body_size":
		r.DecodedBodySize, ok = integerOf(m.value, 0, maxSafeInteger)
	case "performance.timing":
		return timing(d, &r.Timing, m.value, (*ResourceTiming).field)
	default:
		return d.base(&r.Event, m)
	}
	return when(!ok, BadField)
}

func (d *decoder) navigation(n *Navigation) Reason {
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		if reason := d.navigationField(n, m); reason != "" {
			return reason
		}
	}
	return d.complete(&n.Event, n.Duration)
}

func (d *decoder) navigationField(n *Navigation, m member) Reason {
	var ok bool
	switch m.name {
	case "duration":
		n.Duration, ok = numberOf(m.value)
		return when(!ok || !within(n.Duration), BadTime)
	case "url.full":
		n.URL, ok = urlOf(m.value)
		return when(!ok, BadURL)
	case "navigation.type":
		n.Type, ok = oneOf(m.value, navigationTypes)
	case "page.title":
		n.Title, ok = shortOf(m.value, MaxStringBytes)
	case "page.referrer":
		n.Referrer, ok = stringOf(m.value)
		return when(!ok || n.Referrer != "" && !validURL(n.Referrer), BadURL)
	case "performance.timing":
		return timing(d, &n.Timing, m.value, (*NavigationTiming).field)
	default:
		return d.base(&n.Event, m)
	}
	return when(!ok, BadField)
}

func (d *decoder) webVital(v *WebVital) Reason {
	hasValue := false
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		var ok bool
		reason := BadField
		switch m.name {
		case "web_vital.name":
			v.Name, ok = oneOf(m.value, webVitalNames)
		case "web_vital.value":
			v.Value, hasValue = numberOf(m.value)
			ok = hasValue && v.Value >= 0 && v.Value <= maxWebVital
		case "web_vital.rating":
			v.Rating, ok = oneOf(m.value, webVitalRatings)
		case "url.full":
			reason = BadURL
			v.URL, ok = urlOf(m.value)
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
	return d.complete(&v.Event, 0)
}

func (d *decoder) errorEvent(e *ErrorEvent) Reason {
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		var ok bool
		reason := BadField
		switch m.name {
		case "error.source":
			e.Source, ok = oneOf(m.value, errorSources)
		case "exception.type":
			e.Type, ok = shortOf(m.value, MaxStringBytes)
		case "exception.message":
			e.Message, ok = shortOf(m.value, MaxStringBytes)
		case "exception.stacktrace":
			e.Stack, ok = shortOf(m.value, MaxStackBytes)
		case "error.handled":
			e.Handled, ok = boolOf(m.value)
		case "error.request_id":
			e.RequestID, ok = spanIDOf(m.value)
		case "url.full":
			reason = BadURL
			e.URL, ok = urlOf(m.value)
		default:
			reason = d.base(&e.Event, m)
			ok = reason == ""
		}
		if !ok {
			return reason
		}
	}
	if e.Source == "" {
		return BadField
	}
	return d.complete(&e.Event, 0)
}

func (d *decoder) action(a *Action) Reason {
	for _, m := range d.members {
		if isNull(m.value) {
			continue
		}
		var ok bool
		reason := BadField
		switch m.name {
		case "action.kind":
			a.Kind, ok = oneOf(m.value, actionKinds)
		case "action.name":
			a.Name, ok = shortOf(m.value, MaxActionNameBytes)
		case "duration":
			reason = BadTime
			a.Duration, ok = numberOf(m.value)
			ok = ok && within(a.Duration)
		case "url.full":
			reason = BadURL
			a.URL, ok = urlOf(m.value)
		default:
			reason = d.base(&a.Event, m)
			ok = reason == ""
		}
		if !ok {
			return reason
		}
	}
	if a.Kind == "" {
		return BadField
	}
	return d.complete(&a.Event, a.Duration)
}

// timingPhases scans the object performance.timing that begins at i, and keeps its members for timing.
func (d *decoder) timingPhases(i int) (end int, sh shape) {
	o := d.object(i, d.phases)
	sh.values = 2
	for o.next() {
		valueEnd, s := d.value(o.start)
		sh.depth = max(sh.depth, s.depth)
		sh.values += s.values
		o.add(valueEnd, s)
	}
	d.phases, d.phasesFault = o.members, o.fault
	sh.depth++
	return o.end, sh
}

// timing reads the object performance.timing. field returns where a phase
// belongs, nil for one that this version does not know.
func timing[T any](d *decoder, t *T, object string, field func(t *T, name string) *float64) Reason {
	if !isObject(object) || d.phasesFault {
		return BadField
	}
	for _, m := range d.phases {
		if isNull(m.value) {
			continue
		}
		phase := field(t, m.name)
		if phase == nil {
			m.name = "performance.timing." + m.name
			d.attribute(m)
			continue
		}
		var ok bool
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

	navigationTypes = []string{"navigate", "reload", "back_forward", "prerender", "soft", "bfcache"}
	webVitalNames   = []string{"LCP", "INP", "CLS", "FCP", "TTFB"}
	webVitalRatings = []string{"good", "needs-improvement", "poor"}
	errorSources    = []string{"exception", "unhandled_rejection", "resource", "csp", "reported"}
	actionKinds     = []string{"click", "tap", "key", "scroll", "custom", "other"}
)

// Values that are met most often, of fields that allow any.
var (
	usualMethods    = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
	usualInitiators = []string{"fetch", "xmlhttprequest", "img", "script", "link", "css", "navigation", "beacon", "iframe", "other"}
	usualProtocols  = []string{"h2", "h3", "http/1.1", "http/1.0", ""}
)

// oneOf returns the one of the allowed values that a string value is.
func oneOf(value string, allowed []string) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	text := value[1 : len(value)-1]
	for _, s := range allowed {
		if text == s {
			return s, true
		}
	}
	return "", false
}

// methodOf reads a method, a token (RFC 9110, sections 9.1 and 5.6.2), in upper
// case. Browsers upper-case the common ones only, so a page that asks for patch
// sends patch.
func methodOf(value string) (s string, ok bool) {
	s, ok = usualOr(usualMethods, value, MaxMethodBytes)
	return strings.ToUpper(s), ok && s != "" && all(s, func(c byte) bool {
		return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || slices.Contains([]byte("!#$%&'*+-.^_`|~"), c)
	})
}

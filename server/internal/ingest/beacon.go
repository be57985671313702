package ingest

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/beacon"
)

// maxClockDisagreement is how far an agent's corrected time of sending may lie
// from the time of receipt before its measured offset is not believed.
const maxClockDisagreement = time.Hour

// Beacon returns the handler of POST /beacon (wire/beacon/beacon.md). Every page
// that Config.Beacons lets in may send to it and read the answer, without
// credentials.
func (r *Receiver) Beacon() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		r.shareAnswer(h, req.Header.Get("Origin"))
		if req.Method == http.MethodOptions {
			h.Set("Allow", "POST, OPTIONS")
			h.Set("Access-Control-Allow-Methods", "POST")
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		b, refused := r.takeBeacon(w, req)
		if refused != nil {
			r.metrics.beaconsRejected.WithLabelValues(refused.reason).Inc()
			if refused.status == http.StatusMethodNotAllowed {
				h.Set("Allow", "POST, OPTIONS")
			}
			refused.setHeaders(h)
			shareRefusal(h)
			writeJSON(w, refused.status, beaconRefusal{refused.problem, refused.hint})
			return
		}
		r.countBeacon(b)
		answer := beaconAnswer{Accepted: b.Accepted(), Rejected: b.Rejected}
		if answer.Rejected == nil {
			answer.Rejected = map[beacon.Reason]int{}
		}
		writeJSON(w, http.StatusAccepted, answer)
	})
}

// beaconRefusal and beaconAnswer are the bodies of the answers.
type (
	beaconRefusal struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	beaconAnswer struct {
		Accepted int                   `json:"accepted"`
		Rejected map[beacon.Reason]int `json:"rejected"`
	}
)

// takeBeacon reads a beacon and has it stored.
func (r *Receiver) takeBeacon(w http.ResponseWriter, req *http.Request) (beacon.Beacon, *refusal) {
	if req.Method != http.MethodPost {
		return beacon.Beacon{}, refuseMethod("POST, OPTIONS")
	}
	if err := r.Beacons.Sender(req); err != nil {
		return beacon.Beacon{}, refuseAt(err)
	}
	if refused := checkBeaconType(req.Header); refused != nil {
		return beacon.Beacon{}, refused
	}
	if refused := r.beacons.take(req.Context()); refused != nil {
		return beacon.Beacon{}, refused
	}
	defer r.beacons.free()
	received := r.Now().UTC()
	boundBody(w, time.Now()) // a deadline of the operating system's clock, whatever Config.Now says
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, beacon.MaxBytes))
	if err != nil {
		return beacon.Beacon{}, refuseBody(err, beacon.MaxBytes)
	}
	b, err := beacon.Decode(body)
	if err != nil {
		return beacon.Beacon{}, refuseBeacon(err)
	}
	if err := r.Beacons.Application(b.ApplicationID, req.Header.Get("Origin")); err != nil {
		return beacon.Beacon{}, refuseAt(err)
	}
	return b, r.write(req.Context(), batchOf(&b, received))
}

// checkBeaconType lets pass what a page can send without a preflight, and JSON
// under its own name.
func checkBeaconType(h http.Header) *refusal {
	const hint = "Send JSON, uncompressed, as text/plain or application/json."
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuseMediaType("the body is compressed", hint)
	}
	contentType := h.Get("Content-Type")
	if contentType == "" {
		return nil
	}
	switch mediaType, _, _ := mime.ParseMediaType(contentType); mediaType {
	case "text/plain", "application/json":
		return nil
	default:
		return refuseMediaType("the content type is not one of a beacon", hint)
	}
}

// refuseBeacon turns an error of beacon.Decode into a refusal.
func refuseBeacon(err error) *refusal {
	bad, ok := errors.AsType[*beacon.Error](err)
	if !ok {
		panic(fmt.Sprintf("ingest: beacon.Decode returned a %T", err)) // its contract says never
	}
	status := http.StatusBadRequest
	if bad.Reason == beacon.TooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return &refusal{status, string(bad.Reason), bad.Problem, bad.Hint}
}

func (r *Receiver) countBeacon(b beacon.Beacon) {
	m := r.metrics
	m.beacons.Inc()
	m.events.WithLabelValues("request").Add(float64(len(b.Requests)))
	m.events.WithLabelValues("navigation").Add(float64(len(b.Navigations)))
	m.events.WithLabelValues("web_vital").Add(float64(len(b.WebVitals)))
	for reason, n := range b.Rejected {
		m.eventsRejected.WithLabelValues(string(reason)).Add(float64(n))
	}
	for _, n := range b.Dropped {
		m.eventsLost.Add(float64(n))
	}
	m.attributesDropped.WithLabelValues("beacon").Add(float64(b.AttributesDropped))
}

// batchOf turns a beacon into what the store takes.
func batchOf(b *beacon.Beacon, received time.Time) store.Batch {
	m := beaconMapping{Beacon: b, clock: clockOf(b, received), received: received}
	batch := store.Batch{
		Requests:    make([]model.RequestEvent, len(b.Requests)),
		Navigations: make([]model.NavigationEvent, len(b.Navigations)),
		WebVitals:   make([]model.WebVital, len(b.WebVitals)),
	}
	for i := range b.Requests {
		batch.Requests[i] = m.request(&b.Requests[i])
	}
	for i := range b.Navigations {
		batch.Navigations[i] = m.navigation(&b.Navigations[i])
	}
	for i := range b.WebVitals {
		batch.WebVitals[i] = m.webVital(&b.WebVitals[i])
	}
	return batch
}

// clockOf finds the correction for a beacon's times: the offset that the agent
// measured, where it makes the time of sending agree with that of receipt,
// else the difference of the two.
func clockOf(b *beacon.Beacon, received time.Time) model.Clock {
	toReceipt := received.Sub(beacon.EpochTime(b.Sent))
	if b.ClockOffset != nil {
		offset := beacon.Duration(*b.ClockOffset)
		if (toReceipt - offset).Abs() <= maxClockDisagreement {
			c := model.Clock{Offset: offset, Source: model.ClockServerTiming}
			if b.ClockUncertainty != nil {
				c.Uncertainty = beacon.Duration(*b.ClockUncertainty)
			}
			return c
		}
	}
	return model.Clock{Offset: toReceipt, Source: model.ClockBeacon}
}

// beaconMapping holds what all events of a beacon share.
type beaconMapping struct {
	*beacon.Beacon
	clock    model.Clock
	received time.Time
}

func (m *beaconMapping) frontend(e *beacon.Event) model.Frontend {
	view := e.ViewID
	if view == "" {
		view = m.ViewID
	}
	return model.Frontend{
		ApplicationID: m.ApplicationID, InstanceID: m.InstanceID, SessionID: m.SessionID,
		PageID: m.PageID, ViewID: view, AgentName: m.AgentName, AgentVersion: m.AgentVersion,
	}
}

func (m *beaconMapping) time(e *beacon.Event) time.Time { return m.Time(e.Start).Add(m.clock.Offset) }

func (m *beaconMapping) request(r *beacon.Request) model.RequestEvent {
	e := model.RequestEvent{
		ID: r.ID, Frontend: m.frontend(&r.Event),
		Kind: model.RequestKind(r.Kind), Initiator: r.InitiatorType,
		Start: m.time(&r.Event), Duration: beacon.Duration(r.Duration), Clock: m.clock, Received: m.received,
		URL: r.URL, Host: hostOfURL(r.URL), Method: r.Method, StatusCode: r.StatusCode, Error: model.ErrorReason(r.Error),
		TraceContextHint: model.TraceContextHint(r.TraceContextHint), ServerTimingHint: model.ServerTimingHint(r.ServerTimingHint),
		Answer:   model.ServerTiming{Sampled: r.Sampled, ResponseID: r.ResponseID},
		Delivery: model.Delivery(r.Delivery), Protocol: r.NextHopProtocol,
		TransferSize: r.TransferSize, EncodedBodySize: r.EncodedBodySize, DecodedBodySize: r.DecodedBodySize,
		Timing: timingOf(&r.Timing), Attributes: r.Attributes,
	}
	ids := model.SpanContext{TraceID: r.TraceID, SpanID: r.SpanID}
	answered := model.SpanContext{TraceID: r.ServerTimingTraceID, SpanID: r.ServerTimingSpanID}
	switch {
	case r.Carried():
		e.Sent, e.Answer.SpanContext = ids, answered
	case ids != model.SpanContext{}:
		e.Answer.SpanContext = ids
	default:
		e.Answer.SpanContext = answered
	}
	return e
}

func timingOf(t *beacon.ResourceTiming) model.ResourceTiming {
	return model.ResourceTiming{
		RedirectStart: beacon.Duration(t.RedirectStart), RedirectEnd: beacon.Duration(t.RedirectEnd),
		WorkerStart: beacon.Duration(t.WorkerStart), FetchStart: beacon.Duration(t.FetchStart),
		DomainLookupStart: beacon.Duration(t.DomainLookupStart), DomainLookupEnd: beacon.Duration(t.DomainLookupEnd),
		ConnectStart: beacon.Duration(t.ConnectStart), ConnectEnd: beacon.Duration(t.ConnectEnd),
		SecureConnectionStart: beacon.Duration(t.SecureConnectionStart), RequestStart: beacon.Duration(t.RequestStart),
		FirstInterimResponseStart: beacon.Duration(t.FirstInterimResponseStart),
		ResponseStart:             beacon.Duration(t.ResponseStart), ResponseEnd: beacon.Duration(t.ResponseEnd),
	}
}

func (m *beaconMapping) navigation(n *beacon.Navigation) model.NavigationEvent {
	t := &n.Timing
	return model.NavigationEvent{
		ID: n.ID, Frontend: m.frontend(&n.Event),
		Start: m.time(&n.Event), Duration: beacon.Duration(n.Duration), Clock: m.clock, Received: m.received,
		URL: n.URL, Referrer: n.Referrer, Title: n.Title, Type: n.Type,
		ActivationStart: beacon.Duration(t.ActivationStart), DOMInteractive: beacon.Duration(t.DOMInteractive),
		DOMContentLoadedEventStart: beacon.Duration(t.DOMContentLoadedEventStart),
		DOMContentLoadedEventEnd:   beacon.Duration(t.DOMContentLoadedEventEnd),
		DOMComplete:                beacon.Duration(t.DOMComplete),
		LoadEventStart:             beacon.Duration(t.LoadEventStart), LoadEventEnd: beacon.Duration(t.LoadEventEnd),
		Attributes: n.Attributes,
	}
}

func (m *beaconMapping) webVital(v *beacon.WebVital) model.WebVital {
	return model.WebVital{
		ID: v.ID, Frontend: m.frontend(&v.Event), Time: m.time(&v.Event), Clock: m.clock, Received: m.received,
		URL: v.URL, Name: v.Name, Value: v.Value, Rating: v.Rating,
	}
}

package ingest

import (
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/beacon"
)

// maxClockDisagreement is how far an agent's corrected time of sending may lie
// from the time of receipt before its measured offset is not believed.
const maxClockDisagreement = time.Hour

// appendBeacon appends the events of a beacon to what the store takes.
func appendBeacon(batch *store.Batch, b *beacon.Beacon, h *recordHeader, hosts *hostMemo) {
	m := beaconMapping{Beacon: b, clock: clockOf(b, h.received), recordHeader: h, hosts: hosts}
	for i := range b.Requests {
		batch.Requests = append(batch.Requests, model.RequestEvent{})
		m.request(&batch.Requests[len(batch.Requests)-1], &b.Requests[i])
	}
	for i := range b.Navigations {
		batch.Navigations = append(batch.Navigations, m.navigation(&b.Navigations[i]))
	}
	for i := range b.WebVitals {
		batch.WebVitals = append(batch.WebVitals, m.webVital(&b.WebVitals[i]))
	}
	for i := range b.Errors {
		batch.Errors = append(batch.Errors, m.error(&b.Errors[i]))
	}
	for i := range b.Actions {
		batch.Actions = append(batch.Actions, m.action(&b.Actions[i]))
	}
	for i := range b.PageEvents {
		batch.PageEvents = append(batch.PageEvents, m.pageEvent(&b.PageEvents[i]))
	}
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
	*recordHeader
	clock model.Clock
	hosts *hostMemo
}

func (m *beaconMapping) frontend(e *beacon.Event) model.Frontend {
	view := e.ViewID
	if view == "" {
		view = m.ViewID
	}
	return model.Frontend{
		ApplicationID: m.ApplicationID, InstanceID: m.InstanceID, SessionID: m.SessionID,
		PageID: m.PageID, ViewID: view, ActionID: e.ActionID, AgentName: m.AgentName, AgentVersion: m.AgentVersion, Client: m.client,
	}
}

func (m *beaconMapping) time(e *beacon.Event) time.Time { return m.Time(e.Start).Add(m.clock.Offset) }

func (m *beaconMapping) request(e *model.RequestEvent, r *beacon.Request) {
	*e = model.RequestEvent{
		ID: r.ID, Frontend: m.frontend(&r.Event),
		Kind: model.RequestKind(r.Kind), Initiator: r.InitiatorType,
		Start: m.time(&r.Event), Duration: beacon.Duration(r.Duration), Clock: m.clock, Received: m.received,
		URL: r.URL, Host: m.hosts.of(r.URL), Method: r.Method, StatusCode: r.StatusCode, Error: model.ErrorReason(r.Error),
		TraceContextHint: model.TraceContextHint(r.TraceContextHint), ServerTimingHint: model.ServerTimingHint(r.ServerTimingHint),
		Answer:   model.ServerTiming{Sampled: r.Sampled, ResponseID: r.ResponseID},
		Delivery: model.Delivery(r.Delivery), Protocol: r.NextHopProtocol,
		TransferSize: r.TransferSize, EncodedBodySize: r.EncodedBodySize, DecodedBodySize: r.DecodedBodySize,
		Timing: timingOf(&r.Timing), Attributes: model.Attributes(r.Attributes),
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
		Attributes: model.Attributes(n.Attributes),
	}
}

func (m *beaconMapping) webVital(v *beacon.WebVital) model.WebVital {
	return model.WebVital{
		ID: v.ID, Frontend: m.frontend(&v.Event), Time: m.time(&v.Event), Clock: m.clock, Received: m.received,
		URL: v.URL, Name: v.Name, Value: v.Value, Rating: v.Rating, Attributes: model.Attributes(v.Attributes),
	}
}

func (m *beaconMapping) error(e *beacon.ErrorEvent) model.ErrorEvent {
	return model.ErrorEvent{
		ID: e.ID, Frontend: m.frontend(&e.Event), Time: m.time(&e.Event), Clock: m.clock, Received: m.received,
		URL: e.URL, Source: e.Source, Type: e.Type, Message: e.Message, Stack: e.Stack, Handled: e.Handled, RequestID: e.RequestID,
		Fingerprint: fingerprintOf(e.Type, e.Message, e.Stack), Attributes: model.Attributes(e.Attributes),
	}
}

func (m *beaconMapping) action(a *beacon.Action) model.ActionEvent {
	return model.ActionEvent{
		ID: a.ID, Frontend: m.frontend(&a.Event), Start: m.time(&a.Event), Duration: beacon.Duration(a.Duration), Clock: m.clock, Received: m.received,
		URL: a.URL, Kind: a.Kind, Name: a.Name, Attributes: model.Attributes(a.Attributes),
	}
}

func (m *beaconMapping) pageEvent(e *beacon.PageEvent) model.PageEvent {
	return model.PageEvent{
		ID: e.ID, Frontend: m.frontend(&e.Event), Start: m.time(&e.Event), Duration: beacon.Duration(e.Duration), Clock: m.clock, Received: m.received,
		URL: e.URL, Type: e.Type, Name: e.Name, Attributes: model.Attributes(e.Attributes),
	}
}

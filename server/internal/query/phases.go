package query

import (
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// phases cuts a request's time into what the browser did, in the order of W3C
// Resource Timing 2, section 4.3. It returns nil where the browser does not
// tell: across origins without Timing-Allow-Origin, or on a cached copy.
//
// A browser does not see when its request has reached the backend. Where the
// entry span is known, and the clock offset was measured, the span's start is
// that moment and parts "request" (on its way) from "waiting"; else all of it is
// waiting.
func phases(r *model.LinkedRequest, entry *model.Span, origin time.Time) []Phase {
	t := r.Timing
	if t.RequestStart == 0 || t.ResponseStart < t.RequestStart {
		return nil
	}
	var out []Phase
	add := func(name string, from, to time.Duration) {
		if to > from {
			out = append(out, Phase{Name: name, StartMs: milliseconds(r.Start.Add(from).Sub(origin)), DurationMs: milliseconds(to - from)})
		}
	}
	var queued time.Duration
	if t.RedirectEnd > 0 {
		add("redirect", t.RedirectStart, t.RedirectEnd)
		queued = t.RedirectEnd
	}
	if t.WorkerStart > 0 {
		add("queueing", queued, t.WorkerStart)
		add("service_worker", t.WorkerStart, t.FetchStart)
		queued = max(t.FetchStart, t.WorkerStart)
	}
	resolving, connecting := t.DomainLookupEnd > t.DomainLookupStart, t.ConnectEnd > t.ConnectStart
	switch {
	case resolving:
		add("queueing", queued, t.DomainLookupStart)
	case connecting:
		add("queueing", queued, t.ConnectStart)
	default:
		add("queueing", queued, t.RequestStart)
	}
	if resolving {
		add("dns", t.DomainLookupStart, t.DomainLookupEnd)
	}
	if connecting {
		secure := t.SecureConnectionStart
		if secure <= t.ConnectStart || secure > t.ConnectEnd {
			secure = t.ConnectEnd
		}
		add("connect", t.ConnectStart, secure)
		add("tls", secure, t.ConnectEnd)
	}
	sent := t.RequestStart
	if entry != nil && r.Clock.Source == model.ClockServerTiming {
		if arrived := entry.Start.Sub(r.Start); arrived > t.RequestStart && arrived < t.ResponseStart {
			sent = arrived
		}
	}
	add("request", t.RequestStart, sent)
	add("waiting", sent, t.ResponseStart)
	add("download", t.ResponseStart, t.ResponseEnd)
	return out
}

package link

import (
	"bytes"
	"cmp"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// By how much a span may seem to start before the request that it answers, beyond
// the known uncertainty of the clocks. A stored copy's trace is older than that, or
// so young that it does not matter.
const (
	// staleSlack holds where the page's clock was measured against the backend's.
	staleSlack = 5 * time.Second
	// unmeasuredSlack holds where it was not: clocks of servers may differ by minutes, and
	// to take an answer for a copy because of that would hide a good link.
	unmeasuredSlack = 10 * time.Minute
)

// cached reports whether the agent itself knows that the answer is a stored copy.
func (j *judgement) cached() bool {
	return j.Request.Delivery == model.DeliveredByCache || j.Request.ServerTimingHint == model.TimingStale
}

func (j *judgement) byWorker() bool { return j.Request.Delivery == model.DeliveredByServiceWorker }

// sharedAnswer reports whether another session had the same answer before, so that this one is a
// copy of it, from a cache that the browser does not see, such as a CDN's. An answer to the
// trace that the request itself carried is none for that: an application may write one trace
// into a page that many users get.
func (j *judgement) sharedAnswer() bool {
	same, r := j.SameAnswer, &j.Request
	if same == nil || !r.Answer.TraceID.IsZero() && r.Answer.TraceID == r.Sent.TraceID {
		return false
	}
	return cmp.Or(same.Start.Compare(r.Start), bytes.Compare(same.RequestID[:], r.ID[:])) < 0
}

// staleAnswer reports whether the trace that the answer named, in place of one that was carried, is older than
// the request.
func (j *judgement) staleAnswer() bool {
	switch answer := j.Request.Answer.TraceID; {
	case answer.IsZero() || answer == j.Request.Sent.TraceID:
		return false
	case j.carried():
		return len(j.AnswerTrace) > 0 && !j.freshIn(spans{all: j.AnswerTrace})
	default:
		return len(j.Trace) > 0 && !j.freshIn(j.trace)
	}
}

// freshIn reports whether the answer's trace is of this request's time, as its entry span says, or the
// first span where that is not known. A stored copy names an older trace. There must be spans.
func (j *judgement) freshIn(trace spans) bool {
	s := trace.find(j.Request.Answer.SpanID)
	if s == nil {
		s = earliest(trace.all, anyKind)
	}
	slack := staleSlack
	if !j.measured() {
		slack = unmeasuredSlack
	}
	return !s.Start.Before(j.Request.Start.Add(-j.Request.Clock.Uncertainty - slack))
}

// measured reports whether the page's clock was measured against the backend's.
func (j *judgement) measured() bool { return j.Request.Clock.Source == model.ClockServerTiming }

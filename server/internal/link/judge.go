// Package link says what became of the link between each frontend request and
// the backend trace that answered it: the verdict, as a pure function of the
// evidence, its explanation, and the pass that judges what a store holds.
package link

import (
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

// Judge gives the verdict on one request from what is known at now (linking
// contract, section 6). Spans may still be under way until wait after the request's
// beacon came in: until then a verdict that rests on their absence is pending, and
// every one that is not final has its Due. It is pure: the same arguments give the
// same verdict.
func Judge(e model.Evidence, now time.Time, wait time.Duration) model.Verdict {
	j := judgement{Evidence: &e}
	due := e.Request.Received.Add(wait)
	j.waiting = now.Before(due)
	v := j.verdict()
	if j.waiting && !v.Final {
		v.Due = due
	}
	return v
}

func (j *judgement) verdict() model.Verdict {
	if j.carried() {
		if v, ok := j.joinedByContext(); ok {
			return v
		}
	}
	// What the request itself carried and a backend recorded is proof, and was looked
	// for above: it beats what the agent believes of a cache, a worker or an abort.
	if v, ok := j.notApplicable(); ok {
		return v
	}
	if j.carried() {
		return j.nothingArrived()
	}
	if !j.Request.Answer.TraceID.IsZero() {
		return j.answered()
	}
	return j.noContext()
}

// judgement is one request's evidence on its way to a verdict.
type judgement struct {
	*model.Evidence
	waiting bool // spans may still be under way
}

// carried reports whether the request carried trace context of anyone's making.
func (j *judgement) carried() bool { return !j.Request.Sent.TraceID.IsZero() }

// ownTrace reports whether the agent drew the trace id for this request alone.
// An application's own trace may hold many requests.
func (j *judgement) ownTrace() bool {
	switch j.Request.TraceContextHint {
	case model.ContextSet, model.ContextIncluded, model.ContextMaxLength, model.ContextMissingValues, model.ContextAPISet:
		return true
	default:
		return false
	}
}

// dtrSent reports whether the agent put our dtr entry on the request.
func (j *judgement) dtrSent() bool {
	switch j.Request.TraceContextHint {
	case model.ContextSet, model.ContextIncluded, model.ContextExternal, model.ContextAPISet:
		return true
	default:
		return false
	}
}

// backendAnswered reports whether Server-Timing itself shows that the backend is
// instrumented.
func (j *judgement) backendAnswered() bool {
	hint := j.Request.ServerTimingHint
	return hint == model.TimingReceived || hint == model.TimingMismatch
}

// joinedByContext looks for what the request carried among the spans. ok is
// false where nothing of it is there.
func (j *judgement) joinedByContext() (v model.Verdict, ok bool) {
	sent, answer := j.Request.Sent, j.Request.Answer.SpanContext
	spans := newSpans(j.Trace)

	// An entry span has the request's span id as parent. Where a proxy tried twice,
	// Server-Timing may tell which try was answered; else it is the first.
	mayAnswer := func(s *model.SpanFacts) bool { return answersRequests(s) && !j.foreign(s) }
	if s := spans.childOf(sent.SpanID, mayAnswer); s != nil {
		named := spans.byID[answer.SpanID]
		answerTold := answer.TraceID == sent.TraceID && !answer.SpanID.IsZero()
		if answerTold && named != nil && named.ParentSpanID == sent.SpanID && mayAnswer(named) {
			s = named
		}
		v := j.dtrOrLinked(s, model.Exact)
		if answerTold && named == nil { // the span that was named may be a better one
			v.Final = false
		}
		return v, true
	}
	// Server-Timing named the entry span. That the parent was rewritten on the way does
	// not matter then, but a lost dtr does: dtrOrLinked lets the fault win over the exact
	// pair, since without dtr the backend cannot name the session and the user should
	// learn which header to look after.
	if answer.TraceID == sent.TraceID {
		if s := spans.byID[answer.SpanID]; s != nil {
			return j.dtrOrLinked(s, model.Exact), true
		}
	}
	if s := spans.descendantOf(sent.SpanID, mayAnswer); s != nil {
		return j.dtrOrLinked(s, model.ViaIntermediary), true
	}
	if v, ok := j.strangeParent(spans, isEntry); ok {
		return v, true
	}
	// Among entry spans that are still under way, others may have come first.
	if !j.waiting {
		if v, ok := j.strangeParent(spans, answersRequests); ok {
			return v, true
		}
	}
	// Another trace whose dtr names the request: somebody restarted the trace.
	restarted := func(s *model.SpanFacts) bool { return answersRequests(s) && j.contradiction(s.Dtr) == "" }
	if s := earliest(j.ByDtr, restarted); s != nil {
		return joined(model.Partial, model.TraceRestarted, s.SpanContext), true
	}
	if v, ok := j.otherTrace(); ok {
		return v, true
	}
	// A child that is no SERVER span: the entry span of a backend that calls it
	// otherwise, or the first that arrived of a longer chain. Hence not final.
	if s := spans.childOf(sent.SpanID, func(s *model.SpanFacts) bool { return !j.foreign(s) }); s != nil {
		v := j.dtrOrLinked(s, model.Exact)
		v.Final = false
		return v, true
	}
	if !j.waiting {
		if v, ok := j.strangeParent(spans, anyKind); ok {
			return v, true
		}
	}
	// The trace is there, Server-Timing says that it is the answer's, and only the entry
	// span is missing or cannot be told from those of other requests in the trace.
	if len(j.Trace) > 0 && answer.TraceID == sent.TraceID {
		return joined(model.Linked, model.ByServerTiming, model.SpanContext{TraceID: sent.TraceID}), true
	}
	return model.Verdict{}, false
}

// foreign reports whether a span belongs to another user's request in a trace that many
// share, such as one whose id an application writes into a cached page.
func (j *judgement) foreign(s *model.SpanFacts) bool {
	return !j.ownTrace() && s.DtrState == model.DtrValid && j.contradiction(s.Dtr) != ""
}

// strangeParent looks for a span of a kind in the carried trace whose parent is a span
// that nobody recorded, and not the request. It stays provisional: the parent may
// come yet, and then lead to the request.
func (j *judgement) strangeParent(spans spans, kind func(*model.SpanFacts) bool) (v model.Verdict, ok bool) {
	sent := j.Request.Sent.SpanID
	stray := func(s *model.SpanFacts) bool { return s.ParentSpanID != sent || sent.IsZero() }
	named := func(s *model.SpanFacts) bool {
		return stray(s) && s.DtrState == model.DtrValid && s.Dtr.SpanID == sent && !j.foreign(s)
	}
	if s := spans.top(kind, named); s != nil {
		if detail := j.contradiction(s.Dtr); detail != "" {
			return j.altered(s, detail), true
		}
		return joined(model.Partial, model.ParentRewritten, s.SpanContext), true
	}
	if j.ownTrace() { // else nothing tells this request's entry span from another's
		if s := spans.top(kind, stray); s != nil {
			return j.lostParent(s), true
		}
	}
	return model.Verdict{}, false
}

// lostParent gives the verdict where neither parent nor dtr of an entry span name
// the request. No row has both; the trace id alone joins them, and what became of
// dtr is what costs the session, so its row it is.
func (j *judgement) lostParent(s *model.SpanFacts) model.Verdict {
	v := j.dtrOrLinked(s, model.ParentRewritten) // never linked: dtr does not name the request
	if v.Reason == model.TracestateLost && v.Detail == "" {
		v.Detail = string(model.ParentRewritten)
	}
	return v
}

// otherTrace joins a request to the trace that Server-Timing named in place of
// the one carried. A copy from a cache names somebody else's.
func (j *judgement) otherTrace() (v model.Verdict, ok bool) {
	answer := j.Request.Answer.SpanContext
	if answer.TraceID.IsZero() || answer.TraceID == j.Request.Sent.TraceID || j.cached() || j.byWorker() {
		return model.Verdict{}, false
	}
	if answer.SpanID.IsZero() {
		if s := newSpans(j.AnswerTrace).top(isEntry, anyKind); s != nil {
			answer.SpanID = s.SpanID
		}
	}
	return joined(model.Partial, model.TraceparentDropped, answer), true
}

// dtrOrLinked gives the verdict on a request whose entry span is s: linked, or
// what happened to our dtr entry on the way.
func (j *judgement) dtrOrLinked(s *model.SpanFacts, reason model.LinkReason) model.Verdict {
	switch s.DtrState {
	case model.DtrAbsent:
		v := joined(model.Partial, model.TracestateLost, s.SpanContext)
		if !j.dtrSent() {
			v.Detail = string(j.Request.TraceContextHint) // it was not lost, it was never sent
		}
		return v
	case model.DtrValid:
		if detail := j.contradiction(s.Dtr); detail != "" {
			return j.altered(s, detail)
		}
		v := joined(model.Linked, reason, s.SpanContext)
		v.Final = true
		return v
	default:
		return j.altered(s, "")
	}
}

func (j *judgement) altered(s *model.SpanFacts, detail string) model.Verdict {
	v := joined(model.Partial, model.TracestateAltered, s.SpanContext)
	v.Detail = detail
	return v
}

// contradiction returns the field in which a dtr entry contradicts the event;
// empty where it does not. What the event does not know cannot be contradicted.
func (j *judgement) contradiction(d model.Dtr) string {
	differs := func(event, dtr string) bool { return event != "" && event != dtr }
	switch r := &j.Request; {
	case d.SpanID != r.Sent.SpanID:
		return "span.id"
	case differs(r.SessionID, d.SessionID):
		return "session.id"
	case differs(r.ApplicationID, d.ApplicationID):
		return "rum.application.id"
	case differs(r.InstanceID, d.InstanceID):
		return "rum.instance.id"
	default:
		return ""
	}
}

func (j *judgement) cached() bool {
	return j.Request.Delivery == model.DeliveredByCache || j.Request.ServerTimingHint == model.TimingStale
}

func (j *judgement) byWorker() bool { return j.Request.Delivery == model.DeliveredByServiceWorker }

// notApplicable says whether no backend took part, as far as the agent knows.
// That is final unless the request carried a context: a span with it would prove
// the contrary, as with a service worker that passes requests through.
func (j *judgement) notApplicable() (v model.Verdict, ok bool) {
	switch {
	case j.Request.Error.NeverSent():
		v = unjoined(model.NotApplicable, model.RequestNeverSent, string(j.Request.Error))
	case j.cached():
		v = unjoined(model.NotApplicable, model.ServedFromCache, "")
	case j.byWorker():
		if len(j.Trace) > 0 && !j.carried() && j.fresh() {
			return model.Verdict{}, false // passed through: Server-Timing links it as any other
		}
		v = unjoined(model.NotApplicable, model.ServedByWorker, "")
		v.Final = !j.carried() && j.Request.Answer.TraceID.IsZero()
		return v, true
	default:
		return model.Verdict{}, false
	}
	v.Final = !j.carried()
	return v, true
}

// fresh reports whether the spans that Server-Timing named are of this request's
// time. A stored copy names an older trace.
func (j *judgement) fresh() bool {
	first := earliest(j.Trace, anyKind)
	slack := staleSlack
	if j.Request.Clock.Source != model.ClockServerTiming {
		slack = unmeasuredSlack
	}
	return !first.Start.Before(j.Request.Start.Add(-j.Request.Clock.Uncertainty - slack))
}

// nothingArrived judges a request that carried a context of which no span shows
// anything.
func (j *judgement) nothingArrived() model.Verdict {
	r := &j.Request
	switch {
	case (r.Answer.TraceID == r.Sent.TraceID || r.Answer.TraceID.IsZero()) && r.Answer.Sampled != nil && !*r.Answer.Sampled:
		return unjoined(model.Unlinked, model.NotSampled, "")
	case j.waiting:
		return model.Verdict{Status: model.Pending}
	case r.Answer.TraceID == r.Sent.TraceID:
		return unjoined(model.Unlinked, model.SpansMissing, "")
	case r.Error == model.ErrorNetwork:
		// Refused, reset, DNS, TLS, a failed preflight: nothing shows that a backend took
		// part, and to blame a hop for stripped headers would be a false alarm.
		return unjoined(model.NotApplicable, model.RequestNeverSent, string(r.Error))
	case j.HostSeen || j.backendAnswered():
		// An abort or a time-out while under way stays here, with the error as detail: it
		// was sent, and an instrumented backend that got it would have recorded it.
		return unjoined(model.Unlinked, model.HeadersDropped, j.errorOrMismatch())
	default:
		return unjoined(model.Unlinked, model.BackendNotInstrumented, string(r.Error))
	}
}

// errorOrMismatch is the fact that narrows down why headers were dropped.
func (j *judgement) errorOrMismatch() string {
	if j.Request.Error == "" && j.Request.ServerTimingHint == model.TimingMismatch {
		return string(model.TimingMismatch)
	}
	return string(j.Request.Error)
}

// answered judges a request that carried nothing, and whose trace Server-Timing
// named. No dtr was sent, so none is missed.
func (j *judgement) answered() model.Verdict {
	answer := j.Request.Answer
	spans := newSpans(j.Trace)
	switch {
	case len(j.Trace) > 0 && !j.fresh():
		// A copy of an earlier answer, by a cache that the browser does not see, such as a CDN's.
		v := unjoined(model.NotApplicable, model.ServedFromCache, "")
		v.Final = true
		return v
	case spans.byID[answer.SpanID] != nil:
		v := joined(model.Linked, model.Exact, answer.SpanContext)
		v.Final = true
		return v
	case len(j.Trace) > 0:
		at := answer.SpanContext
		if at.SpanID.IsZero() {
			if s := spans.top(isEntry, anyKind); s != nil {
				at.SpanID = s.SpanID
			}
		}
		return joined(model.Linked, model.ByServerTiming, at)
	case answer.Sampled != nil && !*answer.Sampled:
		return unjoined(model.Unlinked, model.NotSampled, "")
	case j.waiting:
		return model.Verdict{Status: model.Pending}
	default:
		return unjoined(model.Unlinked, model.SpansMissing, "")
	}
}

// noContext judges a request that carried nothing and read nothing. No span can
// ever be joined to it, so it is final at once.
func (j *judgement) noContext() model.Verdict {
	r := &j.Request
	v := unjoined(model.Unlinked, model.LinkReasonUndefined, "")
	switch r.TraceContextHint {
	case model.ContextNotSet, model.ContextFromServer:
		v = unjoined(model.Unlinked, model.NoServerTiming, string(r.ServerTimingHint))
	case model.ContextNotSampled:
		v = unjoined(model.Unlinked, model.NotSampled, string(r.TraceContextHint))
	case model.ContextCrossOrigin, model.ContextExcluded, model.ContextDisabled, model.ContextNotHTTP, model.ContextInvalid,
		model.ContextCORSRejected, model.ContextUnused, model.ContextAPIUnused, model.ContextAPIInvalid,
		// These say that a context was sent, and without its ids nobody can look for it.
		model.ContextSet, model.ContextIncluded, model.ContextExternal, model.ContextMaxLength, model.ContextMissingValues, model.ContextAPISet:
		v = unjoined(model.Unlinked, model.NotPropagated, string(r.TraceContextHint))
	}
	v.Final = true
	return v
}

func joined(status model.LinkStatus, reason model.LinkReason, to model.SpanContext) model.Verdict {
	return model.Verdict{Status: status, Reason: reason, Joined: to}
}

func unjoined(status model.LinkStatus, reason model.LinkReason, detail string) model.Verdict {
	return model.Verdict{Status: status, Reason: reason, Detail: detail}
}

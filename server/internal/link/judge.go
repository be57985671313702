// Package link says what became of the link between each frontend request and
// the backend trace that answered it: the verdict, as a pure function of the
// evidence, its explanation, and the pass that judges what a store holds.
package link

import (
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// Judge gives the verdict on one request from what is known at now (linking
// contract, section 6). Spans may still be under way until wait after the request's
// beacon came in: until then a verdict that rests on their absence is pending, and
// every one that is not final has its Due. It is pure: the same arguments give the
// same verdict.
func Judge(e model.Evidence, now time.Time, wait time.Duration) model.Verdict {
	return judge(&e, spans{all: e.Trace}, now, wait)
}

// judge is Judge with the request's own trace as it may have been prepared for other requests too.
func judge(e *model.Evidence, trace spans, now time.Time, wait time.Duration) model.Verdict {
	j := judgement{Evidence: e, trace: trace}
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
	trace   spans // Evidence.Trace
	waiting bool  // spans may still be under way
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
	mayAnswer := func(s *model.SpanFacts) bool { return takesIn(s) && !j.foreign(s) }
	if v, ok := j.exact(mayAnswer); ok {
		return v, true
	}
	if s := j.trace.descendantOf(sent.SpanID, mayAnswer); s != nil {
		v := j.dtrOrLinked(s, model.ViaIntermediary)
		v.Final = false // a span nearer to the request may come
		return v, true
	}
	if v, ok := j.strangeParent(isEntry); ok {
		return v, true
	}
	// Among entry spans that are still under way, others may have come first.
	if !j.waiting {
		if v, ok := j.strangeParent(takesIn); ok {
			return v, true
		}
	}
	// Another trace whose dtr names the request: somebody restarted the trace.
	restarted := func(s *model.SpanFacts) bool { return takesIn(s) && j.contradiction(&s.Dtr) == "" }
	if s := earliest(j.ByDtr, restarted); s != nil {
		return joined(model.Partial, model.TraceRestarted, named(s), s.SpanContext), true
	}
	if v, ok := j.otherTrace(); ok {
		return v, true
	}
	// A child that takes nothing in: the entry span of a backend that calls it
	// otherwise, or the first that arrived of a longer chain. Hence not final.
	if s := j.trace.childOf(sent.SpanID, func(s *model.SpanFacts) bool { return !j.foreign(s) }); s != nil {
		v := j.dtrOrLinked(s, model.Exact)
		v.Final = false
		return v, true
	}
	if !j.waiting {
		if v, ok := j.strangeParent(anyKind); ok {
			return v, true
		}
	}
	// The trace is there, Server-Timing says that it is the answer's, and only the entry
	// span is missing or cannot be told from those of other requests in the trace.
	if len(j.Trace) > 0 && answer.TraceID == sent.TraceID {
		return j.linked(model.ByServerTiming, model.SpanContext{TraceID: sent.TraceID}), true
	}
	return model.Verdict{}, false
}

// exact looks for the entry span that has the request's span id as parent, and the one that
// Server-Timing named. One whose dtr is whole goes before one without, so that what is
// linked stays linked whatever else arrives; with none such, what became of dtr is what the user
// should learn of, since without it the backend cannot name the session.
func (j *judgement) exact(mayAnswer func(*model.SpanFacts) bool) (v model.Verdict, ok bool) {
	sent, answer := j.Request.Sent, j.Request.Answer.SpanContext
	told := answer.TraceID == sent.TraceID && !answer.SpanID.IsZero()
	var answering *model.SpanFacts
	if told {
		if answering = j.trace.find(answer.SpanID); answering != nil && j.foreign(answering) {
			answering = nil
		}
	}
	child := j.trace.childOf(sent.SpanID, func(s *model.SpanFacts) bool { return mayAnswer(s) && j.whole(s) })
	if child == nil {
		child = j.trace.childOf(sent.SpanID, mayAnswer)
	}
	// Where a proxy tried twice, Server-Timing may tell which try was answered; else it is the first.
	if answering != nil && answering.ParentSpanID == sent.SpanID && mayAnswer(answering) {
		child = answering
	}
	switch {
	case child != nil && j.whole(child):
		v = j.dtrOrLinked(child, model.Exact)
		if told && answering == nil { // the span that was named may be a better one
			v.Final = false
		}
		return v, true
	case answering != nil && j.whole(answering): // that the parent was rewritten on the way does not matter then
		return j.dtrOrLinked(answering, model.Exact), true
	case child != nil:
		return j.dtrOrLinked(child, model.Exact), true
	case answering != nil:
		return j.dtrOrLinked(answering, model.Exact), true
	default:
		return model.Verdict{}, false
	}
}

// whole reports whether a span has our dtr entry as it was sent.
func (j *judgement) whole(s *model.SpanFacts) bool {
	return s.DtrState == model.DtrValid && j.contradiction(&s.Dtr) == ""
}

// named says whether HTTP headers on a span name the hop before it.
func named(s *model.SpanFacts) string {
	if nearestHop(s.Via) == "" {
		return ""
	}
	return detailNamedHop
}

// foreign reports whether a span belongs to another user's request in a trace that many
// share, such as one whose id an application writes into a cached page.
func (j *judgement) foreign(s *model.SpanFacts) bool {
	return !j.ownTrace() && s.DtrState == model.DtrValid && j.contradiction(&s.Dtr) != ""
}

// strangeParent looks for a span of a kind in the carried trace whose parent is a span
// that nobody recorded, and not the request. It stays provisional: the parent may
// come yet, and then lead to the request.
func (j *judgement) strangeParent(kind func(*model.SpanFacts) bool) (v model.Verdict, ok bool) {
	sent := j.Request.Sent.SpanID
	stray := func(s *model.SpanFacts) bool { return s.ParentSpanID != sent || sent.IsZero() }
	ours := func(s *model.SpanFacts) bool {
		return stray(s) && s.DtrState == model.DtrValid && s.Dtr.SpanID == sent && !j.foreign(s)
	}
	if s := j.trace.top(kind, ours); s != nil {
		if detail := j.contradiction(&s.Dtr); detail != "" {
			return altered(s, detail), true
		}
		return joined(model.Partial, model.ParentRewritten, named(s), s.SpanContext), true
	}
	if j.ownTrace() { // else nothing tells this request's entry span from another's
		if s := j.trace.top(kind, stray); s != nil {
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
	if v.Reason == model.TracestateLost && j.dtrSent() {
		v.Detail = detailParentRewritten
	}
	return v
}

// otherTrace joins a request to the trace that Server-Timing named in place of
// the one carried. A copy from a cache names somebody else's.
func (j *judgement) otherTrace() (v model.Verdict, ok bool) {
	answer := j.Request.Answer.SpanContext
	if answer.TraceID.IsZero() || answer.TraceID == j.Request.Sent.TraceID || j.cached() || j.byWorker() || j.sharedAnswer() || j.staleAnswer() {
		return model.Verdict{}, false
	}
	trace := spans{all: j.AnswerTrace}
	s := trace.find(answer.SpanID)
	if answer.SpanID.IsZero() {
		if s = trace.top(isEntry, anyKind); s != nil {
			answer.SpanID = s.SpanID
		}
	}
	detail := ""
	if s != nil {
		detail = named(s)
	}
	return joined(model.Partial, model.TraceparentDropped, detail, answer), true
}

// dtrOrLinked gives the verdict on a request whose entry span is s: linked, or
// what happened to our dtr entry on the way.
func (j *judgement) dtrOrLinked(s *model.SpanFacts, reason model.LinkReason) model.Verdict {
	switch s.DtrState {
	case model.DtrAbsent:
		return joined(model.Partial, model.TracestateLost, j.whereLost(s), s.SpanContext)
	case model.DtrValid:
		if detail := j.contradiction(&s.Dtr); detail != "" {
			return altered(s, detail)
		}
		v := j.linked(reason, s.SpanContext)
		v.Final = true
		return v
	default:
		return altered(s, "")
	}
}

// whereLost narrows down why an entry span is without our dtr entry.
func (j *judgement) whereLost(s *model.SpanFacts) string {
	switch {
	case !j.dtrSent():
		return string(j.Request.TraceContextHint) // it was not lost, it was never sent
	case j.lastWithDtr(s) != nil:
		return detailRecordedHop
	default:
		return named(s)
	}
}

// lastWithDtr returns the span before s that still had our dtr entry; nil where there is none.
func (j *judgement) lastWithDtr(s *model.SpanFacts) *model.SpanFacts {
	return j.trace.ancestorOf(s, j.Request.Sent.SpanID, func(s *model.SpanFacts) bool { return s.DtrState == model.DtrValid })
}

// linked gives the verdict on a request that is joined as it should be. Where the sender or a
// load balancer in between had said that the trace is not recorded, that is told beside.
func (j *judgement) linked(reason model.LinkReason, at model.SpanContext) model.Verdict {
	detail := ""
	if a := &j.Request.Answer; a.Sampled != nil && !*a.Sampled && (a.TraceID.IsZero() || a.TraceID == at.TraceID) {
		detail = detailNotSampled
	}
	return joined(model.Linked, reason, detail, at)
}

func altered(s *model.SpanFacts, detail string) model.Verdict {
	return joined(model.Partial, model.TracestateAltered, detail, s.SpanContext)
}

// contradiction returns the field in which a dtr entry contradicts the event;
// empty where it does not. What the event does not know cannot be contradicted.
func (j *judgement) contradiction(d *model.Dtr) string {
	differs := func(event, dtr string) bool { return event != "" && event != dtr }
	switch r := &j.Request; {
	case d.SpanID != r.Sent.SpanID:
		return detailSpanID
	case differs(r.SessionID, d.SessionID):
		return detailSession
	case differs(r.ApplicationID, d.ApplicationID):
		return detailApplication
	case differs(r.InstanceID, d.InstanceID):
		return detailInstance
	default:
		return ""
	}
}

// notApplicable says whether no backend took part, as far as is known.
// That is final unless the request carried a context: a span with it would prove
// the contrary, as with a service worker that passes requests through.
func (j *judgement) notApplicable() (v model.Verdict, ok bool) {
	switch {
	case j.Request.Error.NeverSent():
		v = unjoined(model.NotApplicable, model.RequestNeverSent, string(j.Request.Error))
	case j.cached():
		v = unjoined(model.NotApplicable, model.ServedFromCache, "")
	case j.sharedAnswer():
		v = unjoined(model.NotApplicable, model.ServedFromCache, detailSameAnswer)
	case j.byWorker():
		if !j.carried() && len(j.Trace) > 0 && j.freshIn(j.trace) {
			return model.Verdict{}, false // passed through: Server-Timing links it as any other
		}
		v = unjoined(model.NotApplicable, model.ServedByWorker, "")
		v.Final = !j.carried() && j.Request.Answer.TraceID.IsZero()
		return v, true
	case j.staleAnswer():
		v = unjoined(model.NotApplicable, model.ServedFromCache, detailStale)
		// The entry span, where it is named and not here yet, knows better.
		v.Final = !j.carried() && (j.Request.Answer.SpanID.IsZero() || j.trace.find(j.Request.Answer.SpanID) != nil)
		return v, true
	default:
		return model.Verdict{}, false
	}
	v.Final = !j.carried()
	return v, true
}

// nothingArrived judges a request that carried a context of which no span shows
// anything.
func (j *judgement) nothingArrived() model.Verdict {
	r := &j.Request
	switch {
	case (r.Answer.TraceID == r.Sent.TraceID || r.Answer.TraceID.IsZero()) && r.Answer.Sampled != nil && !*r.Answer.Sampled:
		// A flag 0 from outside is data, not an order: spans that come all the same turn this.
		detail := ""
		if r.Answer.TraceID.IsZero() {
			detail = detailFlags // Server-Timing said nothing, so that it was the context's own
		}
		return unjoined(model.Unlinked, model.NotSampled, detail)
	case j.waiting:
		return model.Verdict{Status: model.Pending}
	case r.Answer.TraceID == r.Sent.TraceID:
		return j.spansMissing()
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

// spansMissing judges a request whose trace the backend named, and of which nothing came.
func (j *judgement) spansMissing() model.Verdict {
	detail := ""
	if sampled := j.Request.Answer.Sampled; sampled != nil && *sampled {
		detail = detailSampled
	}
	return unjoined(model.Unlinked, model.SpansMissing, detail)
}

// answered judges a request that carried nothing, and whose trace Server-Timing
// named. No dtr was sent, so none is missed.
func (j *judgement) answered() model.Verdict {
	answer := j.Request.Answer
	switch {
	case j.trace.find(answer.SpanID) != nil:
		v := j.linked(model.Exact, answer.SpanContext)
		// The time of the span says at once that the answer is no copy where the clocks were compared; else
		// another session with the same answer would, and its beacon may be under way.
		v.Final = !j.waiting || j.measured()
		return v
	case len(j.Trace) > 0:
		at := answer.SpanContext
		if at.SpanID.IsZero() {
			if s := j.trace.top(isEntry, anyKind); s != nil {
				at.SpanID = s.SpanID
			}
		}
		return j.linked(model.ByServerTiming, at)
	case answer.Sampled != nil && !*answer.Sampled:
		return unjoined(model.Unlinked, model.NotSampled, "")
	case j.waiting:
		return model.Verdict{Status: model.Pending}
	default:
		return j.spansMissing()
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

func joined(status model.LinkStatus, reason model.LinkReason, detail string, to model.SpanContext) model.Verdict {
	return model.Verdict{Status: status, Reason: reason, Detail: detail, Joined: to}
}

func unjoined(status model.LinkStatus, reason model.LinkReason, detail string) model.Verdict {
	return model.Verdict{Status: status, Reason: reason, Detail: detail}
}

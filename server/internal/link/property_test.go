package link

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var (
	allKinds = []model.RequestKind{model.KindDocument, model.KindResource, model.KindFetch, model.KindXHR}
	allHints = []model.TraceContextHint{
		model.ContextSet, model.ContextIncluded, model.ContextExternal, model.ContextInvalid, model.ContextMaxLength,
		model.ContextMissingValues, model.ContextCrossOrigin, model.ContextExcluded, model.ContextDisabled, model.ContextNotHTTP,
		model.ContextFromServer, model.ContextNotSet, model.ContextCORSRejected, model.ContextNotSampled, model.ContextUnused,
		model.ContextAPISet, model.ContextAPIInvalid, model.ContextAPIUnused,
	}
	allTimingHints = []model.ServerTimingHint{
		model.TimingReceived, model.TimingNotAvailable, model.TimingNoTraceInfo, model.TimingInvalid, model.TimingMismatch, model.TimingStale,
	}
	allErrors = []model.ErrorReason{
		"", model.ErrorAbort, model.ErrorAbortUnsent, model.ErrorNetwork, model.ErrorTimeout, model.ErrorOffline,
		model.ErrorBlocked, model.ErrorInvalidCall, model.ErrorUnknownReason,
	}
	allDeliveries = []model.Delivery{"", model.DeliveredByNetwork, model.DeliveredByCache, model.DeliveredByServiceWorker}
)

// drawEvidence draws evidence from few ids, so that spans meet.
func drawEvidence(t *rapid.T) model.Evidence {
	trace := rapid.Map(rapid.ByteRange(0, 2), func(b byte) tracecontext.TraceID { return tracecontext.TraceID{b} })
	var r model.RequestEvent
	r.Kind = rapid.SampledFrom(allKinds).Draw(t, "kind")
	r.SessionID, r.ApplicationID, r.InstanceID = anyID.Draw(t, "session"), anyID.Draw(t, "application"), anyID.Draw(t, "instance")
	r.ID, r.Start, r.Received = model.EventID{1}, began, received
	r.Clock.Source = rapid.SampledFrom([]model.ClockSource{model.ClockServerTiming, model.ClockBeacon}).Draw(t, "clock")
	r.TraceContextHint = rapid.SampledFrom(allHints).Draw(t, "context hint")
	r.ServerTimingHint = rapid.SampledFrom(allTimingHints).Draw(t, "timing hint")
	r.Error = rapid.SampledFrom(allErrors).Draw(t, "error")
	r.Delivery = rapid.SampledFrom(allDeliveries).Draw(t, "delivery")
	r.Sent = model.SpanContext{TraceID: trace.Draw(t, "sent trace"), SpanID: anySpanID.Draw(t, "sent span")}
	r.Answer.SpanContext = model.SpanContext{TraceID: trace.Draw(t, "answer trace"), SpanID: anySpanID.Draw(t, "answer span")}
	r.Answer.Sampled = rapid.Ptr(rapid.Bool(), true).Draw(t, "sampled")

	// Half of the events are of a good agent whose headers mostly arrive, so that chance alone need not make links.
	if rapid.Bool().Draw(t, "good") {
		r.SessionID, r.ApplicationID, r.InstanceID, r.Error, r.Delivery = "", "", "", "", ""
		r.TraceContextHint, r.Sent = model.ContextSet, model.SpanContext{TraceID: tracecontext.TraceID{1}, SpanID: goodSpanID}
		if rapid.Bool().Draw(t, "document") {
			r.Kind, r.TraceContextHint, r.Sent, r.Answer.TraceID = model.KindDocument, model.ContextFromServer, model.SpanContext{}, tracecontext.TraceID{1}
		}
	}
	spansOf := func(trace tracecontext.TraceID, label string) []model.SpanFacts { return drawSpans(t, trace, 5, label) }
	e := model.Evidence{Request: r, HostSeen: rapid.Bool().Draw(t, "host seen")}
	if rapid.IntRange(0, 3).Draw(t, "same answer") == 3 {
		e.SameAnswer = &model.SameAnswer{
			RequestID: model.EventID{rapid.ByteRange(0, 2).Draw(t, "same request")}, SessionID: "C",
			Start: began.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "same start")) * time.Second), Sessions: 1,
		}
	}
	if r.Sent.TraceID.IsZero() {
		e.Trace = spansOf(r.Answer.TraceID, "trace")
	} else {
		e.Trace = spansOf(r.Sent.TraceID, "trace")
		if r.Answer.TraceID != r.Sent.TraceID {
			e.AnswerTrace = spansOf(r.Answer.TraceID, "answer trace spans")
		}
		e.ByDtr = spansOf(tracecontext.TraceID{9}, "by dtr")
	}
	return e
}

// drawnKinds are all, and those of the usual chain of hops more often.
var drawnKinds = []model.SpanKind{
	model.SpanServer, model.SpanClient, model.SpanInternal, model.SpanUnspecified, model.SpanProducer, model.SpanConsumer, model.SpanServer, model.SpanClient,
}

// goodSpanID is the span id of requests by a good agent, and of the dtr entries that name them.
var goodSpanID = tracecontext.SpanID{5}

var (
	anySpanID = rapid.Map(rapid.ByteRange(0, 5), func(b byte) tracecontext.SpanID { return tracecontext.SpanID{b} })
	anyID     = rapid.SampledFrom([]string{"", "A", "B"})
)

// drawSpans draws the spans of a trace, each with another id.
func drawSpans(t *rapid.T, trace tracecontext.TraceID, most int, label string) []model.SpanFacts {
	if trace.IsZero() {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) model.SpanFacts {
		s := model.SpanFacts{
			SpanContext:  model.SpanContext{TraceID: trace, SpanID: tracecontext.SpanID{rapid.ByteRange(1, 9).Draw(t, "id")}},
			ParentSpanID: anySpanID.Draw(t, "parent"), Kind: rapid.SampledFrom(drawnKinds).Draw(t, "kind"),
			Flags:    rapid.SampledFrom([]uint32{0, 1, local, remote, remote | 1}).Draw(t, "flags"),
			Start:    began.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "start")) * time.Second),
			Entry:    rapid.Bool().Draw(t, "entry"),
			Via:      rapid.SampledFrom([]string{"", "1.1 cdn"}).Draw(t, "via"),
			DtrState: rapid.SampledFrom([]model.DtrState{model.DtrAbsent, model.DtrValid, model.DtrInvalid}).Draw(t, "dtr"),
		}
		switch {
		case rapid.Bool().Draw(t, "whole"):
			s.DtrState, s.Dtr.SpanID = model.DtrValid, goodSpanID
		case s.DtrState == model.DtrValid:
			s.Dtr = model.Dtr{SpanID: anySpanID.Draw(t, "dtr span"), SessionID: anyID.Draw(t, "dtr session"), ApplicationID: anyID.Draw(t, "dtr application")}
		}
		return s
	}), 0, most, func(s model.SpanFacts) tracecontext.SpanID { return s.SpanID }).Draw(t, label)
}

func drawNow(t *rapid.T) time.Time {
	return rapid.SampledFrom([]time.Time{began, early, late.Add(-1), late, late.Add(time.Hour)}).Draw(t, "now")
}

// said reports whether verdicts lists what a verdict says.
func said(v model.Verdict) bool {
	return slices.ContainsFunc(verdicts(), func(r reasonDetails) bool {
		return r.status == v.Status && r.reason == v.Reason && (v.Detail == "" || slices.Contains(r.details, v.Detail))
	})
}

// checkMany checks a property that is quick on more than the usual hundred.
func checkMany(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		for range 200 {
			property(t)
		}
	})
}

func TestJudgeProperties(t *testing.T) {
	checkMany(t, func(t *rapid.T) {
		e, now := drawEvidence(t), drawNow(t)
		v := Judge(e, now, wait)

		if !said(v) {
			t.Fatalf("%q %q %q is no row of the table", v.Status, v.Reason, v.Detail)
		}
		if undecided := now.Before(late) && !v.Final; undecided != v.Due.Equal(late) || !undecided && !v.Due.IsZero() || v.Status == model.Pending && !undecided {
			t.Fatalf("%s: due %v, final %v", v.Status, v.Due, v.Final)
		}
		if joins := v.Status == model.Linked || v.Status == model.Partial; joins == v.Joined.TraceID.IsZero() {
			t.Fatalf("%s, joined to %v", v.Status, v.Joined)
		}
		if x := Explain(v, FactsOf(&e, v)); x.Title == "" || x.Text == "" {
			t.Fatalf("%s %s %s has no explanation", v.Status, v.Reason, v.Detail)
		}

		// The order in which spans came in does not matter, nor whether they are many.
		slices.Reverse(e.Trace)
		slices.Reverse(e.ByDtr)
		slices.Reverse(e.AnswerTrace)
		if again := Judge(e, now, wait); again != v {
			t.Fatalf("with the spans in another order: %+v, before: %+v", again, v)
		}
		if again := judge(&e, spans{e.Trace, newIndex(e.Trace)}, now, wait); again != v {
			t.Fatalf("with the spans in an index: %+v, before: %+v", again, v)
		}
	})
}

func TestFinalVerdictsStay(t *testing.T) {
	checkMany(t, func(t *rapid.T) {
		e, now := drawEvidence(t), drawNow(t)
		v := Judge(e, now, wait)
		if !v.Final {
			return
		}
		// Whatever else comes in. Which of several entry spans it is that proves a link may change.
		more := func(all []model.SpanFacts, label string) []model.SpanFacts {
			if len(all) == 0 && label != "more" {
				return all
			}
			trace := e.Request.TraceContext().TraceID
			if len(all) > 0 {
				trace = all[0].TraceID
			}
			for _, s := range drawSpans(t, trace, 4, label) {
				if !slices.ContainsFunc(all, func(known model.SpanFacts) bool { return known.SpanID == s.SpanID }) {
					all = append(all, s)
				}
			}
			return all
		}
		before := e
		e.Trace, e.AnswerTrace, e.ByDtr = more(slices.Clone(e.Trace), "more"), more(slices.Clone(e.AnswerTrace), "more of the answer's"), more(slices.Clone(e.ByDtr), "more by dtr")
		e.HostSeen = rapid.Bool().Draw(t, "host seen later")
		again := Judge(e, now.Add(time.Hour), wait)
		if again.Status != v.Status || again.Reason != v.Reason || again.Detail != v.Detail || !again.Final {
			t.Fatalf("final, and later: %+v of %+v, before: %+v of %+v", again, e, v, before)
		}
	})
}

func TestUnrelatedSpansChangeNothing(t *testing.T) {
	checkMany(t, func(t *rapid.T) {
		e, now := drawEvidence(t), drawNow(t)
		v := Judge(e, now, wait)
		s := joinedSpan(&model.Evidence{Trace: e.Trace}, v.Joined)
		if s == nil || !takesIn(s) || s.SpanID == e.Request.Sent.SpanID {
			return
		}
		// What the entry span's service does on behalf of the request, and those that it calls.
		parent := s.SpanID
		for i := range rapid.IntRange(1, 2*fewSpans).Draw(t, "spans") {
			below := server(tracecontext.SpanID{0xf0, byte(i)}, parent, at(time.Duration(i+30)*time.Second), kind(model.SpanKind(i%6)))
			below.TraceID = s.TraceID
			e.Trace = append(e.Trace, below)
			if rapid.Bool().Draw(t, "deeper") {
				parent = below.SpanID
			}
		}
		if again := Judge(e, now, wait); again != v {
			t.Fatalf("with spans below the entry span: %+v, before: %+v", again, v)
		}
	})
}

// TestEveryDetailIsGiven: what verdicts lists is all that Judge says, and all of it is said.
func TestEveryDetailIsGiven(t *testing.T) {
	type key struct {
		status model.LinkStatus
		reason model.LinkReason
		detail string
	}
	seen := map[key]bool{}
	look := func(e model.Evidence, now time.Time) {
		v := Judge(e, now, wait)
		if !said(v) {
			t.Fatalf("%q %q %q is no row of the table", v.Status, v.Reason, v.Detail)
		}
		seen[key{v.Status, v.Reason, v.Detail}] = true
	}
	for _, c := range judgeCases() {
		look(c.evidence, early)
		look(c.evidence, late)
	}
	for _, h := range allHints {
		for _, th := range allTimingHints {
			for _, failure := range allErrors {
				for _, sends := range []func(*model.RequestEvent){hint(h), unsent(h, th)} {
					r := fetch(sends, failed(failure))
					r.ServerTimingHint = th
					look(model.Evidence{Request: r}, late)
					look(model.Evidence{Request: r, HostSeen: true}, late)
					look(model.Evidence{Request: r, Trace: []model.SpanFacts{server(entry, request, noDtr)}}, late)
				}
			}
		}
	}
	for _, r := range verdicts() {
		for _, detail := range r.details {
			if !seen[key{r.status, r.reason, detail}] {
				t.Errorf("%s %s %s is listed, and no evidence leads to it", r.status, r.reason, detail)
			}
		}
	}
}

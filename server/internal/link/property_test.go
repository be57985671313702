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

// reasonsOf is the table of the linking contract, section 6.
var reasonsOf = map[model.LinkStatus][]model.LinkReason{
	model.Linked:        {model.Exact, model.ViaIntermediary, model.ByServerTiming},
	model.Partial:       {model.TracestateLost, model.TracestateAltered, model.ParentRewritten, model.TraceRestarted, model.TraceparentDropped},
	model.Unlinked:      {model.NotPropagated, model.NoServerTiming, model.NotSampled, model.SpansMissing, model.HeadersDropped, model.BackendNotInstrumented},
	model.NotApplicable: {model.ServedFromCache, model.ServedByWorker, model.RequestNeverSent},
	model.Pending:       {model.LinkReasonNone},
}

// drawEvidence draws evidence from few ids, so that spans meet.
func drawEvidence(t *rapid.T) model.Evidence {
	span := rapid.Map(rapid.ByteRange(0, 5), func(b byte) tracecontext.SpanID { return tracecontext.SpanID{b} })
	trace := rapid.Map(rapid.ByteRange(0, 2), func(b byte) tracecontext.TraceID { return tracecontext.TraceID{b} })
	id := rapid.SampledFrom([]string{"", "A", "B"})
	var r model.RequestEvent
	r.Kind = rapid.SampledFrom(allKinds).Draw(t, "kind")
	r.SessionID, r.ApplicationID, r.InstanceID = id.Draw(t, "session"), id.Draw(t, "application"), id.Draw(t, "instance")
	r.Start, r.Received = began, received
	r.Clock.Source = rapid.SampledFrom([]model.ClockSource{model.ClockServerTiming, model.ClockBeacon}).Draw(t, "clock")
	r.TraceContextHint = rapid.SampledFrom(allHints).Draw(t, "context hint")
	r.ServerTimingHint = rapid.SampledFrom(allTimingHints).Draw(t, "timing hint")
	r.Error = rapid.SampledFrom(allErrors).Draw(t, "error")
	r.Delivery = rapid.SampledFrom(allDeliveries).Draw(t, "delivery")
	r.Sent = model.SpanContext{TraceID: trace.Draw(t, "sent trace"), SpanID: span.Draw(t, "sent span")}
	r.Answer.SpanContext = model.SpanContext{TraceID: trace.Draw(t, "answer trace"), SpanID: span.Draw(t, "answer span")}
	r.Answer.Sampled = rapid.Ptr(rapid.Bool(), true).Draw(t, "sampled")

	spansOf := func(trace tracecontext.TraceID, label string) []model.SpanFacts {
		if trace.IsZero() {
			return nil
		}
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.SpanFacts {
			s := model.SpanFacts{
				SpanContext:  model.SpanContext{TraceID: trace, SpanID: tracecontext.SpanID{rapid.ByteRange(1, 9).Draw(t, "id")}},
				ParentSpanID: span.Draw(t, "parent"), Kind: model.SpanKind(rapid.Int8Range(0, 5).Draw(t, "kind")),
				Flags:    rapid.SampledFrom([]uint32{0, 1, local, remote, remote | 1}).Draw(t, "flags"),
				Start:    began.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "start")) * time.Second),
				DtrState: rapid.SampledFrom([]model.DtrState{model.DtrAbsent, model.DtrValid, model.DtrInvalid}).Draw(t, "dtr"),
			}
			if s.DtrState == model.DtrValid {
				s.Dtr = model.Dtr{SpanID: span.Draw(t, "dtr span"), SessionID: id.Draw(t, "dtr session"), ApplicationID: id.Draw(t, "dtr application")}
			}
			return s
		}), 0, 5).Draw(t, label)
	}
	e := model.Evidence{Request: r, HostSeen: rapid.Bool().Draw(t, "host seen")}
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

func TestJudgeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvidence(t)
		now := rapid.SampledFrom([]time.Time{began, early, late.Add(-1), late, late.Add(time.Hour)}).Draw(t, "now")
		v := Judge(e, now, wait)

		if !slices.Contains(reasonsOf[v.Status], v.Reason) {
			t.Fatalf("%q %q is no row of the table", v.Status, v.Reason)
		}
		if undecided := now.Before(late) && !v.Final; undecided != v.Due.Equal(late) || !undecided && !v.Due.IsZero() || v.Status == model.Pending && !undecided {
			t.Fatalf("%s: due %v, final %v", v.Status, v.Due, v.Final)
		}
		if joins := v.Status == model.Linked || v.Status == model.Partial; joins == v.Joined.TraceID.IsZero() {
			t.Fatalf("%s, joined to %v", v.Status, v.Joined)
		}
		if x := Explain(v); x.Title == "" || x.Text == "" || x == undefinedExplanation {
			t.Fatalf("%s %s %s has no explanation", v.Status, v.Reason, v.Detail)
		}
		if x := explanations[v.Reason]; v.Detail != "" && x.byDetail[v.Detail].Title == "" && !generalDetails[v.Detail] {
			t.Fatalf("%s %s: nothing says what %q means", v.Status, v.Reason, v.Detail)
		}

		// The order in which spans came in does not matter.
		slices.Reverse(e.Trace)
		slices.Reverse(e.ByDtr)
		slices.Reverse(e.AnswerTrace)
		if distinct(e.Trace) && distinct(e.AnswerTrace) {
			if again := Judge(e, now, wait); again != v {
				t.Fatalf("with the spans in another order: %+v, before: %+v", again, v)
			}
		}

		// What is final stays, whatever spans of another kind of evidence come.
		if v.Final && v.Status != model.Linked {
			e.HostSeen = !e.HostSeen
			if again := Judge(e, now.Add(time.Hour), wait); again != v {
				t.Fatalf("final, and later: %+v, before: %+v", again, v)
			}
		}
	})
}

// generalDetails are the details with which a reason reads as without: the
// browser told nothing that narrows it down, or cannot have told it in earnest.
var generalDetails = map[string]bool{
	// A request that says it was sent with a context and has no ids of it.
	"set": true, "included": true, "external": true, "max_length": true, "missing_values": true, "api_set": true,
	// A document that says a trace was read, and names none.
	"received": true, "mismatch": true,
}

// distinct reports whether no two spans have the same id.
func distinct(all []model.SpanFacts) bool {
	seen := make(map[tracecontext.SpanID]bool)
	for _, s := range all {
		if seen[s.SpanID] {
			return false
		}
		seen[s.SpanID] = true
	}
	return true
}

func TestExplanationsAreComplete(t *testing.T) {
	known := 0
	for status, reasons := range reasonsOf {
		for _, reason := range reasons {
			e := Explain(model.Verdict{Status: status, Reason: reason})
			if e.Title == "" || e.Text == "" || e == undefinedExplanation {
				t.Errorf("%s %s has no explanation", status, reason)
			}
			if (status == model.Partial || status == model.Unlinked) && e.Fix == "" {
				t.Errorf("%s %s has no fix", status, reason)
			}
			if reason != model.LinkReasonNone {
				known++
			}
		}
	}
	if len(explanations) != known {
		t.Errorf("%d explanations for %d reasons", len(explanations), known)
	}
	for reason, e := range explanations {
		for detail, e := range e.byDetail {
			if e.Title == "" || e.Text == "" {
				t.Errorf("%s %s has no explanation", reason, detail)
			}
		}
	}
	if Explain(model.Verdict{Status: model.Unlinked, Reason: model.LinkReasonUndefined}) != undefinedExplanation {
		t.Error("a verdict that is a bug must say so")
	}
}

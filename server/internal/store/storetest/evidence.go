package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var evidenceTests = []testCase{
	{"the spans of the trace carried", testCarriedEvidence},
	{"the spans of the trace that Server-Timing named", testAnsweredEvidence},
	{"when the stored verdict was given", testJudgedEvidence},
	{"the spans of both traces where they differ", testMismatchEvidence},
	{"the SERVER spans that dtr leads to", testDtrEvidence},
	{"spans that came before the request", testSpansFirst},
	{"no spans without ids", testNoIDs},
	{"whether the host was seen", testHostSeen},
	{"a bounded number of spans", testMaxSpans},
	{"requests that share a trace", testSharedTrace},
}

// checkout is the services that answer for the host of entrySpan.
var checkout = []string{"checkout"}

// facts returns what evidence should hold of the spans, by start and id.
func facts(spans ...model.Span) []model.SpanFacts {
	var all []model.SpanFacts
	for _, s := range spans {
		all = append(all, factsOf(&s))
	}
	return all
}

// evidenceOf writes the values and returns the evidence of request 1.
func evidenceOf(t *testing.T, st Store, e model.RequestEvent, spans ...model.Span) model.Evidence {
	t.Helper()
	write(t, st, store.Batch{Requests: []model.RequestEvent{e}, Spans: spans})
	w := work(t, st, 0, epoch, 10)
	if len(w.Evidence) != 1 {
		t.Fatalf("%d requests to judge, want 1", len(w.Evidence))
	}
	return w.Evidence[0]
}

func testCarriedEvidence(t *testing.T, st Store) {
	full := filled[model.Span](field)
	full.TraceID, full.Kind, full.Start = traceID(1), model.SpanClient, epoch.Add(-1)
	entry := entrySpan(1, 10, 1)
	bare := model.Span{TraceID: traceID(1), SpanID: spanID(11), Start: epoch.Add(time.Hour)}
	got := evidenceOf(t, st, request(1), bare, entry, full, span(2, 12))
	diff(t, "evidence", model.Evidence{
		Request: request(1), Trace: facts(full, entry, bare), HostSeen: true, HostServices: checkout,
	}, got)
}

func testAnsweredEvidence(t *testing.T, st Store) {
	e := request(1)
	e.Sent = model.SpanContext{}
	e.Answer.SpanContext = model.SpanContext{TraceID: traceID(60), SpanID: spanID(10)}
	entry := entrySpan(60, 10, 77)
	other := entrySpan(61, 11, 10) // its dtr names the entry span's id, which the request did not carry
	got := evidenceOf(t, st, e, entry, other)
	diff(t, "evidence", model.Evidence{Request: e, Trace: facts(entry), HostSeen: true, HostServices: checkout}, got)
}

func testMismatchEvidence(t *testing.T, st Store) {
	e := request(1)
	e.Answer.TraceID = traceID(60)
	carried, answered := span(1, 10), span(60, 11)
	got := evidenceOf(t, st, e, carried, answered, span(61, 12))
	diff(t, "evidence", model.Evidence{Request: e, Trace: facts(carried), AnswerTrace: facts(answered)}, got)

	same := request(2)
	same.Answer.TraceID = same.Sent.TraceID
	write(t, st, store.Batch{Requests: []model.RequestEvent{same}, Spans: []model.Span{span(2, 20)}})
	w := work(t, st, 0, epoch, 10)
	diff(t, "evidence where both name one trace", model.Evidence{Request: same, Trace: facts(span(2, 20))}, w.Evidence[1])
}

func testDtrEvidence(t *testing.T, st Store) {
	restarted, again := entrySpan(80, 10, 1), entrySpan(81, 11, 1)
	own := entrySpan(1, 12, 1)
	client := entrySpan(82, 13, 1)
	client.Kind = model.SpanClient
	invalid := entrySpan(83, 14, 1)
	invalid.DtrState = model.DtrInvalid
	stranger := entrySpan(84, 15, 2)
	got := evidenceOf(t, st, request(1), restarted, again, own, client, invalid, stranger)
	diff(t, "evidence", model.Evidence{
		Request: request(1), Trace: facts(own), ByDtr: facts(restarted, again), HostSeen: true, HostServices: checkout,
	}, got)
}

func testJudgedEvidence(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	w := work(t, st, 0, epoch, 10)
	if at := w.Evidence[0].JudgedAt; !at.IsZero() {
		t.Errorf("never judged, and judged at %v", at)
	}
	judged := epoch.Add(time.Minute)
	putLinks(t, st, w.Next, model.Link{RequestID: eventID(1), Verdict: model.Verdict{Status: model.Pending}, JudgedAt: judged})
	write(t, st, store.Batch{Spans: []model.Span{entrySpan(1, 10, 1)}})
	w = work(t, st, w.Next, epoch, 10)
	if len(w.Evidence) != 1 || !w.Evidence[0].JudgedAt.Equal(judged) {
		t.Errorf("%+v, want request 1, judged at %v", w.Evidence, judged)
	}
}

func testSpansFirst(t *testing.T, st Store) {
	entry := entrySpan(1, 10, 1)
	write(t, st, store.Batch{Spans: []model.Span{entry}})
	w := work(t, st, 0, epoch, 10)
	if len(w.Evidence) != 0 {
		t.Errorf("spans alone make work: %v", numbers(w.Evidence))
	}
	putLinks(t, st, w.Next)
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	w = work(t, st, w.Next, epoch, 10)
	diff(t, "evidence", []model.Evidence{{Request: request(1), Trace: facts(entry), HostSeen: true, HostServices: checkout}}, w.Evidence)
}

func testNoIDs(t *testing.T, st Store) {
	e := request(1)
	e.Sent = model.SpanContext{}
	noDtr := entrySpan(80, 10, 1)
	noDtr.Dtr, noDtr.DtrState = model.Dtr{}, model.DtrAbsent
	got := evidenceOf(t, st, e, noDtr, span(81, 11))
	diff(t, "evidence", model.Evidence{Request: e, HostSeen: true, HostServices: checkout}, got)
}

func testHostSeen(t *testing.T, st Store) {
	hosts := []string{"a.example", "a.example:8443", "b.example", ""}
	for i, host := range hosts {
		e := request(i + 1)
		e.Host = host
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
	}
	s := span(90, 90)
	s.Host = "a.example"
	hostless := span(91, 91)
	write(t, st, store.Batch{Spans: []model.Span{s, hostless}})
	for _, e := range work(t, st, 0, epoch, 10).Evidence {
		if want := e.Request.Host == "a.example"; e.HostSeen != want {
			t.Errorf("host %q seen: %v, want %v", e.Request.Host, e.HostSeen, want)
		}
	}
}

func testMaxSpans(t *testing.T, st Store) {
	const maxSpans = 5
	e := request(1)
	e.Answer.TraceID = traceID(60)
	b := store.Batch{Requests: []model.RequestEvent{e}}
	for id := 100; id < 120; id++ {
		b.Spans = append(b.Spans, span(1, id), span(60, id), entrySpan(200+id, id, 1))
	}
	slices.Reverse(b.Spans)
	write(t, st, b)
	w, err := st.Work(t.Context(), 0, epoch, 10, maxSpans)
	if err != nil {
		t.Fatal(err)
	}
	got := w.Evidence[0]
	for name, spans := range map[string][]model.SpanFacts{"Trace": got.Trace, "AnswerTrace": got.AnswerTrace, "ByDtr": got.ByDtr} {
		if len(spans) != maxSpans {
			t.Errorf("%s holds %d spans, want %d", name, len(spans), maxSpans)
		}
		for i, s := range spans {
			if s.SpanID != spanID(100+i) {
				t.Errorf("%s: span %d is %v, want the earliest in order", name, i, s.SpanID)
			}
		}
	}
}

func testSharedTrace(t *testing.T, st Store) {
	first, second := request(1), request(2)
	second.Sent.TraceID = first.Sent.TraceID
	a, b := entrySpan(1, 10, 1), entrySpan(1, 11, 2)
	write(t, st, store.Batch{Requests: []model.RequestEvent{first, second}, Spans: []model.Span{a, b}})
	w := work(t, st, 0, epoch, 10)
	diff(t, "evidence", []model.Evidence{
		{Request: first, Trace: facts(a, b), HostSeen: true, HostServices: checkout},
		{Request: second, Trace: facts(a, b), HostSeen: true, HostServices: checkout},
	}, w.Evidence)
}

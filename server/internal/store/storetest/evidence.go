package storetest

import (
	"fmt"
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
	{"spans that matter beyond the number", testBeyondMaxSpans},
	{"requests that share a trace", testSharedTrace},
	{"the services of the host", testHostServices},
	{"requests of other sessions with the same answer", testSameAnswer},
	{"how many sessions had the same answer", testSameAnswerSessions},
	{"one request's evidence is what work offers", testEvidenceAsOffered},
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

func testBeyondMaxSpans(t *testing.T, st Store) {
	e := request(1)
	e.Answer.SpanContext = model.SpanContext{TraceID: traceID(60), SpanID: spanID(119)}
	other := request(2)
	other.Sent.TraceID = e.Sent.TraceID
	b := store.Batch{Requests: []model.RequestEvent{e, other}}
	for id := 100; id < 120; id++ {
		own, answered := span(1, id), span(60, id)
		if id%5 == 4 { // 104, 109, 114, 119
			own.ParentSpanID, answered.ParentSpanID = e.Sent.SpanID, spanID(200)
		}
		if id == 117 {
			own.ParentSpanID = other.Sent.SpanID
		}
		b.Spans = append(b.Spans, own, answered)
	}
	slices.Reverse(b.Spans)
	write(t, st, b)
	for _, tc := range []struct {
		request                   int
		maxSpans                  int
		trace, answerTrace, byDtr []int
	}{
		{1, 0, nil, nil, nil},
		{1, 1, []int{100, 104}, []int{100, 119}, nil},
		{1, 3, []int{100, 101, 102, 104, 109, 114}, []int{100, 101, 102, 119}, nil},
		{1, 6, []int{100, 101, 102, 103, 104, 105, 109, 114, 119}, []int{100, 101, 102, 103, 104, 105, 119}, nil},
		{2, 3, []int{100, 101, 102, 117}, nil, nil},
	} {
		got := must[model.Evidence](t)(st.Evidence(t.Context(), eventID(tc.request), tc.maxSpans))
		what := fmt.Sprintf("request %d with %d spans", tc.request, tc.maxSpans)
		diff(t, what, tc.trace, spanNumbers(got.Trace))
		diff(t, what+", answered", tc.answerTrace, spanNumbers(got.AnswerTrace))
		diff(t, what+", by dtr", tc.byDtr, spanNumbers(got.ByDtr))
	}
	evidenceAsOffered(t, st, 3)
}

func spanNumbers(spans []model.SpanFacts) []int {
	var n []int
	for _, s := range spans {
		n = append(n, number(model.EventID(s.SpanID)))
	}
	return n
}

func testHostServices(t *testing.T, st Store) {
	hosts := []string{"few.example", "many.example", "unnamed.example", "none.example", ""}
	b := store.Batch{Requests: requestsWith(len(hosts), func(n int, e *model.RequestEvent) { e.Host = hosts[n-1] })}
	add := func(host, service string) {
		s := entrySpan(90, 100+len(b.Spans), 99)
		s.Host, s.Service = host, service
		b.Spans = append(b.Spans, s)
	}
	for _, service := range []string{"b", "é", "a", "b", "", "B"} {
		add("few.example", service)
	}
	add("unnamed.example", "")
	for n := range 20 {
		add("many.example", fmt.Sprintf("s%02d", 19-n))
	}
	write(t, st, b)
	for _, e := range work(t, st, 0, epoch, 10).Evidence {
		host, got := e.Request.Host, e.HostServices
		if want := host != "none.example" && host != ""; e.HostSeen != want {
			t.Errorf("host %q seen: %v", host, e.HostSeen)
		}
		switch host {
		case "few.example":
			diff(t, host, []string{"B", "a", "b", "é"}, got)
		case "many.example":
			if len(got) != model.MaxHostServices || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("services of %s: %v", host, got)
			}
		default:
			diff(t, host, []string(nil), got)
		}
	}
}

func testSameAnswer(t *testing.T, st Store) {
	answer := func(trace int, response int32) (a model.ServerTiming) {
		if trace != 0 {
			a.TraceID = traceID(trace)
		}
		if response != -1 {
			a.ResponseID = &response
		}
		return a
	}
	const none = -1
	rows := []struct {
		session string
		at      int // moments after the epoch
		url     string
		answer  model.ServerTiming
		first   int // the request that had the same answer first, 0: none
		others  int
	}{
		{"a", 5, "/", answer(60, none), 3, 2},
		{"b", 4, "/x", answer(60, none), 4, 2},
		{"c", 3, "/", answer(60, none), 4, 2},
		{"a", 1, "/", answer(60, none), 3, 2}, // itself the first, but not of another session
		{"", 0, "/", answer(60, none), 0, 0},
		{"a", 1, "/r", answer(0, 0), 7, 2}, // 7 and 8 start at once, and 7 has the smaller id
		{"b", 2, "/r", answer(0, 0), 6, 2},
		{"c", 2, "/r", answer(61, 0), 6, 3}, // by response with 6 and 7, by trace with 13
		{"d", 0, "/other", answer(0, 0), 0, 0},
		{"d", 0, "/r", answer(0, 1), 0, 0},
		{"d", 0, "/r", answer(0, none), 0, 0},
		{"d", 0, "/none", answer(0, none), 0, 0},
		{"e", 9, "/s", answer(61, 5), 8, 2}, // by trace with 8, by response with 14
		{"f", 9, "/s", answer(0, 5), 13, 1},
	}
	write(t, st, store.Batch{Requests: requestsWith(len(rows), func(n int, e *model.RequestEvent) {
		row := rows[n-1]
		e.SessionID, e.Start, e.URL, e.Answer = row.session, epoch.Add(time.Duration(row.at)), row.url, row.answer
	})})
	for i, row := range rows {
		got := must[model.Evidence](t)(st.Evidence(t.Context(), eventID(i+1), 10)).SameAnswer
		var want *model.SameAnswer
		if row.first != 0 {
			first := rows[row.first-1]
			want = &model.SameAnswer{
				RequestID: eventID(row.first), SessionID: first.session, Start: epoch.Add(time.Duration(first.at)), Sessions: row.others,
			}
		}
		diff(t, fmt.Sprintf("the same answer as of request %d", i+1), want, got)
	}
	evidenceAsOffered(t, st, 10)
}

func testSameAnswerSessions(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 300; n++ {
		e := request(n)
		e.SessionID, e.Answer.TraceID = fmt.Sprint("s", n/2), traceID(999)
		b.Requests = append(b.Requests, e)
		if n == 1 || n == 99*2+1 || n == 100*2+1 || n == 300 {
			write(t, st, b)
			b = store.Batch{}
			got := must[model.Evidence](t)(st.Evidence(t.Context(), eventID(1), 10)).SameAnswer
			switch want := min(n/2, 100); {
			case want == 0 && got != nil:
				t.Errorf("the same answer before there was another: %+v", got)
			case want > 0 && (got == nil || got.Sessions != want || got.RequestID != eventID(2)):
				t.Errorf("the same answer: %+v, want request 2 of %d sessions", got, want)
			}
		}
	}
}

// evidenceAsOffered holds Evidence against Work for all requests.
func evidenceAsOffered(t *testing.T, st Store, maxSpans int) {
	t.Helper()
	w, err := st.Work(t.Context(), 0, epoch, 1000, maxSpans)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Evidence) == 0 {
		t.Error("there is no work")
	}
	for _, offered := range w.Evidence {
		got := must[model.Evidence](t)(st.Evidence(t.Context(), offered.Request.ID, maxSpans))
		diff(t, fmt.Sprintf("evidence of request %v", offered.Request.ID), offered, got)
	}
}

func testEvidenceAsOffered(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 24; n++ {
		e := request(n)
		e.SessionID = fmt.Sprint("s", n%5)
		if n%3 == 0 {
			e.Sent = model.SpanContext{}
		}
		if n%2 == 0 {
			e.Answer.SpanContext = model.SpanContext{TraceID: traceID(n % 7), SpanID: spanID(n)}
		}
		if n%11 == 0 {
			e.Host = "mute.example"
		}
		b.Requests = append(b.Requests, e)
		b.Spans = append(b.Spans, entrySpan(n%7, 100+n, n), span(n, 200+n), entrySpan(50+n%4, 300+n, n%6))
	}
	write(t, st, b)
	for _, maxSpans := range []int{0, 1, 3, 1000} {
		evidenceAsOffered(t, st, maxSpans)
	}
	links := []model.Link{judged(5, model.Linked), judged(6, model.Pending)}
	links[0].Final = true
	putLinks(t, st, 0, links...)
	evidenceAsOffered(t, st, 1000)
	if got := must[model.Evidence](t)(st.Evidence(t.Context(), eventID(5), 10)); !got.JudgedAt.Equal(epoch) {
		t.Errorf("judged at %v, want %v", got.JudgedAt, epoch)
	}
}

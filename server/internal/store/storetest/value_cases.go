package storetest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var valueTests = []testCase{
	{"every field round-trips", testEveryField},
	{"zero fields round-trip", testZeroFields},
	{"unset and zero differ where nil says so", testOptionalFields},
	{"hostile strings are data", testHostileStrings},
	{"times keep nanoseconds", testTimes},
	{"numbers keep their type and their bits", testNumbers},
	{"a verdict round-trips", testVerdict},
}

// diff reports where two values differ; an empty slice equals none, and rows mean
// nothing outside of their engine.
func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, equalAnswers()...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func equalAnswers() []cmp.Option {
	return []cmp.Option{
		cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(model.Evidence{}, "Row"),
		cmpopts.IgnoreFields(model.Link{}, "Row"),
	}
}

func field(n int) string { return fmt.Sprintf("field %d", n) }

func testEveryField(t *testing.T, st Store) {
	e, s := filled[model.RequestEvent](field), filled[model.Span](field)
	n, v := filled[model.NavigationEvent](field), filled[model.WebVital](field)
	x, a := filled[model.ErrorEvent](field), filled[model.ActionEvent](field)
	p := filled[model.PageEvent](field)
	for _, f := range []*model.Frontend{&e.Frontend, &n.Frontend, &v.Frontend, &x.Frontend, &a.Frontend, &p.Frontend} {
		f.SessionID, f.PageID = "session", "page"
	}
	write(t, st, store.Batch{
		Requests: []model.RequestEvent{e}, Navigations: []model.NavigationEvent{n}, WebVitals: []model.WebVital{v},
		Errors: []model.ErrorEvent{x}, Actions: []model.ActionEvent{a}, PageEvents: []model.PageEvent{p}, Spans: []model.Span{s},
	})
	roundTrips(t, st, e, s)
	want := store.Events{
		Requests: []model.LinkedRequest{neverJudged(e)}, Navigations: []model.NavigationEvent{n}, WebVitals: []model.WebVital{v},
		Errors: []model.ErrorEvent{x}, Actions: []model.ActionEvent{a}, PageEvents: []model.PageEvent{p},
	}
	for _, key := range []store.EventsKey{{SessionID: "session"}, {PageID: "page"}} {
		got, err := st.Events(t.Context(), key, 10)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, fmt.Sprintf("events of %+v", key), want, got)
	}
	loads, err := st.PageLoads(t.Context(), store.Filter{}, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "page loads", []model.NavigationEvent{n}, loads)
	errs, err := st.Errors(t.Context(), x.Fingerprint, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "errors", []model.ErrorEvent{x}, errs)
}

// neverJudged is a request event as it reads before its first verdict.
func neverJudged(e model.RequestEvent) model.LinkedRequest {
	return model.LinkedRequest{
		RequestEvent: e,
		Link:         model.Link{RequestID: e.ID, Verdict: model.Verdict{Status: model.Pending}},
	}
}

// roundTrips reads the request event and the span back by every way.
func roundTrips(t *testing.T, st Store, e model.RequestEvent, s model.Span) {
	t.Helper()
	want := neverJudged(e)
	got, err := st.Request(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "Request", want, got)
	list, err := st.Requests(t.Context(), store.Filter{}, store.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "Requests", []model.LinkedRequest{want}, list)
	spans, err := st.Trace(t.Context(), s.TraceID, 10)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "Trace", []model.Span{s}, spans)
	w := work(t, st, 0, epoch, 10)
	if len(w.Evidence) != 1 {
		t.Fatalf("%d requests to judge, want 1", len(w.Evidence))
	}
	diff(t, "Work", e, w.Evidence[0].Request)
}

func testZeroFields(t *testing.T, st Store) {
	e := model.RequestEvent{ID: eventID(1)}
	s := model.Span{TraceID: traceID(1), SpanID: spanID(1)}
	write(t, st, store.Batch{
		Requests: []model.RequestEvent{e}, Navigations: []model.NavigationEvent{{ID: eventID(1)}},
		WebVitals: []model.WebVital{{ID: eventID(1)}}, Spans: []model.Span{s},
	})
	roundTrips(t, st, e, s)
}

func testOptionalFields(t *testing.T, st Store) {
	yes, no, zero, negative := true, false, int32(0), int32(math.MinInt32)
	cases := []model.ServerTiming{
		{},
		{Sampled: &no, ResponseID: &zero},
		{Sampled: &yes, ResponseID: &negative},
		{SpanContext: model.SpanContext{TraceID: traceID(9)}, Sampled: &no},
		{SpanContext: model.SpanContext{TraceID: traceID(9), SpanID: spanID(9)}, ResponseID: &negative},
	}
	for i, answer := range cases {
		e := request(i + 1)
		e.Answer = answer
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
		got, err := st.Request(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "answer", answer, got.Answer)
	}
}

// hostile are strings that break out of careless quoting, patterns or encodings.
var hostile = []string{
	`'; DROP TABLE requests; --`,
	`" OR ""="`,
	`\' \\ \n \x00 \u0000`,
	`100% _under_ [a-z] *.? $1 ? :name @x {{.}} ${x}`,
	"nul\x00nul",
	"line\nline\r\n\ttab \u2028 \u2029 \x01\x7f",
	"Größe ЩУКА 東京 🚀 \U0010ffff \u202eoverridden\u202c e\u0301",
	`{"json": [1, "two"]}`,
	`<script>alert(1)</script>&amp;`,
	"NULL",
	strings.Repeat("long ", 20_000),
}

func testHostileStrings(t *testing.T, st Store) {
	for i, text := range hostile {
		e := filled[model.RequestEvent](func(int) string { return text })
		s := filled[model.Span](func(int) string { return text })
		e.ID, s.TraceID = eventID(i+1), traceID(i+1)
		l := model.Link{RequestID: e.ID, JudgedAt: epoch, Verdict: model.Verdict{
			Status: model.LinkStatus(text), Reason: model.LinkReason(text), Detail: text,
		}}
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}, Spans: []model.Span{s}})
		putLinks(t, st, 0, l)

		var f store.Filter
		part := text[:min(len(text), store.MaxValueBytes)]
		for _, field := range []store.Field{
			store.FieldApplication, store.FieldSession, store.FieldURL, store.FieldMethod, store.FieldKind, store.FieldStatus, store.FieldReason,
		} {
			term := store.Term{Field: field, Values: []string{text}}
			if part != text || field == store.FieldURL {
				term = store.Term{Field: field, Op: store.Contains, Values: []string{part}}
			}
			f.Terms = append(f.Terms, term)
		}
		found, err := st.Requests(t.Context(), f, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, fmt.Sprintf("%.20q", text), []model.LinkedRequest{{RequestEvent: e, Link: l}}, found)
		spans, err := st.Trace(t.Context(), s.TraceID, 10)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, fmt.Sprintf("span %.20q", text), []model.Span{s}, spans)
	}
}

func testTimes(t *testing.T, st Store) {
	times := []time.Time{
		time.Unix(0, 0),
		time.Unix(0, 1),
		time.Unix(-1, 999_999_999),
		time.Date(2026, 4, 27, 8, 7, 25, 1, time.FixedZone("CEST", 7200)),
		time.Date(2200, 1, 1, 0, 0, 0, 123456789, time.UTC),
	}
	for i, at := range times {
		e := request(i + 1)
		e.Start, e.Received = at, at.Add(time.Nanosecond)
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
		got, err := st.Request(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Start.Equal(e.Start) || !got.Received.Equal(e.Received) {
			t.Errorf("times %v and %v came back as %v and %v", e.Start, e.Received, got.Start, got.Received)
		}
	}
}

func testNumbers(t *testing.T, st Store) {
	s := span(1, 1)
	s.Attributes = mustAttributes(map[string]any{
		"max": math.MaxFloat64, "tiny": math.SmallestNonzeroFloat64, "zero": 0.0, "third": 1.0 / 3,
		"whole": 1e15, "int": int64(1e15), "2^53+1": int64(1<<53 + 1), "nested": []any{1.0, int64(1)},
	})
	s.Flags, s.Duration = math.MaxUint32, math.MaxInt64
	v := model.WebVital{ID: eventID(1), Time: epoch, Name: "CLS", Value: 0.1 + 0.2}
	write(t, st, store.Batch{Spans: []model.Span{s}, WebVitals: []model.WebVital{v}})
	diff(t, "span", []model.Span{s}, trace(t, st, 1))
}

func testVerdict(t *testing.T, st Store) {
	l := filled[model.Link](field)
	e := request(1)
	e.ID = l.RequestID
	write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
	putLinks(t, st, 1, l)
	got, err := st.Request(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "link", l, got.Link)

	bare := model.Link{RequestID: e.ID, JudgedAt: l.JudgedAt.Add(1), Verdict: model.Verdict{Status: model.Unlinked}}
	putLinks(t, st, 2, bare)
	if got, err = st.Request(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	diff(t, "link that leaves fields out", bare, got.Link)
}

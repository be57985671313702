package duckdb

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// everyForm is a batch with all forms in which the ids of a row may be those of another column, or not, and the links of its
// requests. testdata/v2.duckdb.gz and v3.duckdb.gz hold it as format versions 2 and 3 had it.
func everyForm() (b store.Batch, links []model.Link) {
	g := newTraffic(9)
	far := func(year int) time.Time { return time.Date(year, 2, 3, 4, 5, 6, 7, time.UTC) }
	for i, form := range []func(*model.RequestEvent, *model.Link){
		func(*model.RequestEvent, *model.Link) {},
		func(r *model.RequestEvent, l *model.Link) { // all of one trace
			r.Answer.SpanContext = model.SpanContext{TraceID: r.Sent.TraceID, SpanID: g.id()}
			l.Joined = r.Answer.SpanContext
		},
		func(r *model.RequestEvent, l *model.Link) { // the answer's trace is another one
			r.Answer.SpanContext = model.SpanContext{TraceID: g.traceID(), SpanID: g.id()}
			l.Joined = r.Answer.SpanContext
		},
		func(r *model.RequestEvent, l *model.Link) {
			r.Answer.SpanContext = model.SpanContext{TraceID: g.traceID(), SpanID: g.id()}
			l.Joined = model.SpanContext{TraceID: r.Sent.TraceID, SpanID: g.id()}
		},
		func(r *model.RequestEvent, l *model.Link) { // there is an answer alone
			r.Sent, r.Answer.SpanContext = model.SpanContext{}, r.Sent
			l.Joined = r.Answer.SpanContext
		},
		func(_ *model.RequestEvent, l *model.Link) { // a third trace
			l.Joined = model.SpanContext{TraceID: g.traceID(), SpanID: g.id()}
		},
		func(r *model.RequestEvent, l *model.Link) { // a trace without an entry span
			r.Sent.SpanID, r.Answer.TraceID = tracecontext.SpanID{}, r.Sent.TraceID
			l.Joined.TraceID = r.Sent.TraceID
		},
		func(r *model.RequestEvent, l *model.Link) { // ids that make no sense together
			r.Sent, r.Answer.SpanContext = model.SpanContext{}, model.SpanContext{SpanID: g.id()}
			l.Joined.SpanID = r.Answer.SpanID
		},
		func(r *model.RequestEvent, l *model.Link) { // the answer ends with the request; the entry span came long before
			r.Timing.ResponseEnd = r.Duration
			r.Start, l.Entry.Start = far(2240), far(1700)
		},
		func(r *model.RequestEvent, l *model.Link) {
			r.Duration, r.Timing.ResponseEnd = -1<<62, 1<<62
			r.Start, l.Entry.Start = far(1700), far(2240)
		},
		func(r *model.RequestEvent, l *model.Link) {
			r.Start, l.Entry.Start = time.Time{}, far(2000)
		},
	} {
		r := g.request()
		r.SessionID, r.PageID = "a session", fmt.Sprintf("page %d", i)
		l := model.Link{
			RequestID: r.ID, JudgedAt: g.now, Verdict: model.Verdict{Status: model.Linked, Reason: model.Exact, Final: true},
			Entry: model.EntryFacts{Service: "catalogue", Route: "/items/{id}", Start: r.Start.Add(3 * time.Millisecond), Duration: time.Millisecond},
		}
		form(&r, &l)
		b.Requests, links = append(b.Requests, r), append(links, l)
	}
	r := &b.Requests[0]
	for _, form := range []func(*model.Span){
		func(*model.Span) {},
		func(s *model.Span) { s.ParentSpanID = g.id() },
		func(s *model.Span) { s.ParentSpanID = tracecontext.SpanID{} },
		func(s *model.Span) { s.ParentSpanID, s.Dtr.SpanID = tracecontext.SpanID{}, tracecontext.SpanID{} },
		func(s *model.Span) {
			s.TraceState = "vendor=ä,7468726f-75676800@dtr=" + dtrText(s) + ",other=" + dtrText(s)
		},
		func(s *model.Span) { s.TraceState = "=" + dtrText(s) + "x" },
		func(s *model.Span) { s.TraceState, s.Dtr.Sampled = "a=1;b", false },
		func(s *model.Span) { s.TraceState = "a=" + dtrText(s); s.DtrState = model.DtrInvalid },
		func(s *model.Span) { s.DtrState, s.Dtr, s.TraceState = model.DtrAbsent, model.Dtr{}, "" },
		func(s *model.Span) {
			s.StatusMessage, s.Attributes, s.Resource = "no stock: ä", "", ""
			s.Events = []model.SpanEvent{{Name: "exception", Time: g.now, Attributes: attributes(map[string]any{"exception.type": "StockError"})}}
		},
	} {
		s := g.span(r, true)
		s.TraceState = "7468726f-75676800@dtr=" + dtrText(&s)
		form(&s)
		b.Spans = append(b.Spans, s)
	}
	for i := range 3 {
		n := model.NavigationEvent{ID: g.id(), Frontend: r.Frontend, Start: g.now, Received: g.now, Title: fmt.Sprintf("page %d", i), Attributes: `{"a":1}`}
		v := model.WebVital{ID: g.id(), Frontend: r.Frontend, Time: g.now, Received: g.now, Name: "LCP", Value: 1200.5 + float64(i)}
		e := model.ErrorEvent{
			ID: g.id(), Frontend: r.Frontend, Time: g.now, Received: g.now, Message: "no stock", Stack: "at stock.reserve",
			RequestID: r.ID, Fingerprint: [8]byte{byte(i + 1)},
		}
		a := model.ActionEvent{ID: g.id(), Frontend: r.Frontend, Start: g.now, Received: g.now, Kind: "click", Name: "buy"}
		b.Navigations, b.WebVitals, b.Errors, b.Actions = append(b.Navigations, n), append(b.WebVitals, v), append(b.Errors, e), append(b.Actions, a)
	}
	return b, links
}

func dtrText(s *model.Span) string { return tracecontext.Dtr(s.Dtr).String() }

// checkEveryForm looks for all that everyForm makes.
func checkEveryForm(t *testing.T, s *Store) {
	t.Helper()
	b, links := everyForm()
	for i := range b.Requests {
		got, err := s.Request(t.Context(), b.Requests[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(model.LinkedRequest{RequestEvent: b.Requests[i], Link: links[i]}, got); d != "" {
			t.Errorf("request %d (-want +got):\n%s", i, d)
		}
		for name, id := range map[string]tracecontext.TraceID{
			"sent": b.Requests[i].Sent.TraceID, "answered": b.Requests[i].Answer.TraceID, "joined": links[i].Joined.TraceID,
		} {
			if id.IsZero() {
				continue
			}
			found, err := s.TraceRequests(t.Context(), id, 10)
			if err != nil || len(found) != 1 || found[0].ID != b.Requests[i].ID {
				t.Errorf("request %d: by the trace that it was %s: %d requests, %v; want that one", i, name, len(found), err)
			}
			filter := store.Filter{Terms: []store.Term{{Field: store.FieldTrace, Values: []string{id.String()}}}}
			found, err = s.Requests(t.Context(), filter, store.Page{Limit: 10})
			if err != nil || len(found) != 1 || found[0].ID != b.Requests[i].ID {
				t.Errorf("request %d: by a filter for the trace that it was %s: %d requests, %v; want that one", i, name, len(found), err)
			}
		}
	}
	got, err := s.Trace(t.Context(), b.Spans[0].TraceID, 100)
	if err != nil {
		t.Fatal(err)
	}
	byID := func(a, b model.Span) int { return slices.Compare(a.SpanID[:], b.SpanID[:]) }
	slices.SortFunc(got, byID)
	slices.SortFunc(b.Spans, byID)
	if d := cmp.Diff(b.Spans, got); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	events, err := s.Events(t.Context(), store.EventsKey{SessionID: "a session"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(a, b [8]byte) int { return slices.Compare(a[:], b[:]) }
	want := store.Events{Requests: events.Requests, Navigations: b.Navigations, WebVitals: b.WebVitals, Errors: b.Errors, Actions: b.Actions}
	slices.SortFunc(want.Navigations, func(a, b model.NavigationEvent) int { return ids(a.ID, b.ID) })
	slices.SortFunc(want.WebVitals, func(a, b model.WebVital) int { return ids(a.ID, b.ID) })
	slices.SortFunc(want.Errors, func(a, b model.ErrorEvent) int { return ids(a.ID, b.ID) })
	slices.SortFunc(want.Actions, func(a, b model.ActionEvent) int { return ids(a.ID, b.ID) })
	if d := cmp.Diff(want, events); d != "" || len(events.Requests) != len(b.Requests) {
		t.Errorf("%d requests of the session, want %d; its events (-want +got):\n%s", len(events.Requests), len(b.Requests), d)
	}
}

func writeEveryForm(t *testing.T, s *Store) {
	t.Helper()
	b, links := everyForm()
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.PutLinks(t.Context(), links, join(7, 0)); err != nil {
		t.Fatal(err)
	}
}

// TestCopiesAreLeftOut: where columns hold the same in nearly all rows, one of them does.
func TestCopiesAreLeftOut(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	writeEveryForm(t, s)
	for what, want := range map[string]int64{
		"count(answer_trace_id) FROM requests": 3, "count(link_trace_id) FROM requests": 1, "count(link_span_id) FROM requests": 2,
		"count(*) FROM requests WHERE end_after = 0": 1, "count(dtr_span_id) FROM spans": 2, "count(dtr_at) FROM spans": 6,
	} {
		if got := all(s.db, func(n *int64) []any { return []any{n} }, "SELECT "+what); got[0] != want {
			t.Errorf("%s: %d, want %d", what, got[0], want)
		}
	}
}

func FuzzDetail(f *testing.F) {
	b, _ := everyForm()
	for i := range b.Spans {
		f.Add(b.Spans[i].TraceState, b.Spans[i].Dtr.SessionID, []byte(b.Spans[i].StatusMessage))
	}
	f.Add("a=1;0000000000000000;0;;;", "", []byte("\xff[\xff\xff"))
	f.Add(strings.Repeat("=", 40_000)+"1;0000000000000000;0;;;", "", []byte("\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, state, session string, detail []byte) {
		in := model.Span{TraceState: state, DtrState: model.DtrValid, Dtr: model.Dtr{SessionID: session}}
		out := model.Span{Dtr: model.Dtr{SessionID: valid(session)}}
		var c columns
		if at := putTraceState(&c, &in); at > 0 {
			out.TraceState = string(c.texts)
			if err := dtrAt(&out).Scan(at); err != nil {
				t.Fatal(err)
			}
		} else {
			out.TraceState = string(c.texts)
		}
		if out.TraceState != valid(state) {
			t.Errorf("the trace state %q comes back as %q", state, out.TraceState)
		}
		if err := (*detailColumn)(&out).Scan(detail); err == nil && bytes.Count(detail, []byte(endOfPart)) < 3 {
			t.Errorf("%q is read as a span's detail", detail)
		}
	})
}

// TestEveryForm reads what stands in one column alone, or in two, before and after a restart.
func TestEveryForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	s := openTest(t, path)
	writeEveryForm(t, s)
	checkEveryForm(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	checkEveryForm(t, s)
	_, links := everyForm()
	for i := range links { // judged again, otherwise
		links[i].Joined, links[i].Entry, links[i].Status = model.SpanContext{}, model.EntryFacts{}, model.Unlinked
	}
	if err := s.PutLinks(t.Context(), links, join(7, 0)); err != nil {
		t.Fatal(err)
	}
	for i := range links {
		got, err := s.Request(t.Context(), links[i].RequestID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(links[i], got.Link); d != "" {
			t.Errorf("link %d (-want +got):\n%s", i, d)
		}
	}
}

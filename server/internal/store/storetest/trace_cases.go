package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var traceTests = []testCase{
	{"a trace in a listing", testTraceSummary},
	{"traces are selected by one entry span", testTracesSelected},
	{"the pages of traces see each once", testTracesOrder},
	{"a service map's calls", testServiceMap},
	{"a service map is bounded", testServiceMapBounds},
	{"services that ever sent spans", testServices},
}

// traces returns the numbers of the traces that a query finds.
func traces(t *testing.T, st Store, q store.TraceQuery) []int {
	t.Helper()
	q.Limit = 50
	var n []int
	for _, s := range must[[]store.TraceSummary](t)(st.Traces(t.Context(), q)) {
		n = append(n, int(s.TraceID[15]))
	}
	return n
}

func testTraceSummary(t *testing.T, st Store) {
	root := span(1, 1) // begins first, but is no entry span
	entry, later, tie := entrySpan(1, 10, 1), entrySpan(1, 12, 1), entrySpan(1, 11, 1)
	entry.Name, entry.Route, entry.StatusCode, entry.Service = "GET /cart/7", "/cart/{id}", store.StatusError, "front"
	tie.Start, tie.StatusCode = entry.Start, store.StatusError
	later.Service = ""
	b := store.Batch{Spans: []model.Span{later, tie, root, entry, span(2, 1)}}
	want := []string{"checkout", "front"}
	for n := range 20 {
		s := span(1, 100+n)
		s.Service = fmt.Sprintf("m%02d", n)
		b.Spans = append(b.Spans, s)
		want = append(want, s.Service)
	}
	write(t, st, b)
	got := must[[]store.TraceSummary](t)(st.Traces(t.Context(), store.TraceQuery{Limit: 10}))
	diff(t, "traces", []store.TraceSummary{{
		TraceID: traceID(1), Start: entry.Start, Duration: entry.Duration, SpanID: entry.SpanID, Service: "front", Name: entry.Name,
		Route: entry.Route, Error: true, Spans: 24, Errors: 2, Services: want[:store.MaxNames],
	}}, got)
}

func testTracesSelected(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 5; n++ {
		s := entrySpan(n, n, 1)
		s.Start = epoch.Add(time.Duration(n))
		s.Name = []string{"GET /Cart", "GET /cart", "100%", "ЩУКА", ""}[n-1]
		s.Route = []string{"", "/x", "/y", "", "/CARTOON"}[n-1]
		s.Service = []string{"a", "b", "a", "b", "a"}[n-1]
		s.Duration = time.Duration(n) * time.Second
		s.StatusCode = int8(n % 3)
		b.Spans = append(b.Spans, s)
	}
	late := entrySpan(1, 9, 1)
	late.Start, late.Service, late.Duration, late.StatusCode = epoch.Add(100), "late", time.Hour, store.StatusError
	plain := span(7, 7) // no entry span
	plain.Service = "late"
	write(t, st, store.Batch{Spans: append(b.Spans, late, plain)})
	for _, tc := range []struct {
		q    store.TraceQuery
		want []int
	}{
		{store.TraceQuery{}, []int{5, 4, 3, 2, 1}},
		{store.TraceQuery{From: epoch.Add(2)}, []int{1, 5, 4, 3, 2}}, // trace 1 by its late span
		{store.TraceQuery{From: epoch.Add(2), To: epoch.Add(4)}, []int{3, 2}},
		{store.TraceQuery{Service: "a"}, []int{5, 3, 1}},
		{store.TraceQuery{Service: "A"}, nil},
		{store.TraceQuery{Service: "late"}, []int{1}},
		{store.TraceQuery{Name: "CART"}, []int{5, 2, 1}},
		{store.TraceQuery{Name: "%"}, []int{3}},
		{store.TraceQuery{Name: "щук"}, []int{4}},
		{store.TraceQuery{MinDuration: 4 * time.Second}, []int{1, 5, 4}},
		{store.TraceQuery{MinDuration: 4*time.Second + 1}, []int{1, 5}},
		{store.TraceQuery{Error: true}, []int{1, 5, 2}},
		{store.TraceQuery{Error: true, Service: "a"}, []int{5}}, // trace 1's error is another span's
		{store.TraceQuery{Before: &store.TracePlace{Start: epoch.Add(4), ID: traceID(4)}}, []int{3, 2, 1}},
		{store.TraceQuery{From: epoch.Add(2), Before: &store.TracePlace{Start: epoch.Add(99)}}, []int{5, 4, 3, 2}},
	} {
		if got := traces(t, st, tc.q); !slices.Equal(got, tc.want) {
			t.Errorf("%+v, before %+v: traces %v, want %v", tc.q, tc.q.Before, got, tc.want)
		}
	}
}

func testTracesOrder(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 23; n++ {
		s := entrySpan(n, n, 1)
		s.Start = epoch.Add(time.Duration(n / 6))
		b.Spans = append(b.Spans, s)
	}
	slices.Reverse(b.Spans[3:17])
	write(t, st, b)
	for _, limit := range []int{1, 5, 23, store.MaxLimit} {
		q := store.TraceQuery{Limit: limit}
		var got []int
		for {
			page := must[[]store.TraceSummary](t)(st.Traces(t.Context(), q))
			for _, s := range page {
				got = append(got, int(s.TraceID[15]))
				q.Before = &store.TracePlace{Start: s.Start, ID: s.TraceID}
			}
			if len(page) < limit {
				break
			}
		}
		diff(t, fmt.Sprintf("pages of %d", limit), downFrom(23), got)
	}
}

func testServiceMap(t *testing.T, st Store) {
	child := func(trace, id, parent int, service string, d time.Duration) model.Span {
		s := entrySpan(trace, id, parent)
		s.Service, s.Duration, s.Start = service, d, epoch.Add(time.Duration(id))
		return s
	}
	calls := []model.Span{
		child(1, 1, 99, "front", 1), child(1, 2, 1, "cart", 10), child(1, 3, 1, "cart", 20), child(1, 4, 2, "db", 5),
		child(1, 5, 1, "front", 1),                       // the same service
		child(2, 6, 1, "cart", 100),                      // its parent is in another trace
		child(1, 7, 7, "self", 1),                        // its own parent
		child(1, 8, 1, "", 1), child(1, 9, 8, "cart", 1), // no service
	}
	calls[2].StatusCode = store.StatusError
	inner := child(1, 10, 1, "batch", 7)
	inner.Entry = false
	root := child(1, 11, 0, "cart", 7)
	write(t, st, store.Batch{Spans: append(calls, inner, root), Requests: requestsWith(6, func(n int, e *model.RequestEvent) {
		e.ApplicationID, e.Duration = []string{"app", "app", "", "other", "app", "app"}[n-1], time.Duration(n)
		e.Start = epoch.Add(time.Duration(n))
		if n == 2 {
			e.StatusCode = 500
		}
	})})
	for n, service := range []string{"front", "front", "front", "cart", "", "cart"} {
		l := judged(n+1, model.Linked)
		l.Entry.Service = service
		putLinks(t, st, 0, l)
	}
	spans := []store.ServiceEdge{
		{FromService: "cart", ToService: "db", Count: 1, Duration: 5},
		{FromService: "front", ToService: "cart", Count: 2, Errors: 1, Duration: 30},
	}
	frontend := func(app, to string, count, errors int64, d time.Duration) store.ServiceEdge {
		return store.ServiceEdge{FromApplication: app, ToService: to, Count: count, Errors: errors, Duration: d}
	}
	for _, tc := range []struct {
		q    store.ServiceMapQuery
		want []store.ServiceEdge
	}{
		{store.ServiceMapQuery{}, slices.Concat([]store.ServiceEdge{frontend("", "front", 1, 0, 3)}, spans,
			[]store.ServiceEdge{frontend("app", "cart", 1, 0, 6), frontend("app", "front", 2, 1, 3), frontend("other", "cart", 1, 0, 4)})},
		{store.ServiceMapQuery{ApplicationID: "other"}, slices.Concat(spans, []store.ServiceEdge{frontend("other", "cart", 1, 0, 4)})},
		{store.ServiceMapQuery{From: epoch.Add(2), To: epoch.Add(5)}, []store.ServiceEdge{
			frontend("", "front", 1, 0, 3), spans[0], frontend("app", "front", 1, 1, 2), frontend("other", "cart", 1, 0, 4),
		}},
		{store.ServiceMapQuery{From: epoch.Add(time.Hour)}, nil},
	} {
		tc.q.MaxSpans = 1000
		got := must[store.ServiceMap](t)(st.ServiceMap(t.Context(), tc.q))
		diff(t, fmt.Sprintf("%+v", tc.q), store.ServiceMap{Edges: tc.want}, got)
	}
}

func testServiceMapBounds(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 4; n++ {
		parent, child := span(n, 2*n), entrySpan(n, 2*n+1, 2*n)
		parent.Service, child.Service = "front", fmt.Sprintf("s%d", n)
		parent.Start, child.Start = epoch.Add(time.Duration(n/3)), epoch.Add(time.Duration(n/3))
		b.Spans = append(b.Spans, child, parent)
	}
	b.Requests = requestsWith(4, func(_ int, e *model.RequestEvent) { e.ApplicationID = "app" })
	write(t, st, b)
	for n := 1; n <= 4; n++ {
		l := judged(n, model.Linked)
		l.Entry.Service = fmt.Sprintf("s%d", n)
		putLinks(t, st, 0, l)
	}
	for _, tc := range []struct {
		spans    int
		sampled  bool
		requests []int // whose edges there are
		calls    []int
	}{
		{1, true, []int{4}, nil}, // the span 9
		{2, true, []int{3, 4}, []int{4}},
		{3, true, []int{2, 3, 4}, []int{4}},
		{4, true, []int{1, 2, 3, 4}, []int{3, 4}},
		{6, true, []int{1, 2, 3, 4}, []int{2, 3, 4}},
		{7, true, []int{1, 2, 3, 4}, []int{2, 3, 4}},
		{8, false, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
		{store.MaxServiceMapSpans, false, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
	} {
		want := store.ServiceMap{Sampled: tc.sampled}
		for _, n := range tc.calls {
			want.Edges = append(want.Edges, store.ServiceEdge{FromService: "front", ToService: fmt.Sprintf("s%d", n), Count: 1, Duration: time.Millisecond})
		}
		for _, n := range tc.requests {
			want.Edges = append(want.Edges, store.ServiceEdge{FromApplication: "app", ToService: fmt.Sprintf("s%d", n), Count: 1, Duration: 20 * time.Millisecond})
		}
		got := must[store.ServiceMap](t)(st.ServiceMap(t.Context(), store.ServiceMapQuery{MaxSpans: tc.spans}))
		diff(t, fmt.Sprintf("of %d spans", tc.spans), want, got)
	}
}

func testServices(t *testing.T, st Store) {
	var b store.Batch
	add := func(service, host string, received time.Duration) {
		s := span(1, len(b.Spans)+1)
		s.Service, s.Host, s.Received = service, host, epoch.Add(received)
		if host != "" {
			s.Kind, s.Entry = model.SpanServer, true
		}
		b.Spans = append(b.Spans, s)
	}
	add("b", "", 3)
	add("b", "z.example", 4)
	add("b", "a.example", 4)
	add("b", "z.example", 9)
	add("", "nobody.example", 1)
	add("B", "", 7)
	add("é", "a.example", 8)
	write(t, st, b)
	want := []store.Service{
		{Name: "B", FirstSeen: epoch.Add(7)}, {Name: "b", Hosts: []string{"a.example", "z.example"}, FirstSeen: epoch.Add(3)},
		{Name: "é", Hosts: []string{"a.example"}, FirstSeen: epoch.Add(8)},
	}
	for _, limit := range []int{1, 2, 3, store.MaxLimit} {
		diff(t, fmt.Sprintf("limit %d", limit), want[:min(limit, 3)], must[[]store.Service](t)(st.Services(t.Context(), limit)))
	}
	b.Spans = nil
	for n := range 20 {
		s := entrySpan(2, 100+n, 1)
		s.Service, s.Host = "many", fmt.Sprintf("h%02d.example", 19-n)
		b.Spans = append(b.Spans, s)
	}
	write(t, st, b)
	st = st.Reopen(t)
	all := must[[]store.Service](t)(st.Services(t.Context(), 10))
	if len(all) != 4 || all[2].Name != "many" || len(all[2].Hosts) != store.MaxNames || !slices.IsSorted(all[2].Hosts) {
		t.Errorf("services: %+v, want one with %d hosts in order", all, store.MaxNames)
	}
}

package storetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var readerTests = []testCase{
	{"nothing found is empty", testNothingFound},
	{"the listing is newest first and pages see each once", testOrderAndPaging},
	{"new requests do not disturb a walk", testPagingWhileWriting},
	{"limits are validated", testLimits},
	{"the range is half-open", testRange},
	{"a part of a URL is matched without case and without wildcards", testURLPart},
	{"pending includes requests never judged", testPendingFilter},
	{"a trace is found carried, answered and joined", testTraceFilter},
	{"filters combine", testFiltersCombine},
	{"a trace is ordered and bounded", testTraceOrder},
	{"a cancelled read says so", testCancelledRead},
}

func testNothingFound(t *testing.T, st Store) {
	for range 2 { // an empty store, then one with other things in it
		if _, err := st.Request(t.Context(), eventID(404)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a request that is not there: %v, want ErrNotFound", err)
		}
		if got := trace(t, st, 404); len(got) != 0 {
			t.Errorf("a trace that is not there has %d spans", len(got))
		}
		got, err := st.Requests(t.Context(), where(store.FieldSession, "none"), store.Page{Limit: 10})
		if err != nil || len(got) != 0 {
			t.Errorf("a filter that selects nothing: %d requests, %v", len(got), err)
		}
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Spans: []model.Span{span(1, 1)}})
	}
}

func testOrderAndPaging(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 57; n++ {
		e := request(n)
		e.Start = epoch.Add(time.Duration(n/20) * time.Nanosecond) // runs of equal starts
		b.Requests = append(b.Requests, e)
	}
	// An id with its first bit set is the largest.
	large := request(58)
	large.ID = model.EventID{0xff}
	large.Start = epoch
	b.Requests = append(b.Requests, large)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(b.Requests), func(i, j int) {
		b.Requests[i], b.Requests[j] = b.Requests[j], b.Requests[i]
	})
	write(t, st, b)

	for _, size := range []int{1, 19, 58, 59, store.MaxLimit} {
		got := listAll(t, st, size)
		if len(got) != 58 {
			t.Fatalf("pages of %d show %d requests, want 58", size, len(got))
		}
		for i := 1; i < len(got); i++ {
			if c := comparePlaces(placeOf(&got[i-1]), placeOf(&got[i])); c <= 0 {
				t.Fatalf("pages of %d: %v stands before %v", size, placeOf(&got[i-1]), placeOf(&got[i]))
			}
		}
	}
}

func testPagingWhileWriting(t *testing.T, st Store) {
	for n := 1; n <= 20; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	page, err := st.Requests(t.Context(), store.Filter{}, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(21)}})
	last := placeOf(&page[9])
	rest, err := walk(t.Context(), st, store.Filter{}, store.Page{Before: &last, Limit: 4})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(rest); !slices.Equal(got, []int{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}) {
		t.Errorf("the rest of the walk is %v", got)
	}
}

func testLimits(t *testing.T, st Store) {
	for _, limit := range []int{-1, 0, store.MaxLimit + 1} {
		if _, err := st.Requests(t.Context(), store.Filter{}, store.Page{Limit: limit}); err == nil {
			t.Errorf("the limit %d is taken", limit)
		}
	}
	for _, limit := range []int{1, store.MaxLimit} {
		if _, err := st.Requests(t.Context(), store.Filter{}, store.Page{Limit: limit}); err != nil {
			t.Errorf("the limit %d is refused: %v", limit, err)
		}
	}
	if _, err := st.Work(t.Context(), 0, epoch, 0, 10); err == nil {
		t.Error("work without room for a single request is taken")
	}
}

func testRange(t *testing.T, st Store) {
	for n := 1; n <= 5; n++ {
		e := request(n)
		e.Start = epoch.Add(time.Duration(n))
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
	}
	at := func(n int) time.Time { return epoch.Add(time.Duration(n)) }
	var none time.Time
	for _, tc := range []struct {
		from, to time.Time
		want     []int
	}{
		{none, none, []int{5, 4, 3, 2, 1}},
		{at(2), none, []int{5, 4, 3, 2}},
		{none, at(4), []int{3, 2, 1}},
		{at(2), at(4), []int{3, 2}},
		{at(3), at(3), nil},
		{at(4), at(2), nil},
		{at(2).In(time.FixedZone("", -3600)), at(3), []int{2}},
		{time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), []int{5, 4, 3, 2, 1}},
	} {
		got, err := walk(t.Context(), st, store.Filter{From: tc.from, To: tc.to}, store.Page{Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), tc.want) {
			t.Errorf("[%v, %v): requests %v, want %v", tc.from, tc.to, ids(got), tc.want)
		}
	}
}

func testURLPart(t *testing.T, st Store) {
	urls := []string{
		`https://shop.example/100%25/a_b`,
		`https://shop.example/100x25/aXb`,
		`https://shop.example/it's\here`,
		`https://SHOP.example/Größe`,
		`https://shop.example/東京?q=ЩУКА`,
	}
	var b store.Batch
	for i, u := range urls {
		e := request(i + 1)
		e.URL = u
		b.Requests = append(b.Requests, e)
	}
	write(t, st, b)
	for part, want := range map[string][]int{
		"shop.EXAMPLE/":  {5, 4, 3, 2, 1},
		"%":              {1},
		"100%25":         {1},
		"a_b":            {1},
		"axB":            {2},
		"it's":           {3},
		`\`:              {3},
		`s\h`:            {3},
		"GRÖSSE":         nil, // ß is not ss
		"größe":          {4},
		"GRÖß":           {4},
		"щука":           {5},
		"":               {5, 4, 3, 2, 1},
		"東京":             {5},
		"https://shop.%": nil,
		"example/?":      nil,
		".*":             nil,
	} {
		f := store.Filter{Terms: []store.Term{{Field: store.FieldURL, Op: store.Contains, Values: []string{part}}}}
		got, err := walk(t.Context(), st, f, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), want) {
			t.Errorf("URLs with %q: requests %v, want %v", part, ids(got), want)
		}
	}
}

func testPendingFilter(t *testing.T, st Store) {
	for n := 1; n <= 4; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	putLinks(t, st, 0,
		model.Link{RequestID: eventID(1), JudgedAt: epoch, Verdict: model.Verdict{Status: model.Pending, Due: epoch}},
		model.Link{RequestID: eventID(2), JudgedAt: epoch, Verdict: model.Verdict{Status: model.Linked, Reason: model.Exact}},
	)
	got, err := walk(t.Context(), st, where(store.FieldStatus, string(model.Pending)), store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids(got), []int{4, 3, 1}) {
		t.Errorf("pending requests: %v, want 4, 3 and 1", ids(got))
	}
	never := model.Link{RequestID: eventID(4), Verdict: model.Verdict{Status: model.Pending}}
	diff(t, "the link of a request never judged", never, got[0].Link)
}

func testTraceFilter(t *testing.T, st Store) {
	carried, answered, joined, other := request(1), request(2), request(3), request(4)
	carried.Sent.TraceID = traceID(50)
	answered.Sent = model.SpanContext{}
	answered.Answer.TraceID = traceID(50)
	write(t, st, store.Batch{Requests: []model.RequestEvent{carried, answered, joined, other}})
	putLinks(t, st, 0, model.Link{RequestID: joined.ID, JudgedAt: epoch, Verdict: model.Verdict{
		Status: model.Partial, Joined: model.SpanContext{TraceID: traceID(50)},
	}})
	got, err := walk(t.Context(), st, where(store.FieldTrace, traceID(50).String()), store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids(got), []int{3, 2, 1}) {
		t.Errorf("requests of the trace: %v, want 3, 2 and 1", ids(got))
	}
}

// testFiltersCombine holds random filters against a plain reading of them.
func testFiltersCombine(t *testing.T, st Store) {
	const seed = 7
	rnd := rand.New(rand.NewPCG(seed, seed))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	var b store.Batch
	var links []model.Link
	for n := 1; n <= 80; n++ {
		e := request(n)
		e.Start = epoch.Add(time.Duration(rnd.IntN(8)) * time.Second)
		e.ApplicationID, e.SessionID = pick("app1", "app2"), pick("s1", "s2", "S1")
		e.Method, e.Kind = pick("GET", "POST"), model.RequestKind(pick("fetch", "xhr", "document"))
		e.URL = "https://shop.example/" + pick("Cart", "search", "item")
		e.Sent.TraceID = traceID(rnd.IntN(3))
		e.Answer.TraceID = traceID(rnd.IntN(3))
		b.Requests = append(b.Requests, e)
		if rnd.IntN(3) > 0 {
			links = append(links, model.Link{RequestID: e.ID, JudgedAt: epoch, Verdict: model.Verdict{
				Status: model.LinkStatus(pick("linked", "pending", "unlinked")),
				Reason: model.LinkReason(pick("exact", "not_sampled", "")),
				Joined: model.SpanContext{TraceID: traceID(rnd.IntN(3))},
			}})
		}
	}
	write(t, st, b)
	putLinks(t, st, 0, links...)
	all := listAll(t, st, store.MaxLimit)

	selected := 0
	for range 50 {
		var f store.Filter
		var p store.Page
		term := func(field store.Field, op store.Op, values ...string) {
			f.Terms = append(f.Terms, store.Term{Field: field, Op: op, Values: values})
		}
		for _, set := range []func(){
			func() { f.From = epoch.Add(time.Duration(rnd.IntN(8)) * time.Second) },
			func() { f.To = epoch.Add(time.Duration(1+rnd.IntN(8)) * time.Second) },
			func() { term(store.FieldApplication, store.Equal, pick("app1", "app2")) },
			func() { term(store.FieldSession, store.Equal, pick("s1", "s2", "S1")) },
			func() { term(store.FieldStatus, store.Equal, pick("linked", "pending", "unlinked")) },
			func() { term(store.FieldReason, store.Equal, pick("exact", "not_sampled")) },
			func() { term(store.FieldURL, store.Contains, pick("cart", "SEARCH", "/")) },
			func() { term(store.FieldMethod, store.Equal, pick("GET", "POST")) },
			func() { term(store.FieldKind, store.Equal, pick("fetch", "xhr")) },
			func() { term(store.FieldTrace, store.Equal, traceID(1+rnd.IntN(2)).String()) },
			func() { at := placeOf(&all[rnd.IntN(len(all))]); p.Before = &at },
		} {
			if rnd.IntN(5) == 0 {
				set()
			}
		}
		var want []int
		for _, r := range all {
			if selects(&f, requestFields{&r}) && (p.Before == nil || comparePlaces(placeOf(&r), *p.Before) < 0) {
				want = append(want, ids([]model.LinkedRequest{r})...)
			}
		}
		p.Limit = 10 + rnd.IntN(60)
		got, err := walk(t.Context(), st, f, p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), want) {
			t.Errorf("filter %+v: requests %v, want %v", f, ids(got), want)
		}
		selected += len(want)
	}
	if selected == 0 {
		t.Error("no filter selected anything")
	}
}

func testTraceOrder(t *testing.T, st Store) {
	var b store.Batch
	for id := 1; id <= 30; id++ {
		s := span(1, id)
		s.Start = epoch.Add(-time.Duration(id / 4)) // runs of equal starts
		b.Spans = append(b.Spans, s)
	}
	large := span(1, 31)
	large.SpanID[0], large.Start = 0xff, epoch
	b.Spans = append(b.Spans, large, span(2, 1))
	write(t, st, b)
	for _, limit := range []int{0, 1, 10, 31, 1000} {
		got, err := st.Trace(t.Context(), traceID(1), limit)
		if err != nil {
			t.Fatal(err)
		}
		if want := min(limit, 31); len(got) != want {
			t.Errorf("limit %d: %d spans, want %d", limit, len(got), want)
		}
		if !slices.IsSortedFunc(got, func(a, b model.Span) int {
			if c := a.Start.Compare(b.Start); c != 0 {
				return c
			}
			return bytes.Compare(a.SpanID[:], b.SpanID[:])
		}) {
			t.Errorf("limit %d: the spans are not in order", limit)
		}
	}
	first, err := st.Trace(t.Context(), traceID(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if first[0].SpanID != spanID(28) {
		t.Errorf("the first span is %v, want the earliest, %v", first[0].SpanID, spanID(28))
	}
}

func testCancelledRead(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Spans: []model.Span{span(1, 1)}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, read := range map[string]func() error{
		"Requests": func() error { _, err := st.Requests(ctx, store.Filter{}, store.Page{Limit: 1}); return err },
		"Request":  func() error { _, err := st.Request(ctx, eventID(1)); return err },
		"Trace":    func() error { _, err := st.Trace(ctx, traceID(1), 1); return err },
		"Work":     func() error { _, err := st.Work(ctx, 0, epoch, 1, 1); return err },
		"PutLinks": func() error { return st.PutLinks(ctx, nil, 1) },
	} {
		if err := read(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want context.Canceled", name, err)
		}
	}
}

// ids returns the numbers of the requests, as given to request.
func ids(found []model.LinkedRequest) []int {
	var n []int
	for _, r := range found {
		n = append(n, number(r.ID))
	}
	return n
}

// where returns the filter that selects events by one value of a field.
func where(field store.Field, value string) store.Filter {
	return store.Filter{Terms: []store.Term{{Field: field, Values: []string{value}}}}
}

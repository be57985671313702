package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var listingTests = []testCase{
	{"a tail shows each write once", testTail},
	{"a tail goes on while others write and after a restart", testTailWhileWriting},
	{"the requests of a trace are ordered and bounded", testTraceRequests},
	{"the pages of page loads see each once", testPageLoads},
	{"the pages of one fingerprint's errors see each once", testErrorsOfFingerprint},
	{"the events of a session and of a page", testEvents},
	{"events are ordered and bounded kind by kind", testEventsOrder},
	{"annotations are replaced, ordered and bounded", testAnnotations},
	{"limits out of bounds are refused", testAllLimits},
	{"a store without data answers everything", testEmptyAnswers},
	{"a cancelled question says so", testCancelledQuestions},
}

// must returns a value that has to be had.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// tail follows the tail to its end and returns the numbers of the requests in order of
// their ids, since those of one write may come in any order.
func tail(t *testing.T, st Store, after uint64, f store.Filter, limit int) ([]int, uint64) {
	t.Helper()
	var all []int
	for {
		found, next, err := st.Tail(t.Context(), after, f, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > limit || next < after {
			t.Fatalf("%d requests for the limit %d, and the place went from %d to %d", len(found), limit, after, next)
		}
		after, all = next, append(all, ids(found)...)
		if len(found) < limit {
			slices.Sort(all)
			return all, after
		}
	}
}

func testTail(t *testing.T, st Store) {
	got, end := tail(t, st, 0, store.Filter{}, 5)
	if len(got) != 0 {
		t.Errorf("an empty store's tail holds %v", got)
	}
	ends := []uint64{end}
	for n := 1; n <= 13; n += 3 { // the newest first, so that the order is not that of start
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(100 - n), request(99 - n), request(98 - n)}})
		_, end, err := st.Tail(t.Context(), 0, store.Filter{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if end <= ends[len(ends)-1] {
			t.Errorf("the end went from %d to %d with a write", ends[len(ends)-1], end)
		}
		ends = append(ends, end)
	}
	for i, after := range ends {
		var want []int
		for n := 85; n < 100-3*i; n++ {
			want = append(want, n)
		}
		for _, limit := range []int{1, 2, 3, 15, store.MaxLimit} {
			got, end := tail(t, st, after, store.Filter{}, limit)
			diff(t, fmt.Sprintf("after write %d by %d", i, limit), want, got)
			if end != ends[len(ends)-1] {
				t.Errorf("the walk ends at %d, and the end is %d", end, ends[len(ends)-1])
			}
		}
	}
	// What a filter leaves out is passed over.
	got, end = tail(t, st, 0, where(store.FieldURL, request(90).URL), 1)
	if !slices.Equal(got, []int{90}) || end != ends[len(ends)-1] {
		t.Errorf("requests %v up to %d, want 90 up to %d", got, end, ends[len(ends)-1])
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(99)}})
	if got, _ := tail(t, st, ends[len(ends)-1], store.Filter{}, 5); len(got) != 0 {
		t.Errorf("a request that was written again is in the tail: %v", got)
	}
	putLinks(t, st, 0, model.Link{RequestID: eventID(90), JudgedAt: epoch, Verdict: model.Verdict{Status: model.Linked}})
	if got, _ := tail(t, st, 0, where(store.FieldStatus, string(model.Linked)), 5); !slices.Equal(got, []int{90}) {
		t.Errorf("linked requests in the tail: %v, want 90", got)
	}
}

func testTailWhileWriting(t *testing.T, st Store) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := 1; n <= 40; n++ {
			if err := st.Write(t.Context(), store.Batch{Requests: []model.RequestEvent{request(n)}}); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	}()
	var got []int
	var at uint64
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		var some []int
		some, at = tail(t, st, at, store.Filter{}, 3)
		got = append(got, some...)
	}
	once(t, got, 40)
	st = st.Reopen(t)
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(41)}})
	if got, _ := tail(t, st, at, store.Filter{}, 3); !slices.Equal(got, []int{41}) {
		t.Errorf("the tail after a restart and a write: %v, want 41", got)
	}
}

func testTraceRequests(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 9; n++ {
		e := request(n)
		e.Start = epoch.Add(time.Duration(n / 4))
		switch n % 3 {
		case 0:
			e.Sent.TraceID = traceID(50)
		case 1:
			e.Answer.TraceID = traceID(50)
		}
		b.Requests = append(b.Requests, e)
	}
	write(t, st, b)
	putLinks(t, st, 0, model.Link{RequestID: eventID(5), JudgedAt: epoch, Verdict: model.Verdict{Joined: model.SpanContext{TraceID: traceID(50)}}})
	want := []int{9, 7, 6, 5, 4, 3, 1}
	for _, limit := range []int{1, 3, 7, store.MaxLimit} {
		got := must[[]model.LinkedRequest](t)(st.TraceRequests(t.Context(), traceID(50), limit))
		diff(t, fmt.Sprintf("limit %d", limit), want[:min(limit, 7)], ids(got))
	}
	got := must[[]model.LinkedRequest](t)(st.TraceRequests(t.Context(), tracecontext.TraceID{}, 10))
	if len(got) != 0 {
		t.Errorf("no trace holds %d requests", len(got))
	}
}

func testPageLoads(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 20; n++ {
		b.Navigations = append(b.Navigations, model.NavigationEvent{ID: eventID(n), Start: epoch.Add(time.Duration(n / 7))})
	}
	slices.Reverse(b.Navigations[:11])
	write(t, st, b)
	for _, limit := range []int{1, 6, 20, store.MaxLimit} {
		p := store.Page{Limit: limit}
		var got []int
		for {
			page := must[[]model.NavigationEvent](t)(st.PageLoads(t.Context(), store.Filter{}, p))
			for _, e := range page {
				got = append(got, number(e.ID))
				p.Before = &store.Place{Start: e.Start, ID: e.ID}
			}
			if len(page) < limit {
				break
			}
		}
		diff(t, fmt.Sprintf("pages of %d", limit), downFrom(20), got)
	}
	got := must[[]model.NavigationEvent](t)(st.PageLoads(t.Context(), store.Filter{From: epoch.Add(1), To: epoch.Add(2)}, store.Page{Limit: 50}))
	if len(got) != 7 || got[0].ID != eventID(13) || got[6].ID != eventID(7) {
		t.Errorf("%d page loads in the range, want 13 to 7", len(got))
	}
}

func downFrom(n int) []int {
	var all []int
	for ; n > 0; n-- {
		all = append(all, n)
	}
	return all
}

func testErrorsOfFingerprint(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 12; n++ {
		e := model.ErrorEvent{ID: eventID(n), Time: epoch.Add(time.Duration(n / 5)), Fingerprint: [8]byte{0xff, 1}}
		other := model.ErrorEvent{ID: eventID(100 + n), Time: e.Time, Fingerprint: [8]byte{0xff, 2}}
		b.Errors = append(b.Errors, other, e)
	}
	write(t, st, b)
	for _, limit := range []int{1, 5, 12, store.MaxLimit} {
		p := store.Page{Limit: limit}
		var got []int
		for {
			page := must[[]model.ErrorEvent](t)(st.Errors(t.Context(), [8]byte{0xff, 1}, p))
			for _, e := range page {
				got = append(got, number(e.ID))
				p.Before = &store.Place{Start: e.Time, ID: e.ID}
			}
			if len(page) < limit {
				break
			}
		}
		diff(t, fmt.Sprintf("pages of %d", limit), downFrom(12), got)
	}
	if got := must[[]model.ErrorEvent](t)(st.Errors(t.Context(), [8]byte{3}, store.Page{Limit: 5})); len(got) != 0 {
		t.Errorf("a fingerprint that no error has finds %d", len(got))
	}
}

func testEvents(t *testing.T, st Store) {
	seen := func(session, page string) model.Frontend { return model.Frontend{SessionID: session, PageID: page} }
	var b store.Batch
	for i, f := range []model.Frontend{seen("s", "p"), seen("s", "q"), seen("S", "p"), seen("", "p"), seen("s", ""), seen("", "")} {
		id := eventID(i + 1)
		b.Requests = append(b.Requests, model.RequestEvent{ID: id, Frontend: f, Start: epoch})
		b.Navigations = append(b.Navigations, model.NavigationEvent{ID: id, Frontend: f, Start: epoch})
		b.WebVitals = append(b.WebVitals, model.WebVital{ID: id, Frontend: f, Time: epoch})
		b.Errors = append(b.Errors, model.ErrorEvent{ID: id, Frontend: f, Time: epoch})
		b.Actions = append(b.Actions, model.ActionEvent{ID: id, Frontend: f, Start: epoch})
		b.PageEvents = append(b.PageEvents, model.PageEvent{ID: id, Frontend: f, Start: epoch})
	}
	write(t, st, b)
	for key, want := range map[store.EventsKey][]int{
		{SessionID: "s"}: {1, 2, 5}, {SessionID: "S"}: {3}, {SessionID: "none"}: nil,
		{PageID: "p"}: {1, 3, 4}, {PageID: "q"}: {2}, {PageID: "P"}: nil,
	} {
		var e store.Events
		for _, n := range want {
			e.Requests = append(e.Requests, neverJudged(b.Requests[n-1]))
			e.Navigations = append(e.Navigations, b.Navigations[n-1])
			e.WebVitals = append(e.WebVitals, b.WebVitals[n-1])
			e.Errors = append(e.Errors, b.Errors[n-1])
			e.Actions = append(e.Actions, b.Actions[n-1])
			e.PageEvents = append(e.PageEvents, b.PageEvents[n-1])
		}
		diff(t, fmt.Sprintf("events of %+v", key), e, must[store.Events](t)(st.Events(t.Context(), key, 10)))
	}
	for _, key := range []store.EventsKey{{}, {SessionID: "s", PageID: "p"}} {
		if _, err := st.Events(t.Context(), key, 10); err == nil {
			t.Errorf("the key %+v is taken", key)
		}
	}
}

func testEventsOrder(t *testing.T, st Store) {
	f := model.Frontend{SessionID: "s"}
	var b store.Batch
	for _, n := range []int{3, 1, 2, 5, 4} {
		at := epoch.Add(time.Duration(n / 2)) // 2 and 3, 4 and 5 have equal times
		b.Requests = append(b.Requests, model.RequestEvent{ID: eventID(n), Frontend: f, Start: at})
		if n > 1 {
			b.Actions = append(b.Actions, model.ActionEvent{ID: eventID(n), Frontend: f, Start: at})
			b.PageEvents = append(b.PageEvents, model.PageEvent{ID: eventID(n), Frontend: f, Start: at})
		}
		if n > 3 {
			b.WebVitals = append(b.WebVitals, model.WebVital{ID: eventID(n), Frontend: f, Time: at})
		}
	}
	write(t, st, b)
	for limit, want := range [][3][]int{ // requests; actions, and page events like them; web vitals
		{nil, nil, nil}, {{1}, {2}, {4}}, {{1, 2}, {2, 3}, {4, 5}}, {{1, 2, 3}, {2, 3, 4}, {4, 5}},
		{{1, 2, 3, 4}, {2, 3, 4, 5}, {4, 5}}, {{1, 2, 3, 4, 5}, {2, 3, 4, 5}, {4, 5}}, {{1, 2, 3, 4, 5}, {2, 3, 4, 5}, {4, 5}},
	} {
		e := must[store.Events](t)(st.Events(t.Context(), store.EventsKey{SessionID: "s"}, limit))
		var got [3][]int
		got[0] = ids(e.Requests)
		for _, a := range e.Actions {
			got[1] = append(got[1], number(a.ID))
		}
		var pageEvents []int
		for _, p := range e.PageEvents {
			pageEvents = append(pageEvents, number(p.ID))
		}
		diff(t, fmt.Sprintf("page events, limit %d", limit), want[1], pageEvents)
		for _, v := range e.WebVitals {
			got[2] = append(got[2], number(v.ID))
		}
		diff(t, fmt.Sprintf("limit %d", limit), want, got)
		if e.Truncated != (limit < 5) {
			t.Errorf("limit %d: truncated %v", limit, e.Truncated)
		}
	}
}

func testAnnotations(t *testing.T, st Store) {
	full := filled[store.Annotation](field)
	full.Tags = []string{"deploy", "", `a,b"c]`, "…"}
	full.ID, full.Time = eventID(1), epoch
	put := func(a store.Annotation) {
		t.Helper()
		if err := st.PutAnnotation(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	list := func(from, to time.Time, limit int) []store.Annotation {
		t.Helper()
		return must[[]store.Annotation](t)(st.Annotations(t.Context(), from, to, limit))
	}
	var none time.Time
	put(store.Annotation{ID: eventID(1), Time: epoch.Add(time.Hour), Title: "replaced", Tags: []string{"old"}})
	put(full)
	diff(t, "an annotation", []store.Annotation{full}, list(none, none, 10))
	full.Tags[0] = "changed"
	if got := list(none, none, 10); got[0].Tags[0] != "deploy" {
		t.Error("an annotation changed after it was stored")
	}
	for n := 5; n > 1; n-- {
		put(store.Annotation{ID: eventID(n), Time: epoch.Add(time.Duration(n / 2)), Title: strconv.Itoa(n)})
	}
	st = st.Reopen(t)
	for _, tc := range []struct {
		from, to time.Time
		limit    int
		want     []int
	}{
		{none, none, 10, []int{1, 2, 3, 4, 5}},
		{none, none, 3, []int{1, 2, 3}},
		{epoch.Add(1), none, 10, []int{2, 3, 4, 5}},
		{none, epoch.Add(2), 10, []int{1, 2, 3}},
		{epoch.Add(1), epoch.Add(2), 10, []int{2, 3}},
		{epoch.Add(2), epoch.Add(2), 10, nil},
	} {
		var got []int
		for _, a := range list(tc.from, tc.to, tc.limit) {
			got = append(got, number(a.ID))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("[%v, %v) limit %d: %v, want %v", tc.from, tc.to, tc.limit, got, tc.want)
		}
	}
	if err := st.DeleteAnnotation(t.Context(), eventID(3)); err != nil {
		t.Error(err)
	}
	for _, n := range []int{3, 99} {
		if err := st.DeleteAnnotation(t.Context(), eventID(n)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("delete an annotation that is not there: %v, want ErrNotFound", err)
		}
	}
	if got := list(none, none, 10); len(got) != 4 {
		t.Errorf("%d annotations after one of 5 was deleted", len(got))
	}
}

// questions are those with a limit; each asks with the limit given.
func questions(ctx context.Context, st Store, limit int) map[string]func() error {
	f, p := store.Filter{}, store.Page{Limit: limit}
	return map[string]func() error{
		"Requests":      func() error { _, err := st.Requests(ctx, f, p); return err },
		"TraceRequests": func() error { _, err := st.TraceRequests(ctx, traceID(1), limit); return err },
		"Traces":        func() error { _, err := st.Traces(ctx, store.TraceQuery{Limit: limit}); return err },
		"Facets":        func() error { _, err := st.Facets(ctx, f, []store.Field{store.FieldHost}, limit); return err },
		"Endpoints":     func() error { _, err := st.Endpoints(ctx, f, limit); return err },
		"Services":      func() error { _, err := st.Services(ctx, limit); return err },
		"Sessions":      func() error { _, err := st.Sessions(ctx, f, limit); return err },
		"PageLoads":     func() error { _, err := st.PageLoads(ctx, f, p); return err },
		"ErrorGroups":   func() error { _, err := st.ErrorGroups(ctx, f, limit); return err },
		"Errors":        func() error { _, err := st.Errors(ctx, [8]byte{1}, p); return err },
		"Annotations":   func() error { _, err := st.Annotations(ctx, time.Time{}, time.Time{}, limit); return err },
	}
}

func testAllLimits(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	for _, limit := range []int{-1, 0, 1, store.MaxLimit, store.MaxLimit + 1} {
		fits := limit >= 1 && limit <= store.MaxLimit
		for name, ask := range questions(t.Context(), st, limit) {
			if err := ask(); (err == nil) != fits {
				t.Errorf("%s with the limit %d: %v", name, limit, err)
			}
		}
		if _, _, err := st.Tail(t.Context(), 0, store.Filter{}, limit); (err == nil) != (fits || limit == 0) {
			t.Errorf("Tail with the limit %d: %v", limit, err)
		}
	}
	for _, limit := range []int{-1, 0, 100_000} {
		for name, ask := range map[string]func() error{
			"Trace":    func() error { _, err := st.Trace(t.Context(), traceID(1), limit); return err },
			"Events":   func() error { _, err := st.Events(t.Context(), store.EventsKey{PageID: "p"}, limit); return err },
			"Evidence": func() error { _, err := st.Evidence(t.Context(), eventID(1), limit); return err },
			"Work":     func() error { _, err := st.Work(t.Context(), 0, epoch, 1, limit); return err },
		} {
			if err := ask(); (err == nil) != (limit >= 0) {
				t.Errorf("%s with the limit %d: %v", name, limit, err)
			}
		}
	}
	for _, spans := range []int{-1, 0, store.MaxServiceMapSpans + 1} {
		if _, err := st.ServiceMap(t.Context(), store.ServiceMapQuery{MaxSpans: spans}); err == nil {
			t.Errorf("a service map of %d spans is drawn", spans)
		}
	}
}

func testEmptyAnswers(t *testing.T, st Store) {
	for name, ask := range questions(t.Context(), st, 10) {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := st.Evidence(t.Context(), eventID(1), 10); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the evidence of a request that is not there: %v, want ErrNotFound", err)
	}
	got := must[[]store.Facet](t)(st.Facets(t.Context(), store.Filter{}, []store.Field{store.FieldHost, store.FieldStatus}, 5))
	diff(t, "facets", []store.Facet{{Field: store.FieldHost}, {Field: store.FieldStatus}}, got)
	m := must[store.ServiceMap](t)(st.ServiceMap(t.Context(), store.ServiceMapQuery{MaxSpans: 5}))
	diff(t, "service map", store.ServiceMap{}, m)
	u := must[store.Usage](t)(st.Usage(t.Context()))
	u.Bytes = 0
	diff(t, "usage", store.Usage{}, u)
	diff(t, "events", store.Events{}, must[store.Events](t)(st.Events(t.Context(), store.EventsKey{SessionID: "s"}, 5)))
}

func testCancelledQuestions(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Spans: []model.Span{span(1, 1)}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := map[string]func() error{
		"Tail":             func() error { _, _, err := st.Tail(ctx, 0, store.Filter{}, 1); return err },
		"Evidence":         func() error { _, err := st.Evidence(ctx, eventID(1), 1); return err },
		"Coverage":         func() error { _, err := st.Coverage(ctx, store.CoverageQuery{}); return err },
		"ServiceMap":       func() error { _, err := st.ServiceMap(ctx, store.ServiceMapQuery{MaxSpans: 1}); return err },
		"Events":           func() error { _, err := st.Events(ctx, store.EventsKey{SessionID: "s"}, 1); return err },
		"PutAnnotation":    func() error { return st.PutAnnotation(ctx, store.Annotation{ID: eventID(1)}) },
		"DeleteAnnotation": func() error { return st.DeleteAnnotation(ctx, eventID(1)) },
		"Expire":           func() error { return st.Expire(ctx, store.Retention{Requests: epoch}) },
		"Usage":            func() error { _, err := st.Usage(ctx); return err },
		"Position":         func() error { _, err := st.Position(ctx); return err },
		"Watermark":        func() error { _, err := st.Watermark(ctx); return err },
	}
	maps.Copy(all, questions(ctx, st, 1))
	for name, ask := range all {
		if err := ask(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want context.Canceled", name, err)
		}
	}
}

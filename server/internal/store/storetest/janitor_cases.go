package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var janitorTests = []testCase{
	{"each kind goes by its own time", testExpireKinds},
	{"what is young stays", testExpireYoung},
	{"what was learned stays", testExpireLearned},
	{"work goes on after an expiry", testExpireWork},
	{"an expiry stays over a restart", testExpireReopen},
	{"what comes after all has gone is new", testExpireAll},
	{"usage counts what is stored", testUsage},
}

var positionTests = []testCase{
	{"the position is that of the last batch", testPosition},
	{"a batch that was stored before is left out whole", testPositionBefore},
	{"the position outlives a restart", testPositionReopen},
	{"a position and its values are stored in one step", testPositionAtomic},
	{"batches without a position leave it", testNoPosition},
}

// old lies far beyond what engines may keep of what is to go.
var old = epoch.Add(-72 * time.Hour)

// oneOfEach is a batch with an event of each kind and a span, all numbered n.
func oneOfEach(n int, at time.Time) store.Batch {
	e, s := request(n), entrySpan(n, n, n)
	e.Start, s.Start, e.SessionID = at, at, "s"
	seen := model.Frontend{SessionID: "s"}
	return store.Batch{
		Requests:    []model.RequestEvent{e},
		Navigations: []model.NavigationEvent{{ID: e.ID, Frontend: seen, Start: at}},
		WebVitals:   []model.WebVital{{ID: e.ID, Frontend: seen, Time: at}},
		Errors:      []model.ErrorEvent{{ID: e.ID, Frontend: seen, Time: at}},
		Actions:     []model.ActionEvent{{ID: e.ID, Frontend: seen, Start: at}},
		PageEvents:  []model.PageEvent{{ID: e.ID, Frontend: seen, Start: at}},
		Spans:       []model.Span{s},
	}
}

func usage(t *testing.T, st Store) store.Usage {
	t.Helper()
	u := must[store.Usage](t)(st.Usage(t.Context()))
	if u.Bytes < 0 {
		t.Errorf("%d bytes are in use", u.Bytes)
	}
	u.Bytes = 0
	return u
}

func expire(t *testing.T, st Store, r store.Retention) {
	t.Helper()
	if err := st.Expire(t.Context(), r); err != nil {
		t.Fatalf("expire: %v", err)
	}
}

func testExpireKinds(t *testing.T, st Store) {
	for n := 1; n <= 5; n++ {
		write(t, st, oneOfEach(n, old.Add(time.Duration(n))))
		write(t, st, oneOfEach(10+n, epoch.Add(time.Duration(n))))
	}
	want := store.Usage{Requests: 10, Navigations: 10, WebVitals: 10, Errors: 10, Actions: 10, PageEvents: 10, Spans: 10}
	diff(t, "usage", want, usage(t, st))
	expire(t, st, store.Retention{})
	diff(t, "usage after nothing was to go", want, usage(t, st))
	for _, tc := range []struct {
		name  string
		r     store.Retention
		after func(u *store.Usage)
	}{
		{"requests", store.Retention{Requests: epoch}, func(u *store.Usage) { u.Requests = 5 }},
		{"navigations", store.Retention{Navigations: epoch}, func(u *store.Usage) { u.Navigations, u.WebVitals, u.Actions, u.PageEvents = 5, 5, 5, 5 }},
		{"errors", store.Retention{Errors: epoch}, func(u *store.Usage) { u.Errors = 5 }},
		{"spans", store.Retention{Spans: epoch}, func(u *store.Usage) { u.Spans = 5 }},
		{"again", store.Retention{Requests: epoch, Navigations: epoch, Errors: epoch, Spans: epoch}, func(*store.Usage) {}},
	} {
		expire(t, st, tc.r)
		tc.after(&want)
		diff(t, tc.name, want, usage(t, st))
	}
	e := must[store.Events](t)(st.Events(t.Context(), store.EventsKey{SessionID: "s"}, 50))
	diff(t, "requests", []int{11, 12, 13, 14, 15}, ids(e.Requests))
	if len(e.Navigations) != 5 || len(e.WebVitals) != 5 || len(e.Errors) != 5 || len(e.Actions) != 5 || len(e.PageEvents) != 5 {
		t.Errorf("events: %+v, want 5 of each kind", e)
	}
	for n := 1; n <= 5; n++ {
		if _, err := st.Request(t.Context(), eventID(n)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("request %d after it went: %v, want ErrNotFound", n, err)
		}
		if _, err := st.Evidence(t.Context(), eventID(n), 10); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("evidence of request %d after it went: %v, want ErrNotFound", n, err)
		}
		if got := trace(t, st, n); len(got) != 0 {
			t.Errorf("trace %d after it went: %d spans", n, len(got))
		}
		if got := trace(t, st, 10+n); len(got) != 1 {
			t.Errorf("trace %d: %d spans, want 1", 10+n, len(got))
		}
	}
}

func testExpireYoung(t *testing.T, st Store) {
	write(t, st, oneOfEach(1, epoch.Add(-time.Hour-1)))
	write(t, st, oneOfEach(2, epoch.Add(-1)))
	write(t, st, oneOfEach(3, epoch))
	write(t, st, oneOfEach(4, epoch.Add(1)))
	expire(t, st, store.Retention{Requests: epoch, Navigations: epoch, Errors: epoch, Spans: epoch})
	got := ids(listAll(t, st, 10))
	if len(got) == 3 && got[2] == 2 {
		got = got[:2] // at most an hour's worth may stay
	}
	diff(t, "requests", []int{4, 3}, got)
}

func testExpireLearned(t *testing.T, st Store) {
	write(t, st, oneOfEach(1, old))
	b := oneOfEach(2, epoch)
	b.Spans, b.Position = nil, 7
	write(t, st, b)
	if err := st.PutAnnotation(t.Context(), store.Annotation{ID: eventID(1), Time: old}); err != nil {
		t.Fatal(err)
	}
	judgeAll(t, st, keepPending)
	mark := watermark(t, st)
	expire(t, st, store.Retention{Requests: epoch, Navigations: epoch, Errors: epoch, Spans: epoch})
	st = st.Reopen(t)
	e := must[model.Evidence](t)(st.Evidence(t.Context(), eventID(2), 10))
	if !e.HostSeen {
		t.Error("the host counts as never seen after its spans went")
	}
	diff(t, "the host's services", checkout, e.HostServices)
	diff(t, "services", []store.Service{{Name: "checkout", Hosts: []string{"shop.example"}, FirstSeen: epoch.Add(time.Minute)}},
		must[[]store.Service](t)(st.Services(t.Context(), 5)))
	if got := must[[]store.Annotation](t)(st.Annotations(t.Context(), time.Time{}, time.Time{}, 5)); len(got) != 1 {
		t.Error("the annotation has gone")
	}
	if got := must[store.Position](t)(st.Position(t.Context())); got != 7 {
		t.Errorf("the position is %d, want 7", got)
	}
	if got := watermark(t, st); got != mark {
		t.Errorf("the watermark is %d, want %d", got, mark)
	}
}

func testExpireWork(t *testing.T, st Store) {
	write(t, st, oneOfEach(1, old)) // never judged
	write(t, st, oneOfEach(2, epoch))
	_, place, err := st.Tail(t.Context(), 0, store.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	expire(t, st, store.Retention{Requests: epoch, Spans: epoch})
	diff(t, "work", []int{2}, judgeAll(t, st, keepPending))
	putLinks(t, st, watermark(t, st), judged(1, model.Linked)) // of a request that has gone
	if got := ids(listAll(t, st, 10)); len(got) != 1 {
		t.Errorf("requests %v, want 2 alone", got)
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(3)}, Spans: []model.Span{span(2, 20)}})
	if got, _ := tail(t, st, place, store.Filter{}, 5); len(got) != 1 || got[0] != 3 {
		t.Errorf("the tail goes on with %v, want 3", got)
	}
	diff(t, "work after a write", []int{2, 3}, judgeAll(t, st, keepPending))
}

func testExpireReopen(t *testing.T, st Store) {
	for n := 1; n <= 3; n++ {
		write(t, st, oneOfEach(n, old))
	}
	write(t, st, oneOfEach(4, epoch))
	expire(t, st, store.Retention{Requests: epoch, Navigations: epoch, Errors: epoch, Spans: epoch})
	st = st.Reopen(t)
	want := store.Usage{Requests: 1, Navigations: 1, WebVitals: 1, Errors: 1, Actions: 1, PageEvents: 1, Spans: 1}
	diff(t, "usage after a restart", want, usage(t, st))
	write(t, st, oneOfEach(4, epoch))
	diff(t, "usage after the rest was written again", want, usage(t, st))
}

func testExpireAll(t *testing.T, st Store) {
	for n := 1; n <= 5; n++ {
		write(t, st, oneOfEach(n, old))
	}
	judgeAll(t, st, keepPending)
	_, end, err := st.Tail(t.Context(), 0, store.Filter{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	expire(t, st, store.Retention{Requests: epoch, Navigations: epoch, Errors: epoch, Spans: epoch})
	st = st.Reopen(t)
	write(t, st, oneOfEach(6, epoch))
	if got, _ := tail(t, st, end, store.Filter{}, 5); !slices.Equal(got, []int{6}) {
		t.Errorf("the tail goes on with %v, want 6", got)
	}
	if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{6}) {
		t.Errorf("the work is %v, want 6", got)
	}
	if got := len(trace(t, st, 6)); got != 1 {
		t.Errorf("%d spans, want 1", got)
	}
}

func testUsage(t *testing.T, st Store) {
	b := oneOfEach(1, epoch)
	b.Requests = append(b.Requests, request(2), request(1))
	b.Spans = append(b.Spans, span(5, 5), span(5, 6))
	b.Actions = nil
	b.PageEvents = append(b.PageEvents, model.PageEvent{ID: eventID(2)}, model.PageEvent{ID: eventID(1)})
	write(t, st, b)
	diff(t, "usage", store.Usage{Requests: 2, Navigations: 1, WebVitals: 1, Errors: 1, PageEvents: 2, Spans: 3}, usage(t, st))
}

func position(t *testing.T, st Store) store.Position {
	t.Helper()
	return must[store.Position](t)(st.Position(t.Context()))
}

func testPosition(t *testing.T, st Store) {
	if got := position(t, st); got != 0 {
		t.Errorf("the position of a new store is %d", got)
	}
	for n, at := range []store.Position{1, 2, 1 << 40, 1<<40 + 1, 1<<63 - 1} {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n + 1)}, Position: at})
		if got := position(t, st); got != at {
			t.Errorf("the position is %d, want %d", got, at)
		}
	}
	if got := listAll(t, st, 10); len(got) != 5 {
		t.Errorf("%d requests, want 5", len(got))
	}
}

func testPositionBefore(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Position: 10})
	for _, at := range []store.Position{10, 9, 1} {
		b := oneOfEach(2, epoch)
		b.Position = at
		write(t, st, b)
	}
	diff(t, "usage", store.Usage{Requests: 1}, usage(t, st))
	if got := position(t, st); got != 10 {
		t.Errorf("the position is %d, want 10", got)
	}
	write(t, st, store.Batch{Position: 12}) // empty, but further on
	if got := position(t, st); got != 12 {
		t.Errorf("the position is %d, want 12", got)
	}
	b := oneOfEach(2, epoch)
	b.Position = 11
	write(t, st, b)
	b.Position = 13
	write(t, st, b)
	write(t, st, b)
	diff(t, "usage after the next", store.Usage{Requests: 2, Navigations: 1, WebVitals: 1, Errors: 1, Actions: 1, PageEvents: 1, Spans: 1}, usage(t, st))
}

func testPositionReopen(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Position: 5})
	st = st.Reopen(t)
	if got := position(t, st); got != 5 {
		t.Errorf("the position after a restart is %d, want 5", got)
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(2)}, Position: 5})
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(3)}, Position: 6})
	diff(t, "requests", []int{3, 1}, ids(listAll(t, st, 10)))
}

func testPositionAtomic(t *testing.T, st Store) {
	const writes = 40
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := 1; n <= writes; n++ {
			b := store.Batch{Requests: []model.RequestEvent{request(n)}, Position: store.Position(n)}
			if err := st.Write(t.Context(), b); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	}()
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		before := position(t, st)
		count := store.Position(len(listAll(t, st, store.MaxLimit)))
		after := position(t, st)
		if count < before || count > after {
			t.Fatalf("%d requests between the positions %d and %d", count, before, after)
		}
	}
	// A write that is cancelled moves the position just where its values are stored.
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(cancel)
	err := st.Write(ctx, store.Batch{Requests: []model.RequestEvent{request(100)}, Position: 100})
	wg.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v, want context.Canceled", err)
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(200)}}) // settles what came before it
	_, missing := st.Request(t.Context(), eventID(100))
	if got := position(t, st); (got == 100) != (missing == nil) {
		t.Errorf("the position is %d, and the request's error %v", got, missing)
	}
}

func testNoPosition(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}, Position: 5})
	var wg sync.WaitGroup
	for n := 2; n <= 9; n++ {
		wg.Go(func() {
			b := store.Batch{Requests: []model.RequestEvent{request(n)}}
			if n == 5 {
				b.Position = 6
			}
			if err := st.Write(t.Context(), b); err != nil {
				t.Errorf("write: %v", err)
			}
		})
	}
	wg.Wait()
	if got := listAll(t, st, 20); len(got) != 9 {
		t.Errorf("%d requests, want 9", len(got))
	}
	if got := position(t, st); got != 6 {
		t.Errorf("the position is %d, want 6", got)
	}
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var writerTests = []testCase{
	{"an empty batch is no error", testEmptyBatch},
	{"a written batch is visible at once", testVisibleAfterReturn},
	{"a batch written twice is stored once", testSameBatchTwice},
	{"ids that repeat within a batch are stored once", testRepeatsWithinBatch},
	{"ids that overlap in part are stored once", testOverlappingBatches},
	{"the same batch from many goroutines is stored once", testConcurrentRepeats},
	{"a batch becomes visible whole", testAtomicVisibility},
	{"the writer keeps no reference to the batch", testWriterKeepsNothing},
	{"a cancelled write stores all or nothing", testCancelledWrite},
	{"everything outlives a restart", testReopen},
}

func testEmptyBatch(t *testing.T, st Store) {
	write(t, st, store.Batch{})
	if got := listAll(t, st, 10); len(got) != 0 {
		t.Errorf("an empty store lists %d requests", len(got))
	}
}

func testVisibleAfterReturn(t *testing.T, st Store) {
	for n := 1; n <= 8; n++ {
		write(t, st, store.Batch{
			Requests:    []model.RequestEvent{request(n)},
			Navigations: []model.NavigationEvent{{ID: eventID(n), Start: epoch}},
			WebVitals:   []model.WebVital{{ID: eventID(n), Time: epoch, Name: "LCP"}},
			Spans:       []model.Span{span(n, n)},
		})
		if _, err := st.Request(t.Context(), eventID(n)); err != nil {
			t.Fatalf("request %d after its write: %v", n, err)
		}
		if got := len(listAll(t, st, 5)); got != n {
			t.Fatalf("%d requests listed after %d writes", got, n)
		}
		if got := len(trace(t, st, n)); got != 1 {
			t.Fatalf("%d spans in the trace after its write, want 1", got)
		}
	}
}

func testSameBatchTwice(t *testing.T, st Store) {
	b := store.Batch{
		Requests:    []model.RequestEvent{request(1), request(2)},
		Navigations: []model.NavigationEvent{{ID: eventID(1), Start: epoch}},
		WebVitals:   []model.WebVital{{ID: eventID(1), Time: epoch, Name: "LCP"}},
		Spans:       []model.Span{span(1, 1), span(1, 2)},
	}
	write(t, st, b)
	want := listAll(t, st, 10)

	// The same ids with other contents change nothing.
	b.Requests[0].URL = "https://other.example/"
	b.Spans[0].Name = "other"
	write(t, st, b)
	write(t, st, b)

	diff(t, "requests after writing again", want, listAll(t, st, 10))
	spans := trace(t, st, 1)
	if len(spans) != 2 || spans[0].Name != "work" {
		t.Errorf("spans after writing again: %d, the first named %q; want 2, work", len(spans), spans[0].Name)
	}
}

func testRepeatsWithinBatch(t *testing.T, st Store) {
	changed := request(1)
	changed.Method = "PUT"
	// A span id alone is no identity: it may occur in two traces.
	write(t, st, store.Batch{
		Requests: []model.RequestEvent{request(1), request(2), changed},
		Spans:    []model.Span{span(1, 1), span(2, 1), span(1, 1)},
	})
	got := listAll(t, st, 10)
	if len(got) != 2 || got[1].Method != "GET" {
		t.Errorf("%d requests, want 2 and the first of equal ids", len(got))
	}
	if a, b := len(trace(t, st, 1)), len(trace(t, st, 2)); a != 1 || b != 1 {
		t.Errorf("%d and %d spans, want one in each trace", a, b)
	}
}

func testOverlappingBatches(t *testing.T, st Store) {
	for first := 1; first <= 10; first += 3 {
		var b store.Batch
		for n := first; n < first+5; n++ {
			b.Requests = append(b.Requests, request(n))
			b.Spans = append(b.Spans, span(1, n))
		}
		write(t, st, b)
	}
	if requests, spans := len(listAll(t, st, 10)), len(trace(t, st, 1)); requests != 14 || spans != 14 {
		t.Errorf("%d requests and %d spans, want 14 of each", requests, spans)
	}
}

func testConcurrentRepeats(t *testing.T, st Store) {
	const writers, batches = 8, 6
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range batches {
				var b store.Batch
				for n := i * 3; n < i*3+6; n++ {
					b.Requests = append(b.Requests, request(n+1))
					b.Spans = append(b.Spans, span(1, n+1))
				}
				if err := st.Write(t.Context(), b); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	wg.Wait()
	const distinct = (batches-1)*3 + 6
	if requests, spans := len(listAll(t, st, 10)), len(trace(t, st, 1)); requests != distinct || spans != distinct {
		t.Errorf("%d requests and %d spans, want %d of each", requests, spans, distinct)
	}
}

func testAtomicVisibility(t *testing.T, st Store) {
	const writers, batches = 4, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range batches {
				n := w*batches + i + 1
				b := store.Batch{
					Requests: []model.RequestEvent{request(n)},
					Spans:    []model.Span{span(n, n), span(n, n+1000)},
				}
				if err := st.Write(t.Context(), b); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()

	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		found, err := st.Requests(t.Context(), store.Filter{}, store.Page{Limit: store.MaxLimit})
		if err != nil {
			t.Fatalf("requests while writing: %v", err)
		}
		for _, r := range found[:min(len(found), 3)] {
			spans, err := st.Trace(t.Context(), r.Sent.TraceID, 10)
			if err != nil {
				t.Fatalf("trace while writing: %v", err)
			}
			if len(spans) != 2 {
				t.Fatalf("a request is visible, and %d of the 2 spans of its batch", len(spans))
			}
		}
		if done && len(found) != writers*batches {
			t.Errorf("%d requests in the end, want %d", len(found), writers*batches)
		}
	}
}

func testWriterKeepsNothing(t *testing.T, st Store) {
	e, s := request(1), span(1, 1)
	yes, response := true, int32(1)
	e.Answer.Sampled, e.Answer.ResponseID = &yes, &response
	s.Events = []model.SpanEvent{{Name: "event", Time: epoch}}
	b := store.Batch{Requests: []model.RequestEvent{e}, Spans: []model.Span{s}}
	write(t, st, b)
	yes, response = false, 2
	s.Events[0].Name = "changed"
	b.Requests[0].URL = "changed"

	for range 2 { // the second time after changing what the first returned
		got, err := st.Request(t.Context(), eventID(1))
		if err != nil {
			t.Fatal(err)
		}
		if !*got.Answer.Sampled || *got.Answer.ResponseID != 1 || got.URL != request(1).URL {
			t.Error("a request changed after the write")
		}
		*got.Answer.Sampled, *got.Answer.ResponseID = false, 3
		spans := trace(t, st, 1)
		if spans[0].Events[0].Name != "event" {
			t.Error("the event of a span changed after the write")
		}
		spans[0].Events[0].Name = "changed"
	}
}

func testCancelledWrite(t *testing.T, st Store) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			n := w + 1
			b := store.Batch{Requests: []model.RequestEvent{request(n)}, Spans: []model.Span{span(n, n)}}
			if w == 4 {
				cancel()
			}
			if err := st.Write(ctx, b); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("write: %v, want context.Canceled", err)
			}
		})
	}
	wg.Wait()
	if err := st.Write(ctx, store.Batch{Requests: []model.RequestEvent{request(99)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("write with a cancelled context: %v, want context.Canceled", err)
	}
	// A write that follows is not harmed, and settles those before it.
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(100)}})
	for n := 1; n <= 8; n++ {
		_, err := st.Request(t.Context(), eventID(n))
		if stored := err == nil; stored != (len(trace(t, st, n)) == 1) {
			t.Errorf("batch %d is stored in part", n)
		}
	}
}

func testReopen(t *testing.T, st Store) {
	for n := 1; n <= 12; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}, Spans: []model.Span{entrySpan(n, n, n)}})
	}
	judgeAll(t, st, func(e model.Evidence) model.Verdict {
		return model.Verdict{
			Status: model.Linked, Reason: model.Exact, Detail: "detail", Final: true,
			Joined: e.Trace[0].SpanContext,
		}
	})
	requests, spans := listAll(t, st, 10), trace(t, st, 7)
	mark := watermark(t, st)

	st = st.Reopen(t)
	diff(t, "requests after a restart", requests, listAll(t, st, 10))
	diff(t, "spans after a restart", spans, trace(t, st, 7))
	if got := watermark(t, st); got != mark {
		t.Errorf("watermark after a restart: %d, want %d", got, mark)
	}

	// Ids are still known, new writes are still new work.
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(12), request(13)}, Spans: []model.Span{entrySpan(12, 12, 12)}})
	if got := listAll(t, st, 10); len(got) != 13 {
		t.Errorf("%d requests after a restart and one more, want 13", len(got))
	}
	if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{13}) {
		t.Errorf("work after a restart: requests %v, want 13 alone", got)
	}
}

func write(t *testing.T, st Store, b store.Batch) {
	t.Helper()
	if err := st.Write(t.Context(), b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// listAll walks the listing in pages and returns all of it.
func listAll(t *testing.T, st Store, pageSize int) []model.LinkedRequest {
	t.Helper()
	all, err := walk(t.Context(), st, store.Filter{}, store.Page{Limit: pageSize})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// walk follows the pages of a filter to the end.
func walk(ctx context.Context, st Store, f store.Filter, p store.Page) ([]model.LinkedRequest, error) {
	var all []model.LinkedRequest
	for {
		page, err := st.Requests(ctx, f, p)
		if err != nil {
			return nil, fmt.Errorf("requests %+v %+v: %w", f, p, err)
		}
		if len(page) > p.Limit {
			return nil, fmt.Errorf("a page of %d requests exceeds the limit %d", len(page), p.Limit)
		}
		all = append(all, page...)
		if len(page) < p.Limit {
			return all, nil
		}
		last := page[len(page)-1]
		p.Before = &store.Place{Start: last.Start, ID: last.ID}
	}
}

func trace(t *testing.T, st Store, n int) []model.Span {
	t.Helper()
	spans, err := st.Trace(t.Context(), traceID(n), 1000)
	if err != nil {
		t.Fatalf("trace: %v", err)
	}
	return spans
}

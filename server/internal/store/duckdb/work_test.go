package duckdb

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// walkWork does all work in portions and returns how often each request was
// offered, and the size of the largest portion.
func walkWork(t *testing.T, s *Store, limit int) (offered map[model.EventID]int, largest int) {
	t.Helper()
	offered = map[model.EventID]int{}
	for more := true; more; {
		mark, err := s.Watermark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Work(t.Context(), mark, newTraffic(0).now, limit, 10)
		if err != nil {
			t.Fatal(err)
		}
		if more = w.More; more && w.Next <= mark {
			t.Fatalf("the walk makes no progress at %d", mark)
		}
		var links []model.Link
		for _, e := range w.Evidence {
			offered[e.Request.ID]++
			links = append(links, model.Link{RequestID: e.Request.ID, Verdict: model.Verdict{Status: model.Pending}})
		}
		largest = max(largest, len(w.Evidence))
		if err := s.PutLinks(t.Context(), links, w.Next); err != nil {
			t.Fatal(err)
		}
	}
	return offered, largest
}

// TestWorkLimitIsExact proves the bound where one batch holds many requests and
// one span concerns them all, for windows smaller and larger than the batch.
func TestWorkLimitIsExact(t *testing.T) {
	t.Parallel()
	const total = 200
	for _, window := range []uint64{7, 150, workWindow} {
		t.Run(fmt.Sprintf("window=%d", window), func(t *testing.T) {
			t.Parallel()
			s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
			s.window = window
			shared := tracecontext.TraceID{1}
			var b store.Batch
			g := newTraffic(1)
			for range total {
				r := g.request()
				r.Sent.TraceID = shared
				b.Requests = append(b.Requests, r)
			}
			for round, batch := range []store.Batch{b, {Spans: []model.Span{{TraceID: shared, SpanID: [8]byte{1}}}}} {
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				offered, largest := walkWork(t, s, 33)
				for id, n := range offered {
					if n != 1 {
						t.Errorf("round %d: request %v is offered %d times", round, id, n)
					}
				}
				if len(offered) != total || largest > 33 {
					t.Errorf("round %d: %d requests in portions of up to %d, want %d and 33", round, len(offered), largest, total)
				}
			}
		})
	}
}

// TestSharedBucket judges requests of one bucket, whose places in the order of
// work are equal.
func TestSharedBucket(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	shared := tracecontext.TraceID{1}
	for range 5 {
		var b store.Batch
		for range 2 {
			r := g.request()
			r.Sent.TraceID = shared
			b.Requests = append(b.Requests, r)
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s.writer.seq += 1<<bucketBits - 2 // between two writes: nobody else uses it
	}
	s.window = 1 << 40
	walkWork(t, s, 100)
	if err := s.Write(t.Context(), store.Batch{Spans: []model.Span{{TraceID: shared, SpanID: [8]byte{1}}}}); err != nil {
		t.Fatal(err)
	}
	offered, largest := walkWork(t, s, 2)
	if len(offered) != 10 || largest != 5 {
		t.Errorf("%d requests in portions of up to %d, want 10, and the 5 of a bucket together", len(offered), largest)
	}
}

// TestFirstDue: a request that nobody has judged is due by itself, from memory and from the tables alike.
func TestFirstDue(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.duckdb")
	for round := range 2 { // the second after a restart, without anything in memory
		s, err := Open(t.Context(), path, Options{Threads: 1, FirstDue: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		r := newTraffic(1).request()
		if round == 0 {
			if err := s.Write(t.Context(), store.Batch{Requests: []model.RequestEvent{r}}); err != nil {
				t.Fatal(err)
			}
		}
		due := r.Received.Add(time.Minute)
		mark := store.Watermark(1 << 30) // all of it was judged, and nothing stored
		for now, want := range map[time.Time]int{due.Add(-time.Nanosecond): 0, due: 1} {
			w, err := s.Work(t.Context(), mark, now, 10, 10)
			if err != nil || len(w.Evidence) != want {
				t.Fatalf("round %d: %d requests at %v, %v; want %d", round, len(w.Evidence), now, err, want)
			}
			if want == 1 && (!w.Evidence[0].Due.Equal(due) || !w.Evidence[0].JudgedAt.IsZero()) {
				t.Errorf("round %d: due at %v, judged at %v; want %v and never", round, w.Evidence[0].Due, w.Evidence[0].JudgedAt, due)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

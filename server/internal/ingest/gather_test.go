package ingest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// A store for which a write is dear gets fewer and larger batches.
func TestLoaderGivesASlowStoreTime(t *testing.T) {
	for took, want := range map[time.Duration][2]int{0: {90, 105}, 20 * time.Millisecond: {55, 66}, 60 * time.Millisecond: {18, 22}} {
		synctest.Test(t, func(t *testing.T) {
			l := startLoading(t, func(c *LoaderConfig) {
				c.Writer.(*engine).accept = func(store.Batch) error {
					<-time.After(took)
					return nil
				}
			})
			for range 5 * 100 {
				l.put(t, "a")
				<-time.After(10 * time.Millisecond)
			}
			if err := l.Await(t.Context(), store.Position(10*len(l.line.records))); err != nil {
				t.Fatal(err)
			}
			if n := len(l.engine.batches); n < want[0] || n > want[1] || len(l.engine.spans()) != 500 {
				t.Errorf("%d batches in 5 s of writes that take %v, want %d to %d", n, took, want[0], want[1])
			}
		})
	}
}

// slowWriter is a store whose writes wait to be let through, or for their context's end.
type slowWriter struct {
	*engine
	entered, through chan struct{}
}

func (w slowWriter) Write(ctx context.Context, b store.Batch) error {
	w.entered <- struct{}{}
	select {
	case <-w.through:
		return w.engine.Write(ctx, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestLoaderReadsOneBatchAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slowWriter{&engine{}, make(chan struct{}), make(chan struct{})}
		l := startLoading(t, func(c *LoaderConfig) { c.Writer = w })
		begin := time.Now()
		l.put(t, "first")
		<-w.entered
		<-time.After(time.Second)
		const rows = 200
		for range 3 * maxBatchRows / rows {
			l.put(t, make([]string, rows)...)
		}
		if _, err := l.line.Append(t.Context(), 99, []byte("broken")); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if ahead := (l.line.reads - 1) * rows; ahead < maxBatchRows || ahead >= maxBatchRows+rows {
			t.Errorf("%d rows were read while the store was busy, want one batch", ahead)
		}
		if s := l.State(); s.Stored != 0 || !s.Oldest.Equal(begin) {
			t.Errorf("state %+v while the first record is written", s)
		}
		w.through <- struct{}{}
		<-w.entered
		if s := l.State(); s.Stored != 10 || !s.Oldest.Equal(begin.Add(time.Second)) {
			t.Errorf("state %+v while the second batch is written", s)
		}
		go func() {
			for w.through <- struct{}{}; ; w.through <- struct{}{} {
				select {
				case <-w.entered:
				case <-t.Context().Done():
					return
				}
			}
		}()
		last := store.Position(10 * len(l.line.records))
		if err := l.Await(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		if n := len(w.spans()); n != 3*maxBatchRows/rows*rows+1 || len(w.batches) != 4 || l.line.reads != len(l.line.records) {
			t.Errorf("%d spans in %d batches of %d records read", n, len(w.batches), l.line.reads)
		}
		if len(l.kept.records) != 1 || l.kept.records[0].Position != last || string(l.kept.records[0].Payload) != "broken" {
			t.Errorf("set aside %+v", l.kept.records)
		}
	})
}

// What was read ahead and not written is written after the next start, and nothing of what was written is written again.
func TestLoaderEndsWhileItReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slowWriter{&engine{}, make(chan struct{}), make(chan struct{})}
		l := startLoading(t, func(c *LoaderConfig) { c.Writer = w })
		for _, name := range []string{"a", "b", "c"} {
			l.put(t, name)
			if name == "a" {
				<-w.entered
				w.through <- struct{}{}
			}
		}
		<-w.entered // b, and c perhaps with it
		l.put(t, "d")
		<-time.After(time.Second)
		l.stop()
		if l.engine = w.engine; l.engine.position != 10 || l.line.trimmed != 10 {
			t.Errorf("stored up to %d, trimmed up to %d; want 10", l.engine.position, l.line.trimmed)
		}
		again := startLoading(t, func(c *LoaderConfig) { c.Open, c.Trim, c.Writer = l.line.reader, l.line.trim, l.engine })
		if err := again.Await(t.Context(), 40); err != nil {
			t.Fatal(err)
		}
		if got := l.engine.spans(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("stored %v", got)
		}
	})
}

// A journal that turns out to be damaged while the store is down must end the Loader, not wait for the store.
func TestLoaderReportsDamageWhileItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slowWriter{&engine{}, make(chan struct{}), make(chan struct{})}
		damaged, found := errors.New("damaged"), new(atomic.Bool)
		journal := newLine()
		l, err := NewLoader(LoaderConfig{
			Open: func(after store.Position) (RecordReader, error) {
				r, err := journal.reader(after)
				return &failingReader{r, found, damaged}, err
			},
			Trim: journal.trim, Writer: w, Rejects: &kept{}, Registerer: prometheus.NewRegistry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- l.Run(t.Context()) }()
		(&loading{line: journal}).put(t, "a")
		<-w.entered
		found.Store(true)
		if err := <-ended; !errors.Is(err, damaged) {
			t.Errorf("%v, want %v", err, damaged)
		}
		if w.position != 0 || journal.open != 0 {
			t.Errorf("stored up to %d, %d readers are left open", w.position, journal.open)
		}
	})
}

// failingReader finds damage behind the last record.
type failingReader struct {
	RecordReader
	found *atomic.Bool
	err   error
}

func (r *failingReader) TryNext() (Record, bool, error) {
	record, there, err := r.RecordReader.TryNext()
	if err == nil && !there && r.found.Load() {
		err = r.err
	}
	return record, there, err
}

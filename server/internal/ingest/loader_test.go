package ingest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// line is a journal in memory, whose positions grow by ten.
type line struct {
	mu      sync.Mutex
	records []Record
	trimmed store.Position
	trims   int
	open    int
	reads   int // records that readers were given
	more    chan struct{}
}

func newLine() *line { return &line{more: make(chan struct{})} }

func (l *line) Append(_ context.Context, kind byte, payload ...[]byte) (store.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := store.Position(len(l.records)+1) * 10
	l.records = append(l.records, Record{p, kind, bytes.Join(payload, nil)})
	close(l.more)
	l.more = make(chan struct{})
	return p, nil
}

func (l *line) trim(p store.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = p
	l.trims++
	return nil
}

func (l *line) reader(after store.Position) (RecordReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after < l.trimmed {
		return nil, errors.New("trimmed")
	}
	l.open++
	return &lineReader{line: l, next: int(after) / 10}, nil
}

type lineReader struct {
	*line
	next   int
	buffer []byte // what was handed out, which the next call overwrites
}

func (r *lineReader) TryNext() (Record, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.buffer {
		r.buffer[i] = 0xee
	}
	if r.next == len(r.records) {
		return Record{}, false, nil
	}
	record := r.records[r.next]
	r.next++
	r.reads++
	r.buffer = bytes.Clone(record.Payload)
	record.Payload = r.buffer
	return record, true, nil
}

func (r *lineReader) Next(ctx context.Context) (Record, error) {
	for {
		r.mu.Lock()
		more := r.more
		r.mu.Unlock()
		if record, ok, err := r.TryNext(); ok || err != nil {
			return record, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

func (r *lineReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	return nil
}

// invalid is an error of a store that names the batch as the cause.
type invalid struct{}

func (invalid) Error() string { return "no such value" }
func (invalid) Invalid() bool { return true }

// engine is a store in memory that takes what accept lets in.
type engine struct {
	mu       sync.Mutex
	position store.Position
	batches  []store.Batch
	accept   func(store.Batch) error // nil: everything
	attempts int
}

func (e *engine) Position(context.Context) (store.Position, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.position, nil
}

func (e *engine) Write(_ context.Context, b store.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attempts++
	if e.accept != nil {
		if err := e.accept(b); err != nil {
			return err
		}
	}
	if b.Position <= e.position {
		return nil
	}
	e.position = b.Position
	b.Requests, b.Spans = slices.Clone(b.Requests), slices.Clone(b.Spans) // the writer keeps no reference
	e.batches = append(e.batches, b)
	return nil
}

func (e *engine) spans() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range e.batches {
		for _, s := range b.Spans {
			names = append(names, s.Name)
		}
	}
	return names
}

// kept is where rejected records go.
type kept struct{ records []Record }

func (k *kept) Keep(r Record, _ error) error {
	r.Payload = bytes.Clone(r.Payload)
	k.records = append(k.records, r)
	return nil
}

// loading is a Loader at work within a synctest bubble.
type loading struct {
	*Loader
	line   *line
	engine *engine
	kept   *kept
	told   []error
	stop   func()
}

func startLoading(t *testing.T, change func(*LoaderConfig)) *loading {
	t.Helper()
	l := &loading{line: newLine(), engine: &engine{}, kept: &kept{}}
	c := LoaderConfig{
		Open: l.line.reader, Trim: l.line.trim, Writer: l.engine, Rejects: l.kept,
		Registerer: prometheus.NewPedanticRegistry(), OnError: func(err error) { l.told = append(l.told, err) },
	}
	if change != nil {
		change(&c)
	}
	var err error
	if l.Loader, err = NewLoader(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if l.line.open != 0 {
			t.Errorf("%d readers are left open", l.line.open)
		}
	})
	t.Cleanup(l.stop)
	return l
}

// put appends an export of spans with these names.
func (l *loading) put(t *testing.T, names ...string) {
	t.Helper()
	export := oneSpan(nil)
	all := export.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	for i, name := range names {
		s := all.At(0)
		if i > 0 {
			s = all.AppendEmpty()
			all.At(0).CopyTo(s)
		}
		s.SetName(name)
		s.SetSpanID(pcommon.SpanID{8, byte(i)})
	}
	r := newReceiver(t, l.line)
	r.Now = time.Now
	all.RemoveIf(func(s ptrace.Span) bool {
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		s.SetEndTimestamp(s.StartTimestamp())
		return false
	})
	answerOf(t, send(r, protobufType, "", protoOf(t, export)))
}

func TestLoaderStoresAndTrims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoading(t, nil)
		l.put(t, "a", "b")
		synctest.Wait()
		if got := l.engine.spans(); !slices.Equal(got, []string{"a", "b"}) {
			t.Fatalf("stored %v at once, want a and b", got)
		}
		l.put(t, "c")
		l.put(t, "d")
		synctest.Wait()
		if got := l.engine.spans(); len(got) != 2 {
			t.Errorf("stored %v, although the last write was just now", got)
		}
		if s := l.State(); s.Oldest.IsZero() || s.Stored != 10 {
			t.Errorf("state %+v", s)
		}
		if err := l.Await(t.Context(), 30); err != nil {
			t.Fatal(err)
		}
		if got := len(l.engine.batches); got != 2 || l.engine.position != 30 || time.Since(l.State().Oldest) < time.Hour {
			t.Errorf("%d batches up to %d, want two up to 30", got, l.engine.position)
		}
		<-time.After(2 * trimGap)
		synctest.Wait()
		if l.line.trimmed != 30 || l.line.trims != 2 {
			t.Errorf("trimmed up to %d by %d trims, want 30 by two", l.line.trimmed, l.line.trims)
		}
	})
}

func TestLoaderBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoading(t, nil)
		l.put(t, "a")
		l.put(t, "b")
		if err := l.Await(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		l.stop()
		l.engine.position, l.line.trimmed = 10, 10 // as if the second had not been committed
		again := startLoading(t, func(c *LoaderConfig) { c.Open, c.Trim, c.Writer = l.line.reader, l.line.trim, l.engine })
		if err := again.Await(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		if got := l.engine.spans(); !slices.Equal(got, []string{"a", "b", "b"}) {
			t.Errorf("stored %v, want b alone again", got)
		}
	})
}

func TestLoaderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, down := time.Now(), true
		l := startLoading(t, nil)
		l.engine.accept = func(store.Batch) error {
			if down {
				return errors.New("the disk is full")
			}
			return nil
		}
		l.put(t, "a")
		<-time.After(time.Minute)
		synctest.Wait()
		if s := l.State(); s.Err == nil || s.Stored != 0 || !s.Oldest.Equal(begin) {
			t.Errorf("state %+v while the store is down", s)
		}
		if l.engine.attempts < 12 || l.engine.attempts > 20 || len(l.told) != l.engine.attempts {
			t.Errorf("%d attempts in a minute, told of %d", l.engine.attempts, len(l.told))
		}
		l.engine.mu.Lock()
		down = false
		l.engine.mu.Unlock()
		l.put(t, "b")
		if err := l.Await(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		if got := l.engine.spans(); !slices.Equal(got, []string{"a", "b"}) || l.State().Err != nil {
			t.Errorf("stored %v, %v", got, l.State().Err)
		}
	})
}

func TestLoaderSetsAsideWhatIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoading(t, nil)
		l.engine.accept = func(b store.Batch) error {
			if slices.ContainsFunc(b.Spans, func(s model.Span) bool { return s.Name == "poison" }) {
				return invalid{}
			}
			return nil
		}
		l.put(t, "first")
		synctest.Wait()
		l.put(t, "a")
		for _, broken := range [][]byte{nil, {2}, {recordVersion, 0, 0, 0, 0, 0, 0, 0, 0, 9}, {recordVersion, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff}} {
			if _, err := l.line.Append(t.Context(), RecordTraces, broken); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.line.Append(t.Context(), 99, []byte{recordVersion, 0, 0, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
		l.put(t, "poison")
		l.put(t, "b")
		if err := l.Await(t.Context(), 90); err != nil {
			t.Fatal(err)
		}
		if got := l.engine.spans(); !slices.Equal(got, []string{"first", "a", "b"}) {
			t.Errorf("stored %v, want all but the poison", got)
		}
		var positions []store.Position
		for _, r := range l.kept.records {
			positions = append(positions, r.Position)
			if !bytes.Equal(r.Payload, l.line.records[r.Position/10-1].Payload) {
				t.Errorf("the record at %d was kept changed", r.Position)
			}
		}
		if !slices.Equal(positions, []store.Position{30, 40, 50, 60, 70, 80}) || len(l.told) != 6 {
			t.Errorf("set aside %v, told %v", positions, l.told)
		}
		if got := testutil.ToFloat64(l.metrics.rejected); got != 6 {
			t.Errorf("%v rejected records counted", got)
		}
	})
}

func TestLoaderBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Bool
		closed.Store(true)
		l := startLoading(t, func(c *LoaderConfig) { c.Gate = closed.Load })
		names := make([]string, 200)
		for range 2 * maxBatchRows / len(names) {
			l.put(t, names...)
		}
		synctest.Wait()
		if !l.State().Gated || len(l.engine.batches) != 0 {
			t.Errorf("state %+v, %d batches, while the gate is closed", l.State(), len(l.engine.batches))
		}
		closed.Store(false)
		<-time.After(2 * gatePoll)
		if err := l.Await(t.Context(), store.Position(10*len(l.line.records))); err != nil {
			t.Fatal(err)
		}
		for i, b := range l.engine.batches {
			if b.Len() >= maxBatchRows+len(names) {
				t.Errorf("batch %d has %d rows", i, b.Len())
			}
		}
		if n := len(l.engine.batches); n < 2 || n > 4 || l.State().Gated {
			t.Errorf("%d batches", n)
		}
	})
}

func TestLoaderEndsWhileItWaits(t *testing.T) {
	for name, change := range map[string]func(*LoaderConfig){
		"for a record": func(*LoaderConfig) {},
		"at the gate":  func(c *LoaderConfig) { c.Gate = func() bool { return true } },
		"for the store": func(c *LoaderConfig) {
			c.Writer = &engine{accept: func(store.Batch) error { return errors.New("down") }}
		},
		"for the folder": func(c *LoaderConfig) { c.Rejects = RejectFolder("/dev/null/x") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLoading(t, change)
				l.put(t, "a")
				if _, err := l.line.Append(t.Context(), 99, nil); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
				l.stop()
			})
		})
	}
}

func TestLoaderReportsAJournalThatCannotBeRead(t *testing.T) {
	broken := errors.New("damaged")
	l, err := NewLoader(LoaderConfig{
		Open: func(store.Position) (RecordReader, error) { return nil, broken }, Trim: newLine().trim, Writer: &engine{}, Rejects: &kept{},
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if _, err := NewLoader(LoaderConfig{}); err == nil {
		t.Error("no error without its parts")
	}
}

func TestRejectFolder(t *testing.T) {
	f := RejectFolder(filepath.Join(t.TempDir(), "rejected"))
	for range 2 { // a record may come twice
		if err := f.Keep(Record{Position: 42, Kind: RecordTraces, Payload: []byte("payload")}, errors.New("why")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(string(f))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	payload, err := os.ReadFile(filepath.Join(string(f), "00000000000000000042-2.record"))
	if err != nil || string(payload) != "payload" {
		t.Errorf("%s, %v", payload, err)
	}
}

// TestLoaderTrimsWhatWasStoredBefore: a start after an end between commit and trim, or after a trim that failed, frees the
// journal without a record coming, which a full journal would not take.
func TestLoaderTrimsWhatWasStoredBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoading(t, nil)
		l.put(t, "a")
		l.put(t, "b")
		if err := l.Await(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		l.stop()
		l.line.trimmed = 0 // as if the end had come before the trim
		failures := 2
		again := startLoading(t, func(c *LoaderConfig) {
			c.Open, c.Writer = l.line.reader, l.engine
			c.Trim = func(p store.Position) error {
				if failures > 0 {
					failures--
					return errors.New("the disk is busy")
				}
				return l.line.trim(p)
			}
		})
		<-time.After(5 * trimGap)
		synctest.Wait()
		if l.line.trimmed != 20 || len(again.told) != 2 {
			t.Errorf("trimmed up to %d after the errors %v, want 20 after two", l.line.trimmed, again.told)
		}
		again.stop()
	})
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The limits of one batch. It is written once one of them is reached; before that, as
// soon as no record waits and the last write was begun a gap ago: writeShare times as long as that
// took, from minGap to maxBatchTime. So data is there soon while little comes, and the fixed cost of
// a write, some milliseconds, is shared by many rows when much does. While the batch before is
// written, it grows to what rows and bytes allow.
const (
	maxBatchRows  = 16_384
	maxBatchBytes = 32 << 20 // of records and of what they repeat beside each span; a single one may be larger
	maxBatchTime  = 250 * time.Millisecond
	minGap        = 50 * time.Millisecond
	writeShare    = 4
)

// apartAfter is how often a batch is tried as a whole before its records are tried one by one.
const apartAfter = 4

const (
	trimGap   = time.Second // between two trims of the journal
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second // the most between two attempts to write
	gatePoll  = 100 * time.Millisecond
	readGap   = 10 * time.Millisecond // between two looks for records while a batch is written
)

// Record is a record of the journal.
type Record struct {
	Position store.Position
	Kind     byte
	Payload  []byte // good until the next call of the reader
}

// RecordReader reads the journal in order, and only what is on disk. It is for one
// goroutine.
type RecordReader interface {
	// Next waits for a record. The error is ctx's when ctx ends first.
	Next(ctx context.Context) (Record, error)
	// TryNext returns false where none is there yet.
	TryNext() (Record, bool, error)
	io.Closer
}

// Rejects keeps records that cannot be stored, for a person to look at.
type Rejects interface {
	// Keep returns once the record is safe. A record may come twice.
	Keep(r Record, reason error) error
}

// LoaderConfig is what a Loader is made of.
type LoaderConfig struct {
	Open       func(after store.Position) (RecordReader, error) // required; opens the journal
	Trim       func(upTo store.Position) error                  // required; lets records go that are stored
	Writer     store.Writer                                     // required
	Rejects    Rejects                                          // required
	Registerer prometheus.Registerer                            // required; takes the counters
	Tenant     tracecontext.Tenant                              // whose dtr entries are read; zero: the default
	Gate       func() bool                                      // while it returns true, nothing is written; nil: never. For tests from outside
	OnError    func(err error)                                  // told of each error that is tried again, and each record rejected, one at a time; nil: nobody
}

// Loader brings every record of the journal to the store, once: the store commits the
// position of a batch with the batch. While one batch is written, the next one is read.
type Loader struct {
	LoaderConfig
	metrics *loaderMetrics
	decoder decoder
	telling sync.Mutex // held while OnError is told

	mu        sync.Mutex
	state     LoaderState
	writing   bool          // a batch is being written, whose oldest record state tells of
	following time.Time     // Oldest of the batch that is read meanwhile
	moved     chan struct{} // closed when Stored grows; made anew each time
}

// LoaderState tells how far a Loader is.
type LoaderState struct {
	Stored store.Position // committed by the store
	// Oldest is when the oldest record came in that is read and not yet stored; zero
	// where there is none.
	Oldest time.Time
	Err    error // of the last attempt to write, where it failed
	Gated  bool
}

// NewLoader returns a Loader. It fails where a counter of the same name is registered already.
func NewLoader(c LoaderConfig) (*Loader, error) {
	if c.Open == nil || c.Trim == nil || c.Writer == nil || c.Rejects == nil || c.Registerer == nil {
		return nil, errors.New("ingest: Open, Trim, a Writer, Rejects and a Registerer are needed")
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	l := &Loader{LoaderConfig: c, decoder: newDecoder(c.Tenant), moved: make(chan struct{})}
	var err error
	l.metrics, err = newLoaderMetrics(c.Registerer, l)
	return l, err
}

// State may be called at any time.
func (l *Loader) State() LoaderState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Await waits until everything up to a position is stored.
func (l *Loader) Await(ctx context.Context, p store.Position) error {
	for {
		l.mu.Lock()
		stored, moved := l.state.Stored, l.moved
		l.mu.Unlock()
		if stored >= p {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell passes an error on.
func (l *Loader) tell(err error) {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.OnError(err)
}

// update changes the state.
func (l *Loader) update(change func(*LoaderState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state.Stored
	change(&l.state)
	if l.state.Stored != before {
		close(l.moved)
		l.moved = make(chan struct{})
	}
}

// Run loads until ctx ends, which is no error, or the journal cannot be read. It is called once.
func (l *Loader) Run(ctx context.Context) error {
	var start store.Position
	err := l.insist(ctx, func() (err error) {
		start, err = l.Writer.Position(ctx)
		return err
	})
	if err != nil {
		return nil // ctx has ended
	}
	l.update(func(s *LoaderState) { s.Stored = start })
	reader, err := l.Open(start)
	if err != nil {
		return fmt.Errorf("ingest: the journal cannot be read: %w", err)
	}
	defer reader.Close()
	r := run{Loader: l, reader: reader, next: new(load), other: new(load), written: make(chan error, 1), read: start, stored: start}
	if err := r.steps(ctx); ctx.Err() == nil {
		return fmt.Errorf("ingest: the journal cannot be read: %w", err)
	}
	r.lastTrim = time.Time{}
	r.trim()
	return nil
}

// write has a batch stored, whatever time it takes.
func (l *Loader) write(ctx context.Context, b *load) error {
	for _, p := range b.parts {
		if p.broken == nil {
			continue
		}
		if err := l.reject(ctx, p.broken.record, p.broken.reason); err != nil {
			return err
		}
	}
	if err := l.pass(ctx); err != nil {
		return err
	}
	apart, attempts := false, 0
	err := l.insist(ctx, func() error {
		err := l.Writer.Write(ctx, b.Batch)
		attempts++
		// A batch that is too large for the store's memory goes through in parts.
		if apart = isInvalid(err) || err != nil && attempts >= apartAfter && len(b.parts) > 1; apart {
			return nil
		}
		return err
	})
	if err == nil && apart {
		err = l.writeEach(ctx, b)
	}
	if err != nil {
		return err
	}
	l.metrics.rows.Add(float64(b.Len()))
	l.metrics.batches.Inc()
	l.metrics.records.Add(float64(len(b.parts)))
	l.update(func(s *LoaderState) {
		s.Stored, s.Oldest = b.Position, l.following
		l.writing, l.following = false, time.Time{}
	})
	return nil
}

// writeEach writes each record of a batch by itself, so that one which the store refuses
// does not keep the others back.
func (l *Loader) writeEach(ctx context.Context, b *load) error {
	var before batchEnds
	for _, p := range b.parts {
		one := p.end.since(&b.Batch, before)
		one.Position = p.position
		before = p.end
		var refused error
		err := l.insist(ctx, func() error {
			err := l.Writer.Write(ctx, one)
			if refused = err; isInvalid(err) {
				return nil
			}
			return err
		})
		if err == nil && refused != nil {
			err = l.rejectAgain(ctx, p, refused)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rejectAgain keeps a record aside that the store has refused, and passes over it.
func (l *Loader) rejectAgain(ctx context.Context, p part, reason error) error {
	again, err := l.Open(p.after)
	if err != nil {
		return err
	}
	defer again.Close()
	record, err := again.Next(ctx)
	if err != nil {
		return err
	}
	if record.Position != p.position {
		return fmt.Errorf("after %d comes %d, where %d was read before", p.after, record.Position, p.position)
	}
	if err := l.reject(ctx, record, reason); err != nil {
		return err
	}
	return l.insist(ctx, func() error { return l.Writer.Write(ctx, store.Batch{Position: p.position}) })
}

// reject keeps a record aside and counts it.
func (l *Loader) reject(ctx context.Context, record Record, reason error) error {
	reason = fmt.Errorf("ingest: the record at position %d cannot be stored: %w", record.Position, reason)
	l.tell(reason)
	l.metrics.rejected.Inc()
	return l.insist(ctx, func() error { return l.Rejects.Keep(record, reason) })
}

// isInvalid reports whether the store says that the batch itself is at fault.
func isInvalid(err error) bool {
	var of interface{ Invalid() bool }
	return errors.As(err, &of) && of.Invalid()
}

// insist does something until it succeeds. The error is ctx's.
func (l *Loader) insist(ctx context.Context, do func() error) error {
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := do()
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		l.update(func(s *LoaderState) { s.Err = err })
		if err == nil {
			return nil
		}
		l.metrics.failures.Inc()
		l.tell(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// pass waits while the gate is closed.
func (l *Loader) pass(ctx context.Context) error {
	if l.Gate == nil || !l.Gate() {
		return nil
	}
	l.update(func(s *LoaderState) { s.Gated = true })
	defer l.update(func(s *LoaderState) { s.Gated = false })
	ticker := time.NewTicker(gatePoll)
	defer ticker.Stop()
	for l.Gate() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

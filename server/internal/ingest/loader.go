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
	"github.com/throughline-rum/throughline/server/internal/urlpattern"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The limits of one batch. It is written once one of them is reached; before that, as
// soon as no record waits and the last write was begun minGap ago.
const (
	maxBatchRows  = 16_384
	maxBatchBytes = 32 << 20 // of records and of what they repeat beside each span; a single one may be larger
	maxBatchTime  = 250 * time.Millisecond
	minGap        = 50 * time.Millisecond
)

// apartAfter is how often a batch is tried as a whole before its records are tried one by one.
const apartAfter = 4

const (
	trimGap   = time.Second // between two trims of the journal
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second // the most between two attempts to write
	gatePoll  = 100 * time.Millisecond
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
	OnError    func(err error)                                  // told of each error that is tried again, and each record rejected; nil: nobody
}

// Loader brings every record of the journal to the store, once: the store commits the
// position of a batch with the batch.
type Loader struct {
	LoaderConfig
	metrics *loaderMetrics
	decoder decoder

	mu    sync.Mutex
	state LoaderState
	moved chan struct{} // closed when Stored grows; made anew each time
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
	r := run{Loader: l, reader: reader, stored: start}
	for {
		if err := r.step(ctx); err != nil {
			if ctx.Err() != nil {
				r.lastTrim = time.Time{}
				r.trim()
				return nil
			}
			return fmt.Errorf("ingest: the journal cannot be read: %w", err)
		}
	}
}

// run is what Run has at hand.
type run struct {
	*Loader
	reader          RecordReader
	batch           store.Batch
	parts           []part
	bytes           int
	stored, trimmed store.Position
	begun           time.Time // when the last write was
	lastTrim        time.Time
	patterns        urlpattern.Stats // as counted
}

// part is what one record has put into the batch: everything up to the ends that the
// part before does not have.
type part struct {
	after, position store.Position // of the record before and its own
	end             batchEnds
}

// step gathers one batch and writes it.
func (r *run) step(ctx context.Context) error {
	record, err := r.first(ctx)
	if err != nil {
		return err
	}
	opened := time.Now()
	for {
		if err := r.add(ctx, record); err != nil {
			return err
		}
		if r.batch.Len() >= maxBatchRows || r.bytes >= maxBatchBytes || time.Since(opened) >= maxBatchTime {
			break
		}
		var there bool
		if record, there, err = r.reader.TryNext(); err != nil {
			return err
		}
		if there {
			continue
		}
		if record, there, err = r.waitFor(ctx, time.Until(r.begun.Add(minGap))); err != nil {
			return err
		}
		if !there {
			break
		}
	}
	return r.write(ctx)
}

// first waits for the first record of a batch, and trims the journal meanwhile.
func (r *run) first(ctx context.Context) (Record, error) {
	for {
		r.trim()
		if r.trimmed == r.stored {
			return r.reader.Next(ctx)
		}
		if record, there, err := r.waitFor(ctx, time.Until(r.lastTrim.Add(trimGap))); there || err != nil {
			return record, err
		}
	}
}

// waitFor waits for a record for some time at most.
func (r *run) waitFor(ctx context.Context, patience time.Duration) (Record, bool, error) {
	if patience <= 0 {
		return Record{}, false, nil
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	record, err := r.reader.Next(waiting)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return Record{}, false, nil
	}
	return record, err == nil, err
}

// add decodes a record into the batch. One that cannot be decoded is kept aside.
func (r *run) add(ctx context.Context, record Record) error {
	after := r.stored
	if n := len(r.parts); n > 0 {
		after = r.parts[n-1].position
	}
	before := endsOf(&r.batch)
	received, err := r.decoder.decode(&r.batch, record)
	if err != nil {
		before.cut(&r.batch)
		if err := r.reject(ctx, record, err); err != nil {
			return err
		}
	}
	if len(r.parts) == 0 {
		r.update(func(s *LoaderState) { s.Oldest = received })
	}
	r.countLimits()
	r.bytes += len(record.Payload) + r.decoder.copied()
	r.parts = append(r.parts, part{after, record.Position, endsOf(&r.batch)})
	r.batch.Position = record.Position
	return nil
}

// countLimits counts what the last record lost to limits.
func (r *run) countLimits() {
	r.metrics.attributesDropped.Add(float64(r.decoder.dropped()))
	now := r.decoder.patterns.Stats()
	r.metrics.patternsOther.Add(float64(now.Others - r.patterns.Others))
	r.metrics.hostsForgotten.Add(float64(now.Forgotten - r.patterns.Forgotten))
	r.patterns = now
}

// reject keeps a record aside and counts it.
func (r *run) reject(ctx context.Context, record Record, reason error) error {
	reason = fmt.Errorf("ingest: the record at position %d cannot be stored: %w", record.Position, reason)
	r.OnError(reason)
	r.metrics.rejected.Inc()
	return r.insist(ctx, func() error { return r.Rejects.Keep(record, reason) })
}

// write has the batch stored, whatever time it takes, and makes room for the next one.
func (r *run) write(ctx context.Context) error {
	if err := r.pass(ctx); err != nil {
		return err
	}
	r.begun = time.Now()
	apart, attempts := false, 0
	err := r.insist(ctx, func() error {
		err := r.Writer.Write(ctx, r.batch)
		attempts++
		// A batch that is too large for the store's memory goes through in parts.
		if apart = isInvalid(err) || err != nil && attempts >= apartAfter && len(r.parts) > 1; apart {
			return nil
		}
		return err
	})
	if err == nil && apart {
		err = r.writeEach(ctx)
	}
	if err != nil {
		return err
	}
	r.metrics.rows.Add(float64(r.batch.Len()))
	r.metrics.batches.Inc()
	r.metrics.records.Add(float64(len(r.parts)))
	r.stored = r.batch.Position
	r.update(func(s *LoaderState) { s.Stored, s.Oldest = r.stored, time.Time{} })
	r.parts, r.bytes = r.parts[:0], 0
	r.batch = emptied(&r.batch)
	return nil
}

// writeEach writes each record of the batch by itself, so that one which the store refuses
// does not keep the others back.
func (r *run) writeEach(ctx context.Context) error {
	var before batchEnds
	for _, p := range r.parts {
		one := p.end.since(&r.batch, before)
		one.Position = p.position
		before = p.end
		var refused error
		err := r.insist(ctx, func() error {
			err := r.Writer.Write(ctx, one)
			if refused = err; isInvalid(err) {
				return nil
			}
			return err
		})
		if err == nil && refused != nil {
			err = r.rejectAgain(ctx, p, refused)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rejectAgain keeps a record aside that the store has refused, and passes over it.
func (r *run) rejectAgain(ctx context.Context, p part, reason error) error {
	again, err := r.Open(p.after)
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
	if err := r.reject(ctx, record, reason); err != nil {
		return err
	}
	return r.insist(ctx, func() error { return r.Writer.Write(ctx, store.Batch{Position: p.position}) })
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
		l.OnError(err)
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

// trim lets records go that are stored, not more often than every trimGap.
func (r *run) trim() {
	now := time.Now()
	if r.trimmed == r.stored || now.Sub(r.lastTrim) < trimGap {
		return
	}
	r.lastTrim = now
	if err := r.Trim(r.stored); err != nil {
		r.OnError(fmt.Errorf("ingest: the journal cannot be trimmed: %w", err))
		return
	}
	r.trimmed = r.stored
}

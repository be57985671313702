package ingest

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/urlpattern"
)

// load is a batch on its way, with the records that are in it.
type load struct {
	store.Batch
	parts  []part
	bytes  int // of records and of what they repeat beside each span
	oldest time.Time
}

// part is what one record has put into the batch: everything up to the ends that the
// part before does not have.
type part struct {
	after, position store.Position // of the record before and its own
	end             batchEnds
	broken          *brokenRecord // nil where it could be decoded
}

// brokenRecord is a record to be kept aside before its batch is written.
type brokenRecord struct {
	record Record
	reason error
}

func (b *load) full() bool { return b.Len() >= maxBatchRows || b.bytes >= maxBatchBytes }

// empty makes room for the next batch, in the same memory.
func (b *load) empty() {
	clear(b.parts)
	*b = load{Batch: emptied(&b.Batch), parts: b.parts[:0]}
}

// run is what Run has at hand: two batches, of which one is gathered while the other is written. Only
// Loader.write is another goroutine's.
type run struct {
	*Loader
	reader      RecordReader
	next, other *load      // being gathered; being written, else empty
	busy        bool       // other is being written, as far as is known here
	written     chan error // how that ended

	read, stored, trimmed store.Position
	begun                 time.Time     // when the last write was
	gap                   time.Duration // from then to the next one
	lastTrim              time.Time
	patterns              urlpattern.Stats // as counted
}

// steps takes one step after the other until one fails, and returns when nothing is being written any more.
func (r *run) steps(ctx context.Context) error {
	writing, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		err := r.gather(ctx)
		for err == nil && r.busy {
			err = r.settle(ctx, longWait)
		}
		if err == nil {
			r.begin(writing)
			continue
		}
		if cancel(); r.busy {
			_ = r.ended(<-r.written) // it was told to end
		}
		return err
	}
}

// begin begins to write the batch that was gathered.
func (r *run) begin(ctx context.Context) {
	r.next, r.other = r.other, r.next
	r.busy, r.begun = true, time.Now()
	r.update(func(*LoaderState) { r.writing = true })
	go func(b *load) { r.written <- r.write(ctx, b) }(r.other)
}

// ended takes note of how the write ended.
func (r *run) ended(err error) error {
	r.busy = false
	r.gap = min(max(minGap, writeShare*time.Since(r.begun)), maxBatchTime)
	if err == nil {
		r.stored = r.other.Position
		r.other.empty()
	}
	return err
}

// settle waits for the end of the write, for some time at most.
func (r *run) settle(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-r.written:
		return r.ended(err)
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather reads the next batch.
func (r *run) gather(ctx context.Context) error {
	record, err := r.first(ctx)
	if err != nil {
		return err
	}
	opened := time.Now()
	for there := true; there; {
		r.add(record)
		select {
		case err := <-r.written:
			if err := r.ended(err); err != nil {
				return err
			}
		default:
		}
		if r.next.full() || !r.busy && time.Since(opened) >= maxBatchTime {
			return nil
		}
		if record, there, err = r.more(ctx); err != nil {
			return err
		}
	}
	return nil
}

// first waits for the first record of a batch, and trims the journal meanwhile.
func (r *run) first(ctx context.Context) (Record, error) {
	for {
		r.trim()
		if r.busy {
			if record, there, err := r.reader.TryNext(); there || err != nil {
				return record, err
			}
			if err := r.settle(ctx, readGap); err != nil {
				return Record{}, err
			}
			continue
		}
		if r.trimmed == r.stored {
			return r.reader.Next(ctx)
		}
		if record, there, err := r.waitFor(ctx, time.Until(r.lastTrim.Add(trimGap))); there || err != nil {
			return record, err
		}
	}
}

// more waits for a further record; there is none where the batch is to be written as it is.
func (r *run) more(ctx context.Context) (record Record, there bool, err error) {
	for {
		if record, there, err = r.reader.TryNext(); there || err != nil {
			return record, there, err
		}
		if !r.busy {
			return r.waitFor(ctx, time.Until(r.begun.Add(r.gap)))
		}
		if err = r.settle(ctx, readGap); err != nil {
			return Record{}, false, err
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

// add decodes a record into the batch that is gathered.
func (r *run) add(record Record) {
	b := r.next
	before := endsOf(&b.Batch)
	received, err := r.decoder.decode(&b.Batch, record)
	var broken *brokenRecord
	if err != nil {
		before.cut(&b.Batch)
		record.Payload = bytes.Clone(record.Payload) // the reader's
		broken = &brokenRecord{record, err}
	}
	if b.oldest.IsZero() {
		b.oldest = received
		r.update(func(s *LoaderState) {
			if r.writing {
				r.following = received
			} else {
				s.Oldest = received
			}
		})
	}
	r.countLimits()
	b.bytes += len(record.Payload) + r.decoder.copied()
	b.parts = append(b.parts, part{r.read, record.Position, endsOf(&b.Batch), broken})
	b.Position, r.read = record.Position, record.Position
}

// countLimits counts what the last record lost to limits.
func (r *run) countLimits() {
	r.metrics.attributesDropped.Add(float64(r.decoder.dropped()))
	now := r.decoder.patterns.Stats()
	r.metrics.patternsOther.Add(float64(now.Others - r.patterns.Others))
	r.metrics.hostsForgotten.Add(float64(now.Forgotten - r.patterns.Forgotten))
	r.patterns = now
}

// trim lets records go that are stored, not more often than every trimGap.
func (r *run) trim() {
	now := time.Now()
	if r.trimmed == r.stored || now.Sub(r.lastTrim) < trimGap {
		return
	}
	r.lastTrim = now
	if err := r.Trim(r.stored); err != nil {
		r.tell(fmt.Errorf("ingest: the journal cannot be trimmed: %w", err))
		return
	}
	r.trimmed = r.stored
}

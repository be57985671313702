package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// Record is one record. Its payload is valid until the reader's next call.
type Record struct {
	Position Position
	Kind     byte
	Payload  []byte
}

// Reader reads records in order, and none that is not on disk. It is for one
// goroutine at a time, needs Close, and holds one file open.
type Reader struct {
	j     *Journal
	pos   Position // what was handed out ends here
	limit Position // up to here the open segment can be read
	seg   segment
	f     *os.File
	d     decoder
}

// Reader begins after a position, or at the first record there is when that is
// zero. Errors: ErrTrimmed, ErrAhead, ErrClosed.
func (j *Journal) Reader(after Position) (*Reader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.segments[0].first
	switch {
	case j.closing:
		return nil, ErrClosed
	case after == 0:
		after = first
	case after < first:
		return nil, fmt.Errorf("reading after %d, where %d is the first: %w", after, first, ErrTrimmed)
	case after > j.durable:
		return nil, fmt.Errorf("reading after %d, where %d is the last: %w", after, j.durable, ErrAhead)
	}
	return &Reader{j: j, pos: after, limit: after}, nil
}

// Next waits for a record. Errors: ctx's, ErrClosed, ErrTrimmed, a *DamageError.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		rec, ok, err := r.TryNext()
		if ok || err != nil {
			return rec, err
		}
		more, err := r.j.awaitMore(r.pos)
		if err != nil {
			return Record{}, err
		}
		if more == nil {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

// awaitMore gives what is closed when there are records after a position; nil
// when there are some already.
func (j *Journal) awaitMore(after Position) (<-chan struct{}, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closing:
		return nil, ErrClosed
	case after < j.durable:
		return nil, nil //nolint:nilnil // both are said above
	}
	if j.more == nil {
		j.more = make(chan struct{})
	}
	return j.more, nil
}

// TryNext gives the next record if there is one now.
func (r *Reader) TryNext() (Record, bool, error) {
	for {
		if r.pos == r.limit {
			if more, err := r.advance(); !more || err != nil {
				return Record{}, false, err
			}
		}
		off := r.seg.offset(r.pos)
		rec, err := r.d.read(off, r.seg.offset(r.limit))
		if err == nil {
			r.pos += Position(rec.next - off) //nolint:gosec // a record's length
			return Record{Position: r.pos, Kind: rec.kind, Payload: rec.payload}, true, nil
		}
		if err := r.skip(off, err); err != nil {
			return Record{}, false, err
		}
	}
}

// advance finds out how far can be read, and turns to the next segment after
// the last record of one.
func (r *Reader) advance() (more bool, err error) {
	r.j.mu.Lock()
	segments := r.j.segments
	closed, durable := r.j.closing, r.j.durable
	i := sort.Search(len(segments), func(i int) bool { return segments[i].first > r.pos }) - 1
	var s segment
	if i >= 0 {
		s = segments[i]
		if i+1 < len(segments) {
			durable = segments[i+1].first
		}
	}
	r.j.mu.Unlock()
	switch {
	case closed:
		return false, ErrClosed
	case i < 0:
		return false, ErrTrimmed
	case durable == r.pos:
		return false, nil
	}
	if r.f == nil || s.first != r.seg.first {
		if err := r.open(s); err != nil {
			return false, err
		}
	}
	r.limit = durable
	return true, nil
}

func (r *Reader) open(s segment) error {
	f, err := os.Open(filepath.Join(r.j.dir, s.name()))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w (%w)", ErrTrimmed, err)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := r.Close(); err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.seg = f, s
	r.d.reset(f, s.salt, s.first)
	return nil
}

// skip goes on behind what is broken, where a person has allowed it by naming
// the file so. Else it gives the damage.
func (r *Reader) skip(off int64, cause error) error {
	if !r.seg.damaged {
		damage := &DamageError{File: filepath.Join(r.j.dir, r.seg.name()), Offset: off, Reason: "it cannot be read", Err: cause}
		if b, ok := errors.AsType[*broken](cause); ok {
			damage.Reason, damage.Err = b.reason, nil
		}
		return damage
	}
	next := r.limit
	if !r.seg.opaque {
		to, found, err := r.d.search(off+1, r.seg.offset(r.limit), func(int64) bool { return true })
		if err == nil && found { // what cannot be read is skipped, too
			next = r.seg.first + Position(to-segmentHeader) //nolint:gosec // behind the header
		}
	}
	r.j.mu.Lock()
	r.j.stats.Skipped += int64(next - r.pos) //nolint:gosec // within a file
	r.j.mu.Unlock()
	r.pos = next
	return nil
}

// Close lets the file go. It may be called twice.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

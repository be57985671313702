package journal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"runtime"
)

// group is what one fsync puts on disk.
type group struct {
	buf  []byte
	done chan struct{} // closed when base and err are set
	base Position
	err  error
}

func newGroup(buf []byte) *group { return &group{buf: buf[:0], done: make(chan struct{})} }

// Append writes a record, whose payload may be given in pieces, and returns its
// position when it is on disk. The payload is the caller's again on return. When
// ctx ends while it waits, the record may or may not be there. Errors: ErrFull,
// ErrTooLarge, ErrClosed, ErrFailed.
func (j *Journal) Append(ctx context.Context, kind byte, payload ...[]byte) (Position, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	size, sum := 0, uint32(0)
	for _, p := range payload {
		size += len(p)
		if size > MaxRecord {
			return 0, ErrTooLarge
		}
		sum = crc32.Update(sum, castagnoli(), p)
	}
	framed := int64(recordHeader + size)
	if framed > j.o.Budget/2 {
		return 0, ErrTooLarge
	}

	j.mu.Lock()
	for {
		if err := j.refusal(framed); err != nil {
			j.mu.Unlock()
			return 0, err
		}
		if len(j.pending.buf) < j.o.groupBytes {
			break
		}
		if j.room == nil {
			j.room = make(chan struct{})
		}
		room := j.room
		j.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		j.mu.Lock()
	}
	g := j.pending
	g.buf = appendRecord(g.buf, kind, size, sum, payload)
	end := Position(len(g.buf))
	j.used += framed
	if len(g.buf) == recordHeader+size { // the first of its group
		j.work.Signal()
	}
	j.mu.Unlock()

	select {
	case <-g.done:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if g.err != nil {
		return 0, g.err
	}
	return g.base + end, nil
}

// refusal is why a record is not taken; the caller holds mu.
func (j *Journal) refusal(framed int64) error {
	switch {
	case j.closing:
		return ErrClosed
	case j.err != nil:
		return j.err
	case j.used+framed > j.o.Budget-2*segmentHeader: // each of two groups may begin a segment
		return ErrFull
	}
	return nil
}

// write is the goroutine that writes group after group, until the journal closes.
func (j *Journal) write() {
	defer close(j.stopped)
	for {
		j.mu.Lock()
		for len(j.pending.buf) == 0 && !j.closing {
			j.work.Wait()
		}
		j.mu.Unlock()
		// Who was answered just now may have the next record ready: let it in, for
		// one fsync more or less is worth many records. Twice is what the benchmark
		// liked best: 61 instead of 46 of 64 producers.
		runtime.Gosched()
		runtime.Gosched()
		j.mu.Lock()
		g := j.pending
		if len(g.buf) == 0 { // and closing
			j.mu.Unlock()
			return
		}
		j.pending, j.spare = newGroup(j.spare), nil
		if j.room != nil {
			close(j.room)
			j.room = nil
		}
		j.mu.Unlock()
		j.commit(g)
		close(g.done)
	}
}

// commit puts a group on disk and says so in it.
func (j *Journal) commit(g *group) {
	j.io.Lock() // until durable says what is in the file, or Trim could cut it off
	defer j.io.Unlock()
	records, err := j.put(g)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		g.err = err
		j.used -= int64(len(g.buf))
	} else {
		g.base = j.durable
		j.durable += Position(len(g.buf))
		j.segments[len(j.segments)-1].size += int64(len(g.buf))
		j.stats.Records += records
		j.stats.Groups++
		if j.more != nil {
			close(j.more)
			j.more = nil
		}
	}
	if cap(g.buf) <= 2*j.o.groupBytes { // what a large record needed is given back
		j.spare = g.buf
	}
	g.buf = nil
}

// put writes and syncs a group; the caller holds io.
func (j *Journal) put(g *group) (records uint64, err error) {
	s, base, err := j.newest()
	if err != nil {
		return 0, err
	}
	turn := s.size > segmentHeader && s.size+int64(len(g.buf)) > j.o.SegmentBytes
	if err := j.leaveFree(s.size, int64(len(g.buf)), turn); err != nil {
		return 0, err
	}
	if turn {
		if err := j.begin(); err != nil {
			return 0, j.refuse(err)
		}
		if s, base, err = j.newest(); err != nil {
			return 0, err
		}
	}
	if err := j.reserveOnce(s.size); err != nil {
		return 0, j.fail(err)
	}
	records = j.seal.finish(g.buf, s.salt, base)
	if _, err := j.w.WriteAt(g.buf, s.size); err != nil {
		if cut := j.w.Truncate(s.size); cut != nil {
			return 0, j.fail(fmt.Errorf("%w; %w", j.writing(s, err), cut))
		}
		return 0, j.refuse(j.writing(s, err))
	}
	if err := j.w.Sync(); err != nil {
		// The system may have dropped what it could not write and count it as clean,
		// so that another sync would succeed without it. Nothing may follow; what
		// was written goes, so that nobody reads it out of the system's memory.
		_ = j.w.Truncate(s.size)
		return 0, j.fail(j.writing(s, err))
	}
	return records, nil
}

// writing names the file; the system's error, if at all, names it as it was before
// it became a segment.
func (j *Journal) writing(s segment, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("writing %s: %w", filepath.Join(j.dir, s.name()), err)
}

// leaveFree answers ErrFull where a group of n bytes after size of the newest segment, or in another one, would leave
// others less of the disk than they are promised.
func (j *Journal) leaveFree(size, n int64, turn bool) error {
	takes := n
	switch {
	case turn && j.o.reserve != nil:
		takes = max(n, j.o.SegmentBytes)
	case j.ahead && size+n <= j.o.SegmentBytes:
		return nil
	case !j.reserved && j.o.reserve != nil:
		takes = max(n, j.o.SegmentBytes-size)
	}
	if j.o.MinFree <= 0 {
		return nil
	}
	free, err := j.o.free(j.dir)
	if err != nil || free-takes >= j.o.MinFree { // where the system does not tell, the disk itself is the bound
		return nil //nolint:nilerr // see above
	}
	return fmt.Errorf("%w (%d MiB of the disk are free, and %d MiB are kept for the store)", ErrFull, free>>20, j.o.MinFree>>20)
}

// reserveOnce reserves the newest segment's space, where the system can. It must
// not matter when it cannot.
func (j *Journal) reserveOnce(size int64) error {
	if j.reserved || j.o.reserve == nil {
		return nil
	}
	j.reserved = true
	if j.ahead = size >= j.o.SegmentBytes || j.o.reserve(j.active, j.o.SegmentBytes) == nil; j.ahead {
		return nil
	}
	return j.w.Truncate(size) // what was reserved in part
}

// refuse turns a full disk into ErrFull, and any other error into the end.
func (j *Journal) refuse(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return j.fail(err)
}

// newest gives the segment that is written to, and the position at its end.
func (j *Journal) newest() (segment, Position, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[len(j.segments)-1], j.durable, j.err
}

var _ file = osFile{}

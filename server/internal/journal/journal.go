package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/throughline-rum/throughline/server/internal/disk"
)

// Position is a place in the journal: the number of bytes of all records, ever,
// up to and including one. It only grows, over Trim and restarts as well. Zero
// is the beginning. What was read up to a position is committed by the store
// together with the data, and reading goes on after it.
type Position uint64

// Options are limits; the zero value has the defaults.
type Options struct {
	// SegmentBytes: a file that has grown to this is followed by another. Default 64 MiB.
	SegmentBytes int64
	// Budget is the most that the records of all files may take, in bytes; beyond
	// it Append answers ErrFull. The newest file takes its full SegmentBytes ahead.
	// Default 2 GiB, at least two segments.
	Budget int64
	// MinFree is how many bytes of the file system the journal leaves to others, above all to
	// the store that is to take its records: an Append that would leave less answers ErrFull. Zero: none.
	MinFree int64
	// Start is where the first record goes when the folder is empty: the position
	// that the store has committed, so that a journal that was lost does not
	// give out positions again.
	Start Position

	wrap       func(*os.File) file             // faults of the disk, for tests
	reserve    func(f *os.File, n int64) error // may be nil
	free       func(dir string) (int64, error)
	syncDir    func(dir string) error
	groupBytes int // default groupBytes
}

const (
	defaultSegment = 64 << 20
	defaultBudget  = 2 << 30
	// groupBytes: a group that has reached this takes no further record, so that
	// a group is at most this and one record, and there are at most two.
	groupBytes = 4 << 20
)

// Journal is safe for use by many goroutines.
type Journal struct {
	dir  string
	o    Options
	lock *os.File

	mu       sync.Mutex
	work     sync.Cond     // the writer waits here for records
	pending  *group        // what is appended while the writer writes
	spare    []byte        // the buffer of the group before, to be used again
	room     chan struct{} // closed when pending takes records again; made by who waits
	more     chan struct{} // closed when durable grows, or the journal closes; made by who waits
	segments []segment     // the last one is written to
	durable  Position      // end of what is synced
	used     int64         // bytes of all files and of pending
	stats    Stats         // its counters
	err      error         // ErrFailed and why
	closing  bool

	io       sync.Mutex // the newest file: the writer, and Trim when it begins another; taken before mu
	active   *os.File
	w        file
	reserved bool // or tried
	ahead    bool // the newest segment's space is reserved
	seal     sealer

	trimming sync.Mutex    // taken before io
	stopped  chan struct{} // closed when the writer is done
	closed   func() error  // once
}

// Stats are figures for metrics and readiness.
type Stats struct {
	First    Position // what was trimmed ends here
	Last     Position // of the last record on disk
	Bytes    int64    // of all files, without what is reserved, and of what is about to be written
	Budget   int64
	Segments int
	Records  uint64 // on disk since Open
	Groups   uint64 // fsyncs that put them there
	Torn     int64  // bytes without a whole record that Open cut from the end
	Skipped  int64  // bytes of files named damaged that readers skipped
	Err      error  // why nothing is taken any more, else nil
}

// Unread is how many bytes of records lie after a position.
func (s Stats) Unread(after Position) uint64 {
	return uint64(s.Last - min(s.Last, max(after, s.First)))
}

// Open opens the journal in a folder, which is made where it is missing. What a
// crash left half-written after the last whole record is cut. A *DamageError
// says that records which may have been acknowledged are broken.
func Open(dir string, o Options) (*Journal, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	if o.groupBytes == 0 {
		o.groupBytes = groupBytes
	}
	if o.syncDir == nil {
		o.syncDir = syncDir
	}
	if o.wrap == nil {
		o.wrap, o.reserve = func(f *os.File) file { return osFile{f} }, reserve
	}
	if o.free == nil {
		o.free = disk.Free
	}
	if o.SegmentBytes < 0 || o.Budget < 2*o.SegmentBytes {
		return nil, fmt.Errorf("journal: a budget of %d bytes for segments of %d bytes is too small; give it room for two", o.Budget, o.SegmentBytes)
	}
	if err := makeDir(dir, o.syncDir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	l, err := lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("journal: %s: %w", dir, err)
	}
	j := &Journal{dir: dir, o: o, lock: l, pending: newGroup(nil), stopped: make(chan struct{})}
	j.work.L = &j.mu
	j.closed = sync.OnceValue(j.finish)
	if err := j.recover(); err != nil {
		if j.active != nil {
			err = errors.Join(err, j.active.Close())
		}
		return nil, errors.Join(err, l.Close())
	}
	go j.write()
	return j, nil
}

// recover finds out what is on disk. Only the newest segment can have a torn
// end, since it was begun after all before it was synced.
func (j *Journal) recover() error {
	var err error
	if j.segments, err = list(j.dir); err != nil {
		return err
	}
	// What is found may be only in the system's memory yet, when the process
	// ended between writing and syncing. It is handed to readers, so sync it.
	if err := j.o.syncDir(j.dir); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.durable = j.o.Start
	if n := len(j.segments); n > 0 {
		if newest := &j.segments[n-1]; newest.damaged {
			j.durable = max(newest.end(), newest.first+1) // so that the next one has another name
		} else {
			err = j.openNewest(newest)
		}
	}
	for _, s := range j.segments {
		j.used += s.size
	}
	if err == nil && j.active == nil {
		err = j.begin()
	}
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	return nil
}

// openNewest cuts what is torn.
func (j *Journal) openNewest(s *segment) error {
	path := filepath.Join(j.dir, s.name())
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	j.active, j.w = f, j.o.wrap(f)
	end, written, err := wholeEnd(f, *s, path)
	if err != nil {
		return err
	}
	if end < s.size {
		if err := j.w.Truncate(end); err != nil {
			return err
		}
		j.stats.Torn = written - end // what follows was reserved
		s.size = end
	}
	j.durable = s.end()
	return j.w.Sync()
}

// wholeEnd finds where the whole records of the newest segment end, and where
// what else was written does.
//
// A group is written only after the group before it was synced. So when a record
// is broken, and a whole record further on belongs to a group that began after
// it, then the broken one was synced and perhaps acknowledged: that is damage. All
// else that may follow was never acknowledged: it belongs to the broken record's
// group, of which a crash can leave any part.
func wholeEnd(src io.ReaderAt, s segment, path string) (end, written int64, err error) {
	var d decoder
	d.reset(src, s.salt, s.first)
	for off := int64(segmentHeader); off < s.size; {
		rec, err := d.read(off, s.size)
		if err == nil {
			off = rec.next
			continue
		}
		b, isBroken := errors.AsType[*broken](err)
		later := false
		if isBroken {
			later, written, err = d.laterGroup(off, s.size)
		}
		switch {
		case err != nil:
			return 0, 0, &DamageError{File: path, Offset: off, Reason: "it cannot be read", Err: err}
		case later:
			return 0, 0, &DamageError{File: path, Offset: off, Reason: b.reason + ", and whole records of later groups follow"}
		}
		return off, written, nil
	}
	return s.size, s.size, nil
}

// begin starts another segment. The caller holds io; all before is synced.
func (j *Journal) begin() error {
	j.mu.Lock()
	first, size := j.durable, int64(0)
	if n := len(j.segments); n > 0 {
		size = j.segments[n-1].size
	}
	j.mu.Unlock()
	if j.active != nil {
		// From its successor on, a file's length says where it ends.
		if err := errors.Join(j.w.Truncate(size), j.w.Sync()); err != nil {
			return err
		}
	}
	s, f, err := create(j.dir, first, j.o)
	if err != nil {
		return err
	}
	old := j.active
	j.active, j.w, j.reserved, j.ahead = f, j.o.wrap(f), false, false
	j.mu.Lock()
	j.segments = append(j.segments, s)
	j.used += s.size
	j.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Trim lets go of the files that hold only records up to a position: those that
// the store has committed.
func (j *Journal) Trim(p Position) error {
	j.trimming.Lock()
	defer j.trimming.Unlock()
	if err := j.seatNext(p); err != nil {
		return err
	}
	for {
		j.mu.Lock()
		s := j.segments[0]
		last := len(j.segments) == 1
		closed := j.closing
		j.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case last || s.end() > p:
			return nil
		}
		// One after the other, each synced: a crash must not leave a gap.
		if err := remove(filepath.Join(j.dir, s.name())); err != nil {
			return fmt.Errorf("journal: letting go: %w", err)
		}
		if err := j.o.syncDir(j.dir); err != nil {
			return fmt.Errorf("journal: letting go: %w", err)
		}
		j.mu.Lock()
		j.segments = j.segments[1:]
		j.used -= s.size
		j.mu.Unlock()
	}
}

// seatNext begins another segment where the newest is half full and all of it
// may go, so that a budget of two segments always has room again.
func (j *Journal) seatNext(p Position) error {
	j.io.Lock()
	defer j.io.Unlock()
	j.mu.Lock()
	newest := j.segments[len(j.segments)-1]
	closed, failed, durable := j.closing, j.err, j.durable
	j.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case p > durable:
		return fmt.Errorf("letting go up to %d of %d: %w", p, durable, ErrAhead)
	case failed != nil || p < durable || newest.size < j.o.SegmentBytes/2 || newest.size == segmentHeader:
		return nil
	}
	if err := j.begin(); err != nil && !isFull(err) {
		return j.fail(err)
	}
	return nil
}

// fail makes all later appends fail.
func (j *Journal) fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = failed(err)
	}
	return j.err
}

// Stats reads the figures.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.First, s.Last = j.segments[0].first, j.durable
	s.Bytes, s.Budget, s.Segments = j.used, j.o.Budget, len(j.segments)
	s.Err = j.err
	return s
}

// Close writes what was appended and closes the files. Appends that wait are
// answered; readers get ErrClosed. It may be called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closing = true
	j.mu.Unlock()
	j.work.Signal()
	<-j.stopped
	return j.closed()
}

func (j *Journal) finish() error {
	j.trimming.Lock() // no file may go once another process can have the lock
	defer j.trimming.Unlock()
	j.io.Lock()
	defer j.io.Unlock()
	j.mu.Lock()
	failed := j.err
	newest := j.segments[len(j.segments)-1]
	j.mu.Unlock()
	var err error
	if failed == nil && newest.size > segmentHeader {
		// With a successor it is certain that the newest was synced, so that later
		// damage to its end is not taken for a torn write. A full disk forgoes that.
		if err = j.begin(); isFull(err) {
			err = nil
		}
	}
	err = errors.Join(err, j.active.Close(), j.lock.Close())
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
	if err != nil {
		return fmt.Errorf("journal: closing: %w", err)
	}
	return nil
}

package journal_test

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

// disk is a disk with faults.
type disk struct {
	mu          sync.Mutex
	full        bool
	space       int // bytes that still fit, when full
	writeErr    error
	syncErr     error
	dirErr      error
	truncateErr error

	quick bool          // do not wait for the real disk
	gate  chan struct{} // each sync takes one, when not nil
	syncs atomic.Int64
}

func (d *disk) wrap(f *os.File) journal.File { return &faulty{f, d} }

func (d *disk) options() journal.Options { return journal.Options{}.Faulty(d.wrap, d.syncDir, 0) }

func (d *disk) set(change func(d *disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *disk) syncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dirErr != nil || d.quick {
		return d.dirErr
	}
	return journal.SyncDir(dir)
}

type faulty struct {
	*os.File
	d *disk
}

// WriteAt writes what fits, as a real disk does.
func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.writeErr != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, f.d.writeErr
	}
	if !f.d.full {
		return f.File.WriteAt(p, off)
	}
	fits := min(len(p), f.d.space)
	n, err := f.File.WriteAt(p[:fits], off)
	f.d.space -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f *faulty) Sync() error {
	f.d.syncs.Add(1)
	f.d.mu.Lock()
	gate, err := f.d.gate, f.d.syncErr
	f.d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil || f.d.quick {
		return err
	}
	return f.File.Sync()
}

func (f *faulty) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.truncateErr != nil {
		return f.d.truncateErr
	}
	return f.File.Truncate(size)
}

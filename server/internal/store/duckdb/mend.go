package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// DuckDB gives up for good on some failures, such as a disk that fills up in the middle of a commit
// beside a read. Two things keep the server going: a commit is refused before the disk is full, and a
// database that has given up is opened again.

// keptFree is what a commit needs of the disk beside what the write-ahead log takes, in bytes: room for the
// commit itself, and for queries that spill. Options may say another.
const keptFree = 64 << 20

// mendEvery is the time between two attempts to open the file again.
const mendEvery = time.Second

// roomFor reports an error where the disk has too little left for a commit: a checkpoint writes about as much as the
// write-ahead log holds, before that is freed.
func (s *Store) roomFor() error {
	free, err := s.free(filepath.Dir(s.path))
	if err != nil {
		return nil //nolint:nilerr // where the system does not tell, DuckDB's own error has to do
	}
	need := s.options.KeptFree
	if need == 0 {
		need = keptFree
	}
	if wal, err := os.Stat(s.path + ".wal"); err == nil { //nolint:gosec // the operator's own path
		need += 2 * wal.Size()
	}
	if free >= need {
		return nil
	}
	return &Error{
		Op: "write", Kind: KindResource, Err: fmt.Errorf("the disk has %d MiB left, and %d MiB are needed to write safely", free>>20, need>>20),
		Hint: "free some space; reading goes on, and so does writing once there is enough",
	}
}

// makeRoom is roomFor, but where the write-ahead log is what takes the room, it is moved into the tables first: else a store
// that waits for room would keep it from itself.
func (s *Store) makeRoom(ctx context.Context) error {
	err := s.roomFor()
	if err == nil {
		return nil
	}
	wal, statErr := os.Stat(s.path + ".wal") //nolint:gosec // the operator's own path
	if statErr != nil || wal.Size() < leastLog {
		return err
	}
	if free, freeErr := s.free(filepath.Dir(s.path)); freeErr != nil || free < wal.Size()+leastLog {
		return err
	}
	c := &change{rows: new(rows), shrink: true, done: make(chan error, 1)}
	select {
	case s.writer.changes <- c:
	case <-ctx.Done():
		return err
	}
	if <-c.done != nil {
		return err
	}
	return s.roomFor()
}

// leastLog is the size of a write-ahead log that is worth moving into the tables, in bytes.
const leastLog = 1 << 20

// failure is as the function of this name; where the engine has given up, it has the file opened again.
func (s *Store) failure(ctx context.Context, op string, err error) error {
	err = failure(ctx, op, err)
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == KindFatal {
		s.mendSoon(e)
	}
	return err
}

// mendSoon begins to open the file again, once.
func (s *Store) mendSoon(cause *Error) {
	if s.mending.CompareAndSwap(false, true) {
		s.work.Go(func() {
			s.mend(cause)
			s.mending.Store(false)
		})
	}
}

// mend lets the calls under way end, refuses others meanwhile, and opens the file again, as often as it takes.
func (s *Store) mend(cause *Error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.down = &Error{Op: "open", Kind: KindResource, Err: fmt.Errorf("the engine gave up and is opened again: %w", cause.Err), Hint: "try again in some seconds"}
	s.await()
	broken := *s.engine
	s.mu.Unlock()
	_ = broken.close() // it says again what is known

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-timer.C:
		}
		e, err := openEngine(s.life, s.path, s.options)
		if err == nil {
			s.mu.Lock()
			s.engine, s.down = e, nil
			s.settled.lower(1)
			s.mu.Unlock()
			return
		}
		timer.Reset(mendEvery)
	}
}

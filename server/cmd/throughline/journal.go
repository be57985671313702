package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/disk"
	"github.com/throughline-rum/throughline/server/internal/ingest"
	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/duckdb"
)

// What journal and store take of a disk, in bytes. What the journal leaves free must be more than the store needs for
// a commit, which is storeKept and twice its log, beside the log itself and what one more commit may add to that: else a
// journal that has filled the disk would keep the store from emptying it.
const (
	journalSegment = 64 << 20 // reserved ahead
	journalMinFree = 512 << 20
	storeKept      = 64 << 20
	storeLog       = 128 << 20
)

// On small disks all of that is at most this part of the disk.
const (
	smallSegment = 32
	smallMinFree = 4
	smallKept    = 16
	smallLog     = 32
	leastPart    = 1 << 20 // of a segment and the log
)

// openStore opens the store, in a folder that is made where it is missing.
func openStore(ctx context.Context, c *config.Serve) (*duckdb.Store, error) {
	err := os.MkdirAll(c.Data, 0o750)
	total := int64(0)
	if err == nil {
		_, total, err = disk.Space(c.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("the store's folder: %w (choose another with --data)", err)
	}
	o := fitStore(total)
	o.MemoryLimit, o.FirstDue = int64(c.MemoryLimit)<<20, c.LinkWait
	st, err := duckdb.Open(ctx, c.StorePath(), o)
	if e, ok := errors.AsType[*duckdb.Error](err); ok && e.Kind == duckdb.KindLocked {
		return nil, &folderInUseError{c.Data, err}
	}
	return st, err
}

// folderInUseError is a data folder that another server has open.
type folderInUseError struct {
	folder string
	err    error
}

func (e *folderInUseError) Error() string {
	return fmt.Sprintf("another throughline has the data folder %s open; stop it or use another --data", e.folder)
}

func (e *folderInUseError) Unwrap() error { return e.err }

// fitStore returns the limits of the store on a disk.
func fitStore(disk int64) duckdb.Options {
	return duckdb.Options{
		CheckpointBytes: max(leastPart, min(storeLog, disk/smallLog)),
		KeptFree:        min(storeKept, disk/smallKept),
	}
}

// openJournal opens the journal, to go on after what the store has committed.
func openJournal(ctx context.Context, c *config.Serve, w store.Writer) (*journal.Journal, error) {
	position, err := w.Position(ctx)
	if err != nil {
		return nil, err
	}
	_, total, err := disk.Space(c.Data)
	if err != nil {
		return nil, fmt.Errorf("the disk of the journal: %w (choose another folder with --data)", err)
	}
	o := fitJournal(&c.Journal, total)
	o.Start = journal.Position(position)
	j, err := journal.Open(c.JournalPath(), o)
	if errors.Is(err, journal.ErrLocked) {
		return nil, &folderInUseError{c.Data, err}
	}
	return j, err
}

// fitJournal returns the limits of the journal on a disk.
func fitJournal(c *config.Journal, disk int64) journal.Options {
	budget := int64(c.Budget) << 20
	return journal.Options{
		SegmentBytes: max(leastPart, min(journalSegment, disk/smallSegment, budget/2)),
		Budget:       budget,
		MinFree:      leaveFree(disk),
	}
}

// leaveFree returns how much of a disk the journal leaves to the store.
func leaveFree(total int64) int64 { return min(journalMinFree, total/smallMinFree) }

// journalWriter lets the receivers append to the journal.
type journalWriter struct {
	*journal.Journal
	faults *logOnChange
	full   atomic.Int64 // when it last had no room, Unix time in ns
}

// Append implements ingest.Journal.
func (w *journalWriter) Append(ctx context.Context, kind byte, payload ...[]byte) (store.Position, error) {
	p, err := w.Journal.Append(ctx, kind, payload...)
	switch {
	case err == nil:
		w.faults.success()
	case isFull(err):
		w.full.Store(time.Now().UnixNano())
	}
	return store.Position(p), err
}

// wasFull reports whether the journal had no room for somebody within some time.
func (w *journalWriter) wasFull(within time.Duration) bool {
	return time.Since(time.Unix(0, w.full.Load())) < within
}

func isFull(err error) bool { return errors.Is(err, journal.ErrFull) }

// storeWriter tells of writes that succeed.
type storeWriter struct {
	store.Writer
	faults *logOnChange
}

// Write implements store.Writer.
func (w storeWriter) Write(ctx context.Context, b store.Batch) error {
	err := w.Writer.Write(ctx, b)
	if err == nil {
		w.faults.success()
	}
	return err
}

// journalReader lets the loader read the journal.
type journalReader struct{ *journal.Reader }

// Next implements ingest.RecordReader.
func (r journalReader) Next(ctx context.Context) (ingest.Record, error) {
	rec, err := r.Reader.Next(ctx)
	return ingest.Record{Position: store.Position(rec.Position), Kind: rec.Kind, Payload: rec.Payload}, err
}

// TryNext implements ingest.RecordReader.
func (r journalReader) TryNext() (ingest.Record, bool, error) {
	rec, ok, err := r.Reader.TryNext()
	return ingest.Record{Position: store.Position(rec.Position), Kind: rec.Kind, Payload: rec.Payload}, ok, err
}

// gate holds the loader back while a file exists; nil where none is named. It is for tests that need a store
// which does not take anything.
func gate(file string) func() bool {
	if file == "" {
		return nil
	}
	return func() bool {
		_, err := os.Stat(file)
		return err == nil
	}
}

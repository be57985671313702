package main

import (
	"context"
	"errors"
	"os"

	"github.com/throughline-rum/throughline/server/internal/ingest"
	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// journalWriter lets the receivers append to the journal.
type journalWriter struct{ *journal.Journal }

// Append implements ingest.Journal.
func (w journalWriter) Append(ctx context.Context, kind byte, payload ...[]byte) (store.Position, error) {
	p, err := w.Journal.Append(ctx, kind, payload...)
	return store.Position(p), err
}

func isFull(err error) bool { return errors.Is(err, journal.ErrFull) }

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

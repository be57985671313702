// Package storetest proves that an engine keeps the promises of package store:
// one battery for all engines, and Memory, the simple reference that other
// packages' tests use as a real store. It is for tests alone.
package storetest

import (
	"context"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// Store is an engine under test.
type Store interface {
	store.Writer
	store.Reader
	store.Linker
	store.Annotator
	store.Janitor

	// Close ends the engine and frees what it holds.
	Close(ctx context.Context) error
	// Reopen closes the engine and opens what it kept, as after a restart. The
	// receiver is not used any more.
	Reopen(t *testing.T) Store
}

// Run holds an engine against every promise of package store. open returns an
// empty engine, and takes care itself that it is closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []testCase
	}{
		{"Writer", writerTests},
		{"Values", valueTests},
		{"Reader", readerTests},
		{"Filters", filterTests},
		{"Listings", listingTests},
		{"Sums", sumTests},
		{"Traces", traceTests},
		{"Janitor", janitorTests},
		{"Position", positionTests},
		{"Linker", linkerTests},
		{"Evidence", evidenceTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.tests {
				t.Run(tc.name, func(t *testing.T) {
					t.Parallel()
					tc.run(t, open(t))
				})
			}
		})
	}
}

type testCase struct {
	name string
	run  func(t *testing.T, st Store)
}

package duckdb

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

// underTest is a store that the battery can reopen.
type underTest struct {
	*Store
	path string
}

func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (u underTest) Reopen(t *testing.T) storetest.Store {
	t.Helper()
	if err := u.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return underTest{openTest(t, u.path), u.path}
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "test.duckdb")
		return underTest{openTest(t, path), path}
	})
}

// TestReference holds the store against the reference on random histories.
func TestReference(t *testing.T) {
	storetest.Compare(t, func(t *testing.T) storetest.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "test.duckdb")
		return underTest{openTest(t, path), path}
	})
}

// all reads everything that a query finds.
func all[T any](q querier, columns func(*T) []any, query string) []T {
	found, err := collect(context.Background(), q, columns, query)
	if err != nil {
		panic(err)
	}
	return found
}

package duckdb

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// Few rows are read in another way than many, and what stands far apart by itself: each finds just what it is asked for.
func TestRequestsAreReadByTheirRows(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "rows.duckdb"))
	g := newTraffic(3)
	const stored = 3 * fewRows
	for range stored {
		b := store.Batch{Requests: g.batch(1).Requests, Spans: g.batch(farApart / 16).Spans}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	all, err := readAll(t.Context(), s, "test", func(n *uint64) []any { return []any{n} }, "SELECT seq FROM requests ORDER BY seq")
	if err != nil || len(all) != stored {
		t.Fatalf("%d rows, error %v", len(all), err)
	}
	if gap := all[stored-1] - all[0]; gap < 2*farApart {
		t.Fatalf("the rows stand within %d", gap)
	}
	for _, asked := range [][]uint64{
		all[:1], all[5:8], {all[0], all[stored-1]}, all[:fewRows], all[:fewRows+1], all, {all[2], all[2] + 1}, {all[stored-1] + farApart}, nil,
	} {
		found, err := s.requestsBySeq(t.Context(), "test", nil, asked)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []uint64
		for i := range found {
			got = append(got, found[i].seq)
		}
		for _, n := range asked {
			if slices.Contains(all, n) {
				want = append(want, n)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("asked for %d rows from %v on: got %d, want %d", len(asked), asked, len(got), len(want))
		}
	}
}

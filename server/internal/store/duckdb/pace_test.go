package duckdb

import (
	"path/filepath"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// TestWritesWaitForAPassThatFallsBehind, and go on without it.
func TestWritesWaitForAPassThatFallsBehind(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	position := store.Position(0)
	write := func() {
		t.Helper()
		b := g.batch(10)
		position++
		b.Position = position
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if err := s.PutLinks(t.Context(), nil, join(1, 0)); err != nil { // a pass that has judged one row
		t.Fatal(err)
	}
	for range keptGenerations { // as if that many runs had been written since
		s.writer.recent.turn(s.writer.seq + 1)
	}
	write() // waits, but not for ever
	if err := s.PutLinks(t.Context(), nil, join(s.writer.recent.view().last, 0)); err != nil {
		t.Fatal(err)
	}
	if next := s.writer.recent.nextToGo(); next > s.pace.judged.Load()+1 {
		t.Errorf("writes still wait: %d rows are judged, and %d stay in memory", s.pace.judged.Load(), next)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Requests+u.Spans != 20 {
		t.Errorf("%+v, %v; want 20 rows", u, err)
	}
}

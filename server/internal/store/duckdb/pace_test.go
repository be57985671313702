package duckdb

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// behind returns a store whose pass is about to fall behind what is in memory, and a function that writes more.
func behind(t *testing.T, still time.Duration) (s *Store, write func() error) {
	t.Helper()
	s = openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	s.pace.still = still
	g := newTraffic(1)
	position := store.Position(0)
	write = func() error {
		b := g.batch(10)
		position++
		b.Position = position
		return s.Write(t.Context(), b)
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutLinks(t.Context(), nil, join(1, 0)); err != nil { // a pass that has judged one row
		t.Fatal(err)
	}
	for range keptGenerations { // as if that many runs had been written since
		s.writer.recent.turn(s.writer.seq + 1)
	}
	return s, write
}

// TestWritesWaitForAPassThatFallsBehind, for as long as it gets on.
func TestWritesWaitForAPassThatFallsBehind(t *testing.T) {
	s, write := behind(t, time.Hour)
	written := make(chan error, 1)
	go func() { written <- write() }()
	for seq := uint64(2); seq < 8; seq++ {
		if err := s.PutLinks(t.Context(), nil, join(seq, 0)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-written:
			t.Fatalf("a write did not wait for the pass, which has come to row %d of 10: %v", seq, err)
		default:
		}
	}
	if err := s.PutLinks(t.Context(), nil, join(s.writer.recent.view().last, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// TestWritesGoOnWithoutAPass: one that stands still holds nothing up, and is waited for again once it has moved.
func TestWritesGoOnWithoutAPass(t *testing.T) {
	s, write := behind(t, time.Millisecond)
	if err := write(); err != nil { // waits, but not for ever
		t.Fatal(err)
	}
	s.pace.still = time.Hour
	if err := write(); err != nil { // does not wait
		t.Fatal(err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Requests+u.Spans != 30 {
		t.Errorf("%+v, %v; want 30 rows", u, err)
	}
	if err := s.PutLinks(t.Context(), nil, join(2, 0)); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- write() }()
	if err := s.PutLinks(t.Context(), nil, join(s.writer.recent.view().last, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

package duckdb

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// TestMend has the engine give up while others write and read: what was acknowledged stays, and the
// store goes on by itself.
func TestMend(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	var batches []store.Batch
	for range 40 {
		batches = append(batches, g.batch(40))
	}
	// Four times the engine gives up in the middle of ten writes. Those that were refused come again once the file is
	// open again, as the loader's do.
	for portion := range slices.Chunk(batches, 10) {
		pending := portion
		for attempt := 0; len(pending) > 0; attempt++ {
			if attempt > len(portion) {
				t.Fatalf("%d batches were not taken, though the store was open again each time", len(pending))
			}
			var wg sync.WaitGroup
			var mu sync.Mutex
			var refused []store.Batch
			for i := range pending {
				if attempt == 0 && i == len(pending)/2 {
					s.mendSoon(&Error{Kind: KindFatal, Err: errors.New("the engine gave up")})
				}
				wg.Go(func() {
					_, err := s.Requests(t.Context(), store.Filter{}, store.Page{Limit: 1})
					passes(t, err)
					if err := s.Write(t.Context(), pending[i]); passes(t, err) {
						mu.Lock()
						refused = append(refused, pending[i])
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			s.work.Wait() // until the file is open again
			pending = refused
		}
	}
	u, err := s.Usage(t.Context())
	if err != nil || u.Requests != 400 || u.Spans != 1200 {
		t.Errorf("usage %+v, %v; want 400 requests and 1200 spans", u, err)
	}
}

// passes reports whether there is an error that passes by itself.
func passes(t *testing.T, err error) bool {
	t.Helper()
	if e := (*Error)(nil); err != nil && (!errors.As(err, &e) || e.Kind != KindResource) {
		t.Errorf("%v, want an error that passes", err)
	}
	return err != nil
}

// TestRoom: what would fill the disk is refused before the engine sees it, and reading goes on.
func TestRoom(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	free := int64(1 << 30)
	s.free = func(string) (int64, error) { return free, nil }
	g := newTraffic(1)
	b := g.batch(8)
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	free = 1 << 20
	err := s.Write(t.Context(), g.batch(8))
	wantError(t, err, KindResource, "disk")
	if _, err := s.Request(t.Context(), b.Requests[0].ID); err != nil {
		t.Errorf("reading on a full disk: %v", err)
	}
	free = 1 << 30
	if err := s.Write(t.Context(), g.batch(8)); err != nil {
		t.Errorf("writing once there is space again: %v", err)
	}
	free, s.options.KeptFree = 16<<20, 8<<20
	if err := s.Write(t.Context(), g.batch(8)); err != nil {
		t.Errorf("writing where less is to be left: %v", err)
	}
}

// TestRoomFromTheLog: a write-ahead log that takes the room is moved into the tables, so that the store does not wait for
// room which it takes itself.
func TestRoomFromTheLog(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	if err := s.Write(t.Context(), g.batch(8000)); err != nil {
		t.Fatal(err)
	}
	log := func() int64 {
		info, err := os.Stat(s.path + ".wal")
		if err != nil {
			return 0
		}
		return info.Size()
	}
	if log() < 2*leastLog {
		t.Fatalf("the log has %d bytes only", log())
	}
	s.options.KeptFree = 8 << 20
	s.free = func(string) (int64, error) { return 8<<20 + log() + leastLog, nil } // too little for twice the log
	if err := s.Write(t.Context(), g.batch(8)); err != nil {
		t.Errorf("writing where the log takes the room: %v", err)
	}
	if log() > leastLog {
		t.Errorf("the log still has %d bytes", log())
	}
}

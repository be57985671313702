package duckdb

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// crashFile in the environment makes the test binary the writer that
// TestKilledWriter kills.
const crashFile = "THROUGHLINE_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if path := os.Getenv(lockFile); path != "" {
		if err := holdOpen(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	crashWriters = 4
	crashRows    = 5 // requests and spans in a batch
)

// crashBatch is a batch that is known by its number; its neighbours share one row
// with it.
func crashBatch(n uint64) store.Batch {
	var b store.Batch
	for i := range uint64(crashRows) {
		at := n*(crashRows-1) + i + 1
		var r model.RequestEvent
		binary.BigEndian.PutUint64(r.ID[:], at)
		r.Start = newTraffic(0).now
		s := model.Span{TraceID: [16]byte{1}, SpanID: [8]byte(r.ID), Start: r.Start, Host: fmt.Sprintf("host-%d.example", n)}
		b.Requests = append(b.Requests, r)
		b.Spans = append(b.Spans, s)
	}
	return b
}

// writeUntilKilled writes batches from several goroutines, each from its own
// range of numbers, and prints the number of each that is acknowledged.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	from, err := strconv.ParseUint(os.Getenv(crashFile+"_FROM"), 10, 64)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	failed := make(chan error)
	for w := range uint64(crashWriters) {
		go func() {
			for n := from + w; ; n += crashWriters {
				if err := s.Write(ctx, crashBatch(n)); err != nil {
					failed <- err
					return
				}
				if n%50 == 0 {
					err := s.PutLinks(ctx, []model.Link{{
						RequestID: crashBatch(n).Requests[0].ID, Verdict: model.Verdict{Status: model.Linked},
					}}, store.Watermark(n))
					if err != nil {
						failed <- err
						return
					}
				}
				mu.Lock()
				fmt.Println(n)
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

// TestKilledWriter kills a writing process again and again, and looks for every
// batch that it acknowledged.
func TestKilledWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.duckdb")
	acknowledged := map[uint64]bool{}
	from := uint64(0)
	for _, kill := range []int{1, 7, 60, 23} { // after so many acknowledgements
		last := runAndKill(t, path, from, kill, acknowledged)
		checkAcknowledged(t, path, acknowledged)
		from = last + crashWriters + 1
	}
}

// runAndKill returns the largest number that was acknowledged.
func runAndKill(t *testing.T, path string, from uint64, kill int, acknowledged map[uint64]bool) uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashFile+"="+path, crashFile+"_FROM="+strconv.FormatUint(from, 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, seen := from, 0
	for lines := bufio.NewScanner(out); lines.Scan(); seen++ {
		if seen == kill {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		// Lines that were in the pipe when the process died count too.
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}
		acknowledged[n] = true
		last = max(last, n)
	}
	if err := cmd.Wait(); err == nil || seen <= kill {
		t.Fatalf("the writer ended by itself after %d batches: %v", seen, err)
	}
	return last
}

func checkAcknowledged(t *testing.T, path string, acknowledged map[uint64]bool) {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Threads: 2})
	if err != nil {
		t.Fatalf("open after the kill: %v", err)
	}
	column := func(id *uint64) []any { return []any{id} }
	for name, query := range map[string]string{"request": "SELECT id FROM requests", "span": "SELECT span_id FROM spans"} {
		count := map[uint64]int{}
		for _, id := range all(s.db, column, query) {
			if count[id]++; count[id] > 1 {
				t.Errorf("%s %d is stored twice", name, id)
			}
		}
		for n := range slices.Max(slices.Collect(maps.Keys(acknowledged))) + 2*crashWriters {
			stored := 0
			for _, r := range crashBatch(n).Requests {
				stored += count[number(r.ID)]
			}
			// A batch that is not stored may still share its first and last row.
			if stored < crashRows && (acknowledged[n] || stored > 2) {
				t.Errorf("batch %d, acknowledged: %v, is stored with %d of its %d %ss", n, acknowledged[n], stored, crashRows, name)
			}
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

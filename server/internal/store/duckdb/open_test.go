package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// wantError asserts the kind of an error and a word of what the user reads.
func wantError(t *testing.T, err error, kind Kind, word string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *Error", err)
	}
	if e.Kind != kind || !strings.Contains(err.Error(), word) {
		t.Errorf("error of kind %q: %v; want %q and the word %q", e.Kind, err, kind, word)
	}
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	first := openTest(t, path)
	for _, threads := range []int{1, 2} { // the same options, and others
		_, err := Open(t.Context(), path, Options{Threads: threads})
		wantError(t, err, KindLocked, "open already")
	}

	// The first is not harmed, and once it is closed the file is free.
	if err := first.Write(t.Context(), store.Batch{Spans: []model.Span{{TraceID: [16]byte{1}}}}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	openTest(t, path)
}

// lockFile in the environment makes the test binary hold a file open until its
// standard input ends.
const lockFile = "THROUGHLINE_TEST_LOCK_FILE"

func holdOpen(path string) error {
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.Close(context.Background())
}

func TestOpenInAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), lockFile+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	wantError(t, err, KindLocked, "another process")
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	openTest(t, path)
}

func TestOpenRefusesPaths(t *testing.T) {
	for _, path := range []string{"", "a?memory_limit=1", "a#b", "a%20b"} {
		_, err := Open(t.Context(), path, Options{})
		wantError(t, err, KindInvalid, "path")
	}
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "none", "test.duckdb"), Options{})
	wantError(t, err, KindResource, "folder")
}

func TestOpenRefusesForeignFiles(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), garbage, Options{})
	wantError(t, err, KindVersion, "another program")

	for name, statement := range map[string]string{
		"format version 99": "UPDATE schema_version SET version = 99",
		"another program":   "DROP TABLE schema_version",
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := openTest(t, path).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("duckdb", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), path, Options{})
		wantError(t, err, KindVersion, name)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, filepath.Join(t.TempDir(), "test.duckdb"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a cancelled context: %v", err)
	}
}

// TestSealed proves that a statement which came through could reach no file, no network
// and no setting.
func TestSealed(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, filepath.Join(dir, "test.duckdb"))
	for _, statement := range []string{
		"SELECT * FROM read_text('/etc/hostname')",
		"SELECT * FROM '" + filepath.Join(dir, "x.csv") + "'",
		"COPY requests TO '" + filepath.Join(dir, "out.csv") + "'",
		"ATTACH '" + filepath.Join(dir, "other.duckdb") + "'",
		"EXPORT DATABASE '" + dir + "'",
		"INSTALL httpfs",
		"LOAD httpfs",
		"SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')",
		"SET enable_external_access = true",
		"SET memory_limit = '1TB'",
		"SET autoload_known_extensions = true",
	} {
		if _, err := s.db.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s: is allowed", statement)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.duckdb"), Options{MemoryLimit: 256 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for setting, want := range map[string]string{"memory_limit": "256.0 MiB", "threads": "1"} {
		var got string
		if err := s.db.QueryRowContext(t.Context(), "SELECT current_setting($1)::VARCHAR", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
}

func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	s := openTest(t, path)
	var writes sync.WaitGroup
	g := newTraffic(1)
	for range 8 {
		b := g.batch(20)
		writes.Go(func() {
			if err := s.Write(context.Background(), b); err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("write while closing: %v", err)
			}
		})
	}
	var closes sync.WaitGroup
	for range 3 {
		closes.Go(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	closes.Wait()
	writes.Wait()
	for name, err := range map[string]error{
		"Write":     s.Write(t.Context(), g.batch(1)),
		"PutLinks":  s.PutLinks(t.Context(), nil, 1),
		"Requests":  second(s.Requests(t.Context(), store.Filter{}, store.Page{Limit: 1})),
		"Request":   second(s.Request(t.Context(), model.EventID{1})),
		"Trace":     second(s.Trace(t.Context(), [16]byte{1}, 1)),
		"Watermark": second(s.Watermark(t.Context())),
		"Work":      second(s.Work(t.Context(), 0, g.now, 1, 1)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	// Close leaves one file, with nothing to replay.
	if _, err := os.Stat(path + ".wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a write-ahead log is left after Close: %v", err)
	}
}

func TestCloseGivesUpWaiting(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	if err := s.enter("test"); err != nil { // a call that does not end
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v, want context.Canceled", err)
	}
	s.leave()
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

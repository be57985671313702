package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/disk"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// schemaVersion is the version of the file format that schema.sql makes.
const schemaVersion = 4

// storageVersion is the version of DuckDB's own format that new files get: the first
// that knows all compressions which schema.sql names.
const storageVersion = "v1.2.0"

// connections bounds how many statements run at once, the writer's among them.
const connections = 16

// checkpointThreshold is the size of the write-ahead log, in bytes, at which a commit
// moves it into the tables, unless Options say another. DuckDB's own, a quarter of this, has it compress the last
// rows of each table four times as often; more would make opening after a crash slow.
const checkpointThreshold = 128 << 20

// Options tune a store; the zero value is a good start.
type Options struct {
	// MemoryLimit bounds the memory of DuckDB's own buffers, in bytes; 0 means 1 GiB.
	// What exceeds it spills to a folder beside the file.
	MemoryLimit int64
	// CheckpointBytes is the size of the write-ahead log at which it is moved into the tables; 0 means 128 MiB.
	CheckpointBytes int64
	// KeptFree is what a commit leaves of the disk, in bytes, beside twice the write-ahead log; 0 means 64 MiB.
	KeptFree int64
	// Threads bounds the threads of a query; 0 means one for every two cores. Several queries run beside each other
	// anyway, and with more threads the many small ones of taking in and linking spend a quarter of their time on
	// handing each other work.
	Threads int
	// FirstDue is how long after a request came in its first verdict is due; 0: not by time alone.
	FirstDue time.Duration
}

// Store is an open database file. Its methods may be called from many goroutines.
type Store struct {
	path    string
	options Options
	settled settledRows
	judging judging
	pace    pace
	memory  sync.Pool                       // of *encoder, for encode
	window  uint64                          // workWindow, but for tests
	free    func(dir string) (int64, error) // disk.Free, but for tests

	*engine // to be used by calls alone, between enter and leave: mend puts another one there

	mu      sync.Mutex
	calls   int       // under way
	idle    sync.Cond // told when calls has become zero
	down    *Error    // why there is no engine now
	closed  bool
	mending atomic.Bool

	work      sync.WaitGroup // of mend
	life      context.Context
	end       context.CancelFunc
	closing   sync.Once
	shut      chan struct{} // closed when everything is released
	shutError error         // to be read after shut
}

// engine is an open database.
type engine struct {
	db        *sql.DB
	writer    *writer
	directory *directory
}

var (
	_ store.Writer    = (*Store)(nil)
	_ store.Reader    = (*Store)(nil)
	_ store.Linker    = (*Store)(nil)
	_ store.Annotator = (*Store)(nil)
	_ store.Janitor   = (*Store)(nil)
)

// Open opens the database file at path, and creates it where there is none. One
// store at a time can have a file open. A file of an older version is brought up to this one, which
// takes one or two minutes for ten million rows, and as much disk again; it is not changed before that is done. The error is an *Error.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, failure(ctx, "open "+path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	e, err := openEngine(ctx, path, o)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, options: o, window: workWindow, free: disk.Free, engine: e, shut: make(chan struct{})}
	s.pace.still = paceStill
	s.idle.L = &s.mu
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s, nil
}

func openEngine(ctx context.Context, path string, o Options) (_ *engine, err error) {
	dsn, err := dataSource(path, o)
	if err != nil {
		return nil, err
	}
	connector, err := duckdb.NewConnector(dsn, nil)
	if err != nil {
		return nil, err
	}
	e := &engine{db: sql.OpenDB(connector)}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.db.Close())
		}
	}()
	e.db.SetMaxOpenConns(connections)
	e.db.SetMaxIdleConns(connections)

	if err := own(ctx, e.db); err != nil {
		return nil, err
	}
	if err := prepareSchema(ctx, e.db); err != nil {
		return nil, err
	}
	if e.directory, err = loadDirectory(ctx, e.db); err != nil {
		return nil, err
	}
	if e.writer, err = newWriter(ctx, e.db, e.directory); err != nil {
		return nil, err
	}
	return e, nil
}

// close writes everything into the file and releases it.
func (e *engine) close() error {
	err := e.writer.close()
	if closeErr := e.db.Close(); err == nil {
		err = closeErr
	}
	return err
}

// dataSource returns the driver's name for the file and its settings.
func dataSource(path string, o Options) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if path == "" || strings.ContainsAny(absolute, "?#%") {
		return "", &Error{
			Op: "open", Kind: KindInvalid, Err: fmt.Errorf("the path %q is not usable", absolute),
			Hint: "name a file, without ?, # or % in its path",
		}
	}
	limit := o.MemoryLimit
	if limit == 0 {
		limit = 1 << 30
	}
	checkpoint := o.CheckpointBytes
	if checkpoint == 0 {
		checkpoint = checkpointThreshold
	}
	settings := url.Values{
		"storage_compatibility_version": {storageVersion},
		"checkpoint_threshold":          {strconv.FormatInt(checkpoint, 10) + "B"},
		"memory_limit":                  {strconv.FormatInt(limit, 10) + "B"},
		"autoinstall_known_extensions":  {"false"},
		"autoload_known_extensions":     {"false"},
		"allow_unsigned_extensions":     {"false"},
	}
	threads := o.Threads
	if threads == 0 {
		threads = max(1, runtime.NumCPU()/2)
	}
	settings.Set("threads", strconv.Itoa(threads))
	return absolute + "?" + settings.Encode(), nil
}

// own makes this store the only one of its process to use the file: the driver
// hands the same database to everyone who opens the same path, and other
// processes are kept out by DuckDB's lock alone. From here on the database may
// neither load code nor reach a network or any files but its own.
func own(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "ATTACH ':memory:' AS owned"); err != nil {
		if strings.Contains(err.Error(), "already exists") {
			return &Error{Op: "open", Kind: KindLocked, Err: err, Hint: hintOpenHere}
		}
		return err
	}
	// The optimizer named fails on some of our windows with an internal error, which makes DuckDB give up (1.5.6).
	_, err := db.ExecContext(ctx, `SET disabled_optimizers = 'top_n_window_elimination';
		SET enable_external_access = false; SET lock_configuration = true`)
	return err
}

// Close waits for the calls that are under way, writes everything into the file
// and releases it. It may be called again, with the same result. When ctx ends first, Close
// returns its error and the closing goes on.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { go s.shutDown() })
	select {
	case <-s.shut:
		return s.shutError
	case <-ctx.Done():
		return failure(ctx, "close", ctx.Err())
	}
}

func (s *Store) shutDown() {
	defer close(s.shut)
	s.mu.Lock()
	s.closed = true
	s.await()
	s.mu.Unlock()
	s.end()
	s.work.Wait()
	if s.down != nil { // the file is closed already
		return
	}
	if err := s.close(); err != nil {
		s.shutError = failure(context.Background(), "close", err)
	}
}

// enter begins a call, or a part of one; leave ends it.
func (s *Store) enter(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return failure(context.Background(), op, ErrClosed)
	case s.down != nil:
		down := *s.down
		down.Op = op
		return &down
	}
	s.calls++
	return nil
}

func (s *Store) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls--; s.calls == 0 {
		s.idle.Broadcast()
	}
}

// await waits until no call is under way; the caller holds mu, and has seen to it that none begins.
func (s *Store) await() {
	for s.calls > 0 {
		s.idle.Wait()
	}
}

// DirectoryBytes returns the memory that the directory takes: about 9 MB for each million rows.
func (s *Store) DirectoryBytes() int64 { return s.lookup().bytes() }

// find asks the directory.
func (s *Store) find(keys ...key) []seqRange { return s.lookup().find(keys...) }

// lookup returns the directory, for who asks it more than once.
func (s *Store) lookup() *directory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory
}

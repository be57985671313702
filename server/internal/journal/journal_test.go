package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		os.Exit(crashChild(dir))
	}
	goleak.VerifyTestMain(m)
}

func open(tb testing.TB, dir string, o journal.Options) *journal.Journal {
	tb.Helper()
	j, err := journal.Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeJournal(tb, j) })
	return j
}

func closeJournal(tb testing.TB, j *journal.Journal) {
	tb.Helper()
	if err := j.Close(); err != nil {
		tb.Error(err)
	}
}

func add(tb testing.TB, j *journal.Journal, payloads ...string) []journal.Position {
	tb.Helper()
	positions := make([]journal.Position, 0, len(payloads))
	for _, p := range payloads {
		pos, err := j.Append(tb.Context(), 7, []byte(p))
		if err != nil {
			tb.Fatal(err)
		}
		positions = append(positions, pos)
	}
	return positions
}

// readAll gives the payloads that are there now, and what stopped it.
func readAll(tb testing.TB, j *journal.Journal, after journal.Position) ([]string, error) {
	tb.Helper()
	r, err := j.Reader(after)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var got []string
	for {
		rec, ok, err := r.TryNext()
		if !ok || err != nil {
			return got, err
		}
		if rec.Position <= after {
			tb.Errorf("position %d comes after %d", rec.Position, after)
		}
		after = rec.Position
		got = append(got, string(rec.Payload))
	}
}

func wantAll(tb testing.TB, j *journal.Journal, after journal.Position, want ...string) {
	tb.Helper()
	got, err := readAll(tb, j, after)
	if err != nil {
		tb.Error(err)
	}
	if !slices.Equal(got, want) {
		tb.Errorf("after %d there is %.200q, want %.200q", after, got, want)
	}
}

// crashed gives what a crash would leave: the files as they are now.
func crashed(tb testing.TB, dir string) string {
	tb.Helper()
	to := tb.TempDir()
	for _, name := range segments(tb, dir) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		write(tb, filepath.Join(to, name), bytes.TrimRight(content, "\x00"))
		if err := os.Truncate(filepath.Join(to, name), int64(len(content))); err != nil {
			tb.Fatal(err)
		}
	}
	return to
}

func write(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

func segments(tb testing.TB, dir string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		tb.Fatal(err)
	}
	names := make([]string, 0, len(paths))
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func TestRoundTrip(t *testing.T) {
	type rec struct {
		kind   byte
		pieces [][]byte
	}
	records := []rec{
		{0, nil},
		{1, [][]byte{[]byte("one piece")}},
		{2, [][]byte{[]byte("two "), {}, []byte("pieces")}},
		{255, [][]byte{bytes.Repeat([]byte("x"), 300<<10), []byte("y")}},
		{3, [][]byte{make([]byte, journal.MaxRecord)}},
		{4, [][]byte{[]byte("TLR"), []byte("TLRTLRTLR")}},
	}
	dir := filepath.Join(t.TempDir(), "made", "by the journal")
	j := open(t, dir, journal.Options{})
	positions := []journal.Position{0}
	for _, r := range records {
		pos, err := j.Append(t.Context(), r.kind, r.pieces...)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, pos)
	}
	if _, err := j.Append(t.Context(), 0, make([]byte, journal.MaxRecord), []byte{1}); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("a record beyond the limit: %v", err)
	}
	check := func(j *journal.Journal) {
		t.Helper()
		for i, after := range positions {
			r, err := j.Reader(after)
			if err != nil {
				t.Fatal(err)
			}
			for k, want := range records[i:] {
				rec, err := r.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if rec.Kind != want.kind || rec.Position != positions[i+k+1] || !bytes.Equal(rec.Payload, slices.Concat(want.pieces...)) {
					t.Errorf("after %d: record %d has kind %d, position %d and %d bytes", after, k, rec.Kind, rec.Position, len(rec.Payload))
				}
			}
			if _, ok, err := r.TryNext(); ok || err != nil {
				t.Errorf("after the last record: %t, %v", ok, err)
			}
			if err := errors.Join(r.Close(), r.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	check(j)
	if s := j.Stats(); s.Records != 6 || s.Last != positions[6] || s.Unread(positions[5]) != uint64(positions[6]-positions[5]) || s.Unread(0) != uint64(s.Last) {
		t.Errorf("stats: %+v", s)
	}
	left := crashed(t, dir)
	closeJournal(t, j)
	check(open(t, dir, journal.Options{}))
	check(open(t, left, journal.Options{}))
}

// together appends at one go, so that the records make one group.
func together(t *testing.T, j *journal.Journal, d *disk, payloads ...string) {
	t.Helper()
	gate := make(chan struct{})
	d.set(func(d *disk) { d.gate = gate })
	var wg sync.WaitGroup
	appendOne := func(p string) {
		if _, err := j.Append(t.Context(), 7, []byte(p)); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { appendOne("the group before") })
	synctest.Wait()
	for _, p := range payloads {
		wg.Go(func() { appendOne(p) })
		synctest.Wait()
	}
	d.set(func(d *disk) { d.gate = nil })
	close(gate)
	wg.Wait()
}

func TestManyShareOneSync(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j := open(t, dir, d.options())
		before := d.syncs.Load()
		want := []string{"the group before"}
		for i := range 200 {
			want = append(want, strconv.Itoa(i))
		}
		together(t, j, d, want[1:]...)
		if n := d.syncs.Load() - before; n != 2 {
			t.Errorf("%d syncs, want 2", n)
		}
		if s := j.Stats(); s.Groups != 2 || s.Records != 201 {
			t.Errorf("stats: %+v", s)
		}
		wantAll(t, j, 0, want...)
	})
}

// TestNothingIsReadBeforeItIsSynced: a reader must not see what a crash may take.
func TestNothingIsReadBeforeItIsSynced(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j := open(t, dir, d.options())
		r, err := j.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		gate := make(chan struct{})
		d.set(func(d *disk) { d.gate = gate })
		var wg sync.WaitGroup
		wg.Go(func() { add(t, j, "a") })
		synctest.Wait()
		if _, ok, err := r.TryNext(); ok || err != nil {
			t.Errorf("before the sync: %t, %v", ok, err)
		}
		d.set(func(d *disk) { d.gate = nil })
		close(gate)
		wg.Wait()
		if _, ok, err := r.TryNext(); !ok || err != nil {
			t.Errorf("after the sync: %t, %v", ok, err)
		}
	})
}

func TestCallersWaitForRoomInTheGroup(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j := open(t, dir, journal.Options{}.Faulty(d.wrap, d.syncDir, 1000))
		gate := make(chan struct{})
		d.set(func(d *disk) { d.gate = gate })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { add(t, j, strings.Repeat("x", 100)) })
		}
		synctest.Wait()
		if s := j.Stats(); s.Bytes > 2*1120+journal.SegmentHeader {
			t.Errorf("%d bytes are held, want at most two groups", s.Bytes)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := j.Append(ctx, 0, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("waiting for room: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		d.set(func(d *disk) { d.gate = nil })
		close(gate)
		wg.Wait()
		if s := j.Stats(); s.Records != 100 {
			t.Errorf("%d records, want 100", s.Records)
		}
	})
}

func TestContextEndsTheWaiting(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		j := open(t, dir, d.options())
		ctx, cancel := context.WithCancel(t.Context())
		gate := make(chan struct{})
		d.set(func(d *disk) { d.gate = gate })
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := j.Append(ctx, 0, []byte("perhaps")); !errors.Is(err, context.Canceled) {
				t.Errorf("waiting for the disk: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if _, err := j.Append(ctx, 0, []byte("never")); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
		r, err := j.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("reading: %v", err)
		}
		d.set(func(d *disk) { d.gate = nil })
		close(gate)
		add(t, j, "after")
		wantAll(t, j, 0, "perhaps", "after")
	})
}

func TestBudget(t *testing.T) {
	d := &disk{quick: true}
	o := d.options()
	o.SegmentBytes, o.Budget = 1000, 2000
	dir := t.TempDir()
	j := open(t, dir, o)
	if _, err := j.Append(t.Context(), 0, make([]byte, 1000)); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("half of the budget: %v", err)
	}
	var after journal.Position
	for round := range 50 {
		n := 0
		for ; ; n++ {
			_, err := j.Append(t.Context(), 0, make([]byte, 10*round))
			if errors.Is(err, journal.ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := j.Stats(); s.Bytes > s.Budget {
				t.Fatalf("%d bytes of %d", s.Bytes, s.Budget)
			}
		}
		if n == 0 {
			t.Fatalf("round %d: no room after all was let go", round)
		}
		got, err := readAll(t, j, after)
		if err != nil || len(got) != n {
			t.Fatalf("round %d: %d records, want %d; %v", round, len(got), n, err)
		}
		after = j.Stats().Last
		if err := j.Trim(after); err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, name := range segments(t, dir) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			sum += info.Size()
		}
		if s := j.Stats(); s.Bytes != sum {
			t.Fatalf("stats say %d bytes, the files have %d", s.Bytes, sum)
		}
	}
	if _, err := journal.Open(t.TempDir(), journal.Options{SegmentBytes: 100, Budget: 199}); err == nil {
		t.Error("a budget for less than two segments was taken")
	}
}

func TestTrim(t *testing.T) {
	d := &disk{quick: true}
	o := d.options()
	o.SegmentBytes = 100 // two records of 30 bytes
	dir := t.TempDir()
	j := open(t, dir, o)
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("record %03d", i))
	}
	pos := add(t, j, all...)
	if s := j.Stats(); s.Segments != 5 || s.First != 0 {
		t.Fatalf("stats: %+v", s)
	}
	for _, c := range []struct {
		upTo  journal.Position
		first int // the first record that is still there
	}{{0, 0}, {pos[0], 0}, {pos[1] - 1, 0}, {pos[1], 2}, {pos[0], 2}, {pos[6], 6}, {pos[8], 8}} {
		if err := j.Trim(c.upTo); err != nil {
			t.Fatal(err)
		}
		wantAll(t, j, 0, all[c.first:]...)
		closeJournal(t, j)
		j = open(t, dir, o)
		wantAll(t, j, 0, all[c.first:]...)
	}
	if err := j.Trim(pos[9] + 1); !errors.Is(err, journal.ErrAhead) {
		t.Errorf("trimming beyond the end: %v", err)
	}
	if _, err := j.Reader(pos[3]); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("reading what was let go: %v", err)
	}
	if _, err := j.Reader(pos[9] + 1); !errors.Is(err, journal.ErrAhead) {
		t.Errorf("reading beyond the end: %v", err)
	}

	// With everything gone, positions go on growing.
	if err := j.Trim(pos[9]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantAll(t, j, 0)
		wantAll(t, j, pos[9])
		if s := j.Stats(); s.First != pos[9] || s.Last != pos[9] || s.Segments != 1 {
			t.Errorf("stats: %+v", s)
		}
		closeJournal(t, j)
		j = open(t, dir, o)
	}
	if p := add(t, j, "later"); p[0] != pos[9]+journal.RecordHeader+5 {
		t.Errorf("position %d after %d", p[0], pos[9])
	}
	wantAll(t, j, pos[9], "later")
}

// TestStart: where the folder was lost, the store's position is not given out again.
func TestStart(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Start: 5000})
	if p := add(t, j, "a"); p[0] != 5021 {
		t.Errorf("position %d", p[0])
	}
	wantAll(t, j, 5000, "a")
	closeJournal(t, j)
	j = open(t, dir, journal.Options{Start: 5021})
	wantAll(t, j, 5000, "a")
}

func TestFollowWhileAppendingAndTrimming(t *testing.T) {
	const producers, each = 8, 400
	d := &disk{quick: true}
	o := d.options()
	o.SegmentBytes, o.Budget = 4<<10, 16<<10
	j := open(t, t.TempDir(), o)
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := 0; i < each; {
				var b [8]byte
				binary.LittleEndian.PutUint32(b[:], uint32(p))
				binary.LittleEndian.PutUint32(b[4:], uint32(i))
				switch _, err := j.Append(t.Context(), byte(p), b[:], make([]byte, i)); {
				case err == nil:
					i++
				case errors.Is(err, journal.ErrFull): // the reader makes room
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	next := make([]uint32, producers)
	for n := range producers * each {
		rec, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, i := binary.LittleEndian.Uint32(rec.Payload), binary.LittleEndian.Uint32(rec.Payload[4:])
		if byte(p) != rec.Kind || i != next[p] || len(rec.Payload) != 8+int(i) {
			t.Fatalf("record %d of producer %d, want %d", i, p, next[p])
		}
		next[p]++
		if n%7 == 0 {
			if err := j.Trim(rec.Position); err != nil {
				t.Fatal(err)
			}
		}
	}
	wg.Wait()
	if s := j.Stats(); s.Segments > 5 {
		t.Errorf("%d segments are left", s.Segments)
	}
}

// TestReaderBehindTrim: who has not read what was let go is told.
func TestReaderBehindTrim(t *testing.T) {
	d := &disk{quick: true}
	o := d.options()
	o.SegmentBytes = 100
	j := open(t, t.TempDir(), o)
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	pos := add(t, j, "a", strings.Repeat("b", 90), "c", strings.Repeat("d", 90))
	if rec, err := r.Next(t.Context()); err != nil || rec.Position != pos[0] {
		t.Fatal(rec, err)
	}
	if err := j.Trim(pos[3]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("reading on: %v", err)
	}
}

func TestCloseWhileAppending(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var wg sync.WaitGroup
	started := make(chan struct{}, 1000)
	for p := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				payload := fmt.Sprintf("%d/%d", p, i)
				if _, err := j.Append(t.Context(), 0, []byte(payload)); err != nil {
					if !errors.Is(err, journal.ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				acknowledged[payload] = true
				mu.Unlock()
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	wg.Go(func() { // follows to the end
		for {
			if _, err := r.Next(t.Context()); err != nil {
				if !errors.Is(err, journal.ErrClosed) {
					t.Error(err)
				}
				return
			}
		}
	})
	for range 100 {
		<-started
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, err := j.Reader(0); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("a reader of what is closed: %v", err)
	}
	if err := j.Trim(0); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("trimming what is closed: %v", err)
	}
	got, err := readAll(t, open(t, dir, journal.Options{}), 0)
	if err != nil {
		t.Error(err)
	}
	for _, p := range got {
		delete(acknowledged, p)
	}
	if len(acknowledged) > 0 {
		t.Errorf("acknowledged and lost: %v", acknowledged)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	if _, err := journal.Open(dir, journal.Options{}); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	closeJournal(t, j)
	open(t, dir, journal.Options{})
}

func TestOpenSaysWhatIsWrongWithTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	if _, err := journal.Open(file, journal.Options{}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file instead of a folder: %v", err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.journal"), nil)
	if _, err := journal.Open(dir, journal.Options{}); err == nil || !strings.Contains(err.Error(), "1.journal") {
		t.Errorf("a foreign file: %v", err)
	}
}

// TestUnfinishedSegmentIsRemoved: a crash while a segment was begun.
func TestUnfinishedSegmentIsRemoved(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir, journal.Options{}), "a")
	left := crashed(t, dir)
	path := filepath.Join(left, "00000000000000000021.journal.new")
	write(t, path, []byte("TLJ"))
	wantAll(t, open(t, left, journal.Options{}), 0, "a")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestAppendAndReadDoNotAllocatePerByte(t *testing.T) {
	d := &disk{quick: true}
	j := open(t, t.TempDir(), d.options())
	head, body := []byte("head"), make([]byte, 64<<10)
	appendOne := func() {
		if _, err := j.Append(t.Context(), 0, head, body); err != nil {
			t.Fatal(err)
		}
	}
	// A group and its channel, which a lone producer pays alone.
	if n := testing.AllocsPerRun(100, appendOne); n > 3 {
		t.Errorf("%v allocations per Append, want at most 3", n)
	}
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	readOne := func() {
		if _, ok, err := r.TryNext(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	readOne() // opens the file and makes the buffer
	if n := testing.AllocsPerRun(90, readOne); n > 0 {
		t.Errorf("%v allocations per record read, want none", n)
	}
}

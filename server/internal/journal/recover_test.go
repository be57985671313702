package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

const firstName = "00000000000000000000.journal"

// quick does not wait for the disk: these tests open hundreds of journals.
func quick() journal.Options { return (&disk{quick: true}).options() }

// oneSegment makes a segment of three groups: a, the group before, and the given records.
func oneSegment(t *testing.T, payloads ...string) (content []byte, lastGroup int) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{quick: true}
		j := open(t, dir, d.options())
		add(t, j, "a")
		together(t, j, d, payloads...)
		content = read(t, filepath.Join(dir, firstName))
	})
	lastGroup = len(content)
	for _, p := range payloads {
		lastGroup -= journal.RecordHeader + len(p)
	}
	return content, lastGroup
}

// reopen opens a folder with this one segment.
func reopen(t *testing.T, content []byte) (*journal.Journal, string, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, firstName), content)
	j, err := journal.Open(dir, quick())
	return j, dir, err
}

// TestTornTail: wherever a crash cuts the last group, and whatever stands in place of
// the rest, exactly the whole records before are there, and it goes on.
func TestTornTail(t *testing.T) {
	last := []string{"", "one", "x"}
	content, start := oneSegment(t, last...)
	for cut := start; cut <= len(content); cut++ {
		want, end := []string{"a", "the group before"}, start
		for _, p := range last {
			if end+journal.RecordHeader+len(p) > cut {
				break
			}
			end += journal.RecordHeader + len(p)
			want = append(want, p)
		}
		for what, tail := range map[string][]byte{
			"nothing": nil,
			"zeros":   make([]byte, 4096),
			"garbage": bytes.Repeat([]byte("\xffTLR"), 50),
			"stale":   content[start:], // a record of the same bytes at another place
		} {
			if what == "stale" && cut == start {
				continue // that is the whole group
			}
			left := slices.Concat(content[:cut], tail)
			j, dir, err := reopen(t, left)
			if err != nil {
				t.Fatalf("cut at %d, then %s: %v", cut, what, err)
			}
			// Zeros at the end may have been reserved only.
			if s, torn := j.Stats(), len(bytes.TrimRight(left[end:], "\x00")); s.Torn != int64(torn) {
				t.Errorf("cut at %d, then %s: %d bytes torn, want %d", cut, what, s.Torn, torn)
			}
			wantAll(t, j, 0, want...)
			add(t, j, "after the crash")
			wantAll(t, j, 0, append(want, "after the crash")...)
			closeJournal(t, j)
			j, err = journal.Open(dir, quick())
			if err != nil {
				t.Fatal(err)
			}
			wantAll(t, j, 0, append(want, "after the crash")...)
			closeJournal(t, j)
		}
	}
}

// TestHoleInTheLastGroup: the disk may have written the end of a group and not its
// beginning. Nothing of it was acknowledged, so that it is torn, not damaged.
func TestHoleInTheLastGroup(t *testing.T) {
	content, start := oneSegment(t, "first", "second", "third")
	for at := start; at < len(content); at++ {
		holed := bytes.Clone(content)
		holed[at] ^= 0x10
		j, _, err := reopen(t, holed)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		got, err := readAll(t, j, 0)
		if err != nil || len(got) < 2 || len(got) > 4 || got[1] != "the group before" {
			t.Errorf("byte %d: %q, %v", at, got, err)
		}
		closeJournal(t, j)
	}
}

// TestDamageBeforeTheLastGroup: any flipped bit in what was synced is reported with
// its place, and nothing is touched.
func TestDamageBeforeTheLastGroup(t *testing.T) {
	content, start := oneSegment(t, "first", "second")
	second := journal.SegmentHeader + journal.RecordHeader + len("a")
	for at := range start {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		j, dir, err := reopen(t, damaged)
		var damage *journal.DamageError
		if !errors.As(err, &damage) {
			if j != nil {
				closeJournal(t, j)
			}
			t.Errorf("byte %d: %v, want damage", at, err)
			continue
		}
		want := 0
		switch {
		case at >= second:
			want = second
		case at >= journal.SegmentHeader:
			want = journal.SegmentHeader
		}
		path := filepath.Join(dir, firstName)
		if damage.Offset != int64(want) || damage.File != path || !strings.Contains(err.Error(), ".damaged") {
			t.Errorf("byte %d: %v", at, err)
		}
		if !bytes.Equal(read(t, path), damaged) {
			t.Errorf("byte %d: the file was changed", at)
		}
	}
}

// TestSkipDamage: a person renames the file, and what is whole in it is read.
func TestSkipDamage(t *testing.T) {
	content, _ := oneSegment(t, "first", "second")
	second := journal.SegmentHeader + journal.RecordHeader + len("a")
	for _, c := range []struct {
		name   string
		damage func(b []byte) []byte
		want   []string
	}{
		{"a payload", func(b []byte) []byte { b[second-1]++; return b }, []string{"the group before", "first", "second"}},
		{"a header", func(b []byte) []byte { b[second]++; return b }, []string{"a", "first", "second"}},
		{"two records", func(b []byte) []byte { clear(b[second-1 : second+5]); return b }, []string{"first", "second"}},
		{"the end", func(b []byte) []byte { return b[:len(b)-1] }, []string{"a", "the group before", "first"}},
		{"the segment's header", func(b []byte) []byte { b[0]++; return b }, nil},
		{"all of it", func([]byte) []byte { return nil }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "00000000000000000000.damaged"), c.damage(bytes.Clone(content)))
			j := open(t, dir, quick())
			wantAll(t, j, 0, c.want...)
			skipped := j.Stats().Skipped
			if left := content[journal.SegmentHeader:]; c.name != "all of it" && (skipped == 0 || skipped > int64(len(left))) {
				t.Errorf("%d bytes were skipped", skipped)
			}
			add(t, j, "new")
			closeJournal(t, j)
			j = open(t, dir, quick())
			wantAll(t, j, 0, append(c.want, "new")...)
			if err := j.Trim(j.Stats().Last); err != nil {
				t.Error(err)
			}
			wantAll(t, j, 0)
			if names := segments(t, dir); len(names) != 1 || strings.HasSuffix(names[0], ".damaged") {
				t.Errorf("files: %v", names)
			}
		})
	}
}

// sealedFolder has three segments of one record each, and an empty one.
func sealedFolder(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	o := quick()
	o.SegmentBytes = 60
	j := open(t, dir, o)
	add(t, j, "one", "two", "three")
	closeJournal(t, j)
	names = segments(t, dir)
	if len(names) != 4 {
		t.Fatal(names)
	}
	return dir, names
}

// TestDamageInOlderSegments: their sizes are checked by Open, their records by the reader.
func TestDamageInOlderSegments(t *testing.T) {
	for _, c := range []struct {
		name   string
		file   int
		rename string
		change func(b []byte) []byte
	}{
		{name: "cut", file: 1, change: func(b []byte) []byte { return b[:len(b)-1] }},
		{name: "longer", file: 1, change: func(b []byte) []byte { return append(b, 0) }},
		{name: "header", file: 1, change: func(b []byte) []byte { b[20]++; return b }},
		{name: "newest empty", file: 3, change: func([]byte) []byte { return nil }},
		{name: "missing", file: 1, rename: "elsewhere"},
		{name: "other name", file: 1, rename: "00000000000000000001.journal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, names := sealedFolder(t)
			path := filepath.Join(dir, names[c.file])
			if c.change != nil {
				write(t, path, c.change(read(t, path)))
			} else if err := os.Rename(path, filepath.Join(dir, c.rename)); err != nil {
				t.Fatal(err)
			}
			_, err := journal.Open(dir, quick())
			if _, ok := errors.AsType[*journal.DamageError](err); !ok {
				t.Errorf("%v, want damage", err)
			}
		})
	}
}

// TestDamageFoundByTheReader: and skipped once the file is renamed.
func TestDamageFoundByTheReader(t *testing.T) {
	dir, names := sealedFolder(t)
	path := filepath.Join(dir, names[1])
	content := read(t, path)
	content[len(content)-1]++
	write(t, path, content)
	j := open(t, dir, quick())
	got, err := readAll(t, j, 0)
	damage, ok := errors.AsType[*journal.DamageError](err)
	if !ok || damage.File != path || damage.Offset != journal.SegmentHeader || len(got) != 1 {
		t.Errorf("read %q and then %v, want damage after one", got, err)
	}
	closeJournal(t, j)
	if err := os.Rename(path, strings.TrimSuffix(path, ".journal")+".damaged"); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, quick())
	wantAll(t, j, 0, "one", "three")
	if s := j.Stats(); s.Skipped != journal.RecordHeader+3 {
		t.Errorf("stats: %+v", s)
	}
	if err := j.Trim(j.Stats().Last); err != nil {
		t.Error(err)
	}
	wantAll(t, j, 0)
}

// TestNewestMissing: with the newest files gone, the store is ahead.
func TestNewestMissing(t *testing.T) {
	dir, names := sealedFolder(t)
	j := open(t, dir, quick())
	last := j.Stats().Last
	closeJournal(t, j)
	os.Remove(filepath.Join(dir, names[3]))
	os.Remove(filepath.Join(dir, names[2]))
	if _, err := open(t, dir, quick()).Reader(last); !errors.Is(err, journal.ErrAhead) {
		t.Errorf("%v, want ErrAhead", err)
	}
}

// TestNotARecord: a position that no record ends at.
func TestNotARecord(t *testing.T) {
	j := open(t, t.TempDir(), quick())
	add(t, j, "abc")
	if _, err := readAll(t, j, 2); err == nil {
		t.Error("a record was read from its middle")
	}
}

func TestNewerVersion(t *testing.T) {
	content, _ := oneSegment(t, "x")
	content[8] = 2
	binary.LittleEndian.PutUint32(content[32:], crc32.Checksum(content[:32], crc32.MakeTable(crc32.Castagnoli)))
	_, _, err := reopen(t, content)
	if _, ok := errors.AsType[*journal.DamageError](err); err == nil || ok || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%v, want one that names the version", err)
	}
}

func TestFailedSync(t *testing.T) {
	for name, c := range map[string]func(d *disk, err error){
		"sync":  func(d *disk, err error) { d.syncErr = err },
		"write": func(d *disk, err error) { d.writeErr = err },
		"cut":   func(d *disk, err error) { d.truncateErr, d.full = err, err != nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			dir := t.TempDir()
			j := open(t, dir, d.options())
			pos := add(t, j, "before")
			d.set(func(d *disk) { c(d, syscall.EIO) })
			if _, err := j.Append(t.Context(), 0, []byte("lost")); !errors.Is(err, journal.ErrFailed) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), filepath.Join(dir, firstName)+":") {
				t.Errorf("with the disk failing: %v", err)
			}
			d.set(func(d *disk) { c(d, nil) })
			// The next sync would succeed without what the failed one lost.
			if _, err := j.Append(t.Context(), 0, []byte("never")); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("after it failed: %v", err)
			}
			if s := j.Stats(); !errors.Is(s.Err, journal.ErrFailed) || s.Last != pos[0] {
				t.Errorf("stats: %+v", s)
			}
			wantAll(t, j, 0, "before")
			left := crashed(t, dir)
			closeJournal(t, j)
			for _, dir := range []string{dir, left} {
				j := open(t, dir, journal.Options{})
				wantAll(t, j, 0, "before")
				add(t, j, "after")
				wantAll(t, j, 0, "before", "after")
			}
		})
	}
}

func TestDiskFull(t *testing.T) {
	for space := range 60 {
		d := &disk{quick: true}
		dir := t.TempDir()
		j := open(t, dir, d.options())
		add(t, j, "before")
		size := len(read(t, filepath.Join(dir, firstName)))
		d.set(func(d *disk) { d.full, d.space = true, space })
		if _, err := j.Append(t.Context(), 0, make([]byte, 100)); !errors.Is(err, journal.ErrFull) || errors.Is(err, journal.ErrFailed) {
			t.Fatalf("with room for %d: %v", space, err)
		}
		if n := len(read(t, filepath.Join(dir, firstName))); n != size {
			t.Errorf("with room for %d: the file has %d bytes, had %d", space, n, size)
		}
		if s := j.Stats(); s.Bytes != int64(size) || s.Err != nil {
			t.Errorf("stats: %+v", s)
		}
		d.set(func(d *disk) { d.full = false })
		add(t, j, "after")
		wantAll(t, j, 0, "before", "after")
		closeJournal(t, j)
		wantAll(t, open(t, dir, quick()), 0, "before", "after")
	}
}

// TestDiskFullBetweenSegments: another file cannot be begun.
func TestDiskFullBetweenSegments(t *testing.T) {
	d := &disk{quick: true}
	o := d.options()
	o.SegmentBytes = 100
	dir := t.TempDir()
	j := open(t, dir, o)
	pos := add(t, j, strings.Repeat("x", 44))
	d.set(func(d *disk) { d.full, d.space = true, 10 })
	if _, err := j.Append(t.Context(), 0, []byte("y")); !errors.Is(err, journal.ErrFull) {
		t.Errorf("with no room for another file: %v", err)
	}
	if err := j.Trim(pos[0]); err != nil { // needs another file, too
		t.Error(err)
	}
	if names := segments(t, dir); len(names) != 1 {
		t.Errorf("files: %v", names)
	}
	d.set(func(d *disk) { d.full = false })
	add(t, j, "y")
	wantAll(t, j, pos[0], "y")
	d.set(func(d *disk) { d.full = true })
	closeJournal(t, j)
	wantAll(t, open(t, dir, quick()), pos[0], "y")
}

// TestFailureInANewSegment: also what begins a segment must be on disk. A full disk
// is no excuse once the segment has its name.
func TestFailureInANewSegment(t *testing.T) {
	for name, fault := range map[string]func(d *disk){
		"file":             func(d *disk) { d.syncErr = syscall.EIO },
		"folder":           func(d *disk) { d.dirErr = syscall.EIO },
		"folder, no space": func(d *disk) { d.dirErr = syscall.ENOSPC },
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{quick: true}
			o := d.options()
			o.SegmentBytes = 100
			dir := t.TempDir()
			j := open(t, dir, o)
			before := strings.Repeat("x", 44)
			pos := add(t, j, before)
			d.set(fault)
			if _, err := j.Append(t.Context(), 0, []byte("y")); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("with the disk failing: %v", err)
			}
			d.set(func(d *disk) { d.syncErr, d.dirErr = nil, nil })
			if _, err := j.Append(t.Context(), 0, nil); !errors.Is(err, journal.ErrFailed) {
				t.Errorf("after it failed: %v", err)
			}
			if err := j.Trim(pos[0]); err != nil {
				t.Error(err)
			}
			closeJournal(t, j)
			j = open(t, dir, quick())
			wantAll(t, j, 0, before)
			add(t, j, "z")
			wantAll(t, j, 0, before, "z")
		})
	}
}

// TestFrozenSegment: a segment as version 1 wrote it stays readable.
func TestFrozenSegment(t *testing.T) {
	name := "00000000000000004096.journal"
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), read(t, filepath.Join("testdata", "v1", name)))
	j := open(t, dir, quick())
	wantAll(t, j, 4096, "", "a beacon", "two pieces", strings.Repeat("0123456789", 30))
	if s := j.Stats(); s.First != 4096 || s.Torn != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// TestReservedSpace: what is reserved is no torn tail, and is given back when
// another segment begins. Where it cannot be had, nothing changes.
func TestReservedSpace(t *testing.T) {
	for name, c := range map[string]struct {
		reserve func(f *os.File, n int64) error
		size    int64
	}{
		"had":         {func(f *os.File, n int64) error { return f.Truncate(n) }, 1000},
		"had in part": {func(f *os.File, _ int64) error { return errors.Join(f.Truncate(500), syscall.ENOSPC) }, journal.SegmentHeader + 2*30},
		"not known":   {func(*os.File, int64) error { return errors.ErrUnsupported }, journal.SegmentHeader + 2*30},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := quick().Reserving(c.reserve)
			o.SegmentBytes = 1000
			j := open(t, dir, o)
			pos := add(t, j, "ten bytes.", "more bytes")
			path := filepath.Join(dir, firstName)
			if n := int64(len(read(t, path))); n != c.size {
				t.Errorf("the file has %d bytes, want %d", n, c.size)
			}
			if s := j.Stats(); s.Bytes != journal.SegmentHeader+2*30 {
				t.Errorf("stats: %+v", s)
			}
			after := open(t, crashed(t, dir), o)
			if s := after.Stats(); s.Torn != 0 || s.Last != pos[1] {
				t.Errorf("stats after a crash: %+v", s)
			}
			add(t, after, "and more")
			wantAll(t, after, pos[0], "more bytes", "and more")
			closeJournal(t, j)
			if n := len(read(t, path)); n != journal.SegmentHeader+2*30 {
				t.Errorf("the file has %d bytes after the end", n)
			}
			wantAll(t, open(t, dir, o), 0, "ten bytes.", "more bytes")
		})
	}
}

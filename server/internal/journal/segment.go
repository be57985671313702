package journal

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The bytes of a segment's header and the names of files; docs/format-journal.md
// says what each is for.
const (
	segmentMagic   = "TLJOURNL"
	segmentVersion = 1
	segmentHeader  = 36

	segmentSuffix = ".journal"
	damagedSuffix = ".damaged" // instead of .journal: a person's word that what is broken in it may be skipped
	newSuffix     = ".new"     // not yet a segment
	lockName      = "lock"
)

// segment is one file.
type segment struct {
	first   Position // of the first record's first byte
	size    int64    // of the file
	salt    [8]byte
	damaged bool // named so
	opaque  bool // damaged, and its header as well: nothing in it can be read
}

func (s segment) end() Position { return s.first + Position(max(s.size-segmentHeader, 0)) }

func (s segment) offset(p Position) int64 { return int64(p-s.first) + segmentHeader } //nolint:gosec // a file's size

func (s segment) name() string {
	suffix := segmentSuffix
	if s.damaged {
		suffix = damagedSuffix
	}
	return fmt.Sprintf("%020d%s", uint64(s.first), suffix)
}

func encodeHeader(first Position, salt [8]byte) []byte {
	h := make([]byte, segmentHeader)
	copy(h, segmentMagic)
	h[8] = segmentVersion
	binary.LittleEndian.PutUint64(h[16:], uint64(first))
	copy(h[24:], salt[:])
	binary.LittleEndian.PutUint32(h[32:], crc32.Checksum(h[:32], castagnoli()))
	return h
}

// decodeHeader gives the salt, or why the header is not that of a segment.
func decodeHeader(h []byte, first Position) (salt [8]byte, err error) {
	switch {
	case len(h) < segmentHeader:
		return salt, &broken{"the segment's header is cut short"}
	case string(h[:8]) != segmentMagic:
		return salt, &broken{"this is not a journal's segment"}
	case crc32.Checksum(h[:32], castagnoli()) != binary.LittleEndian.Uint32(h[32:]):
		return salt, &broken{"the checksum of the segment's header does not match"}
	case h[8] != segmentVersion:
		return salt, fmt.Errorf("journal: the segment has version %d of the format, this server knows version %d; "+
			"start the newer server again, or let it empty its journal first", h[8], segmentVersion)
	case binary.LittleEndian.Uint64(h[16:]) != uint64(first):
		return salt, &broken{"the segment's name and its header name different positions"}
	}
	return [8]byte(h[24:32]), nil
}

// list finds the segments of a folder, in order and without a gap, and removes
// what never became one.
func list(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var segments []segment
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, newSuffix) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("journal: %w", err)
			}
			continue
		}
		base, damaged := strings.CutSuffix(name, damagedSuffix)
		if !damaged {
			var ok bool
			if base, ok = strings.CutSuffix(name, segmentSuffix); !ok {
				continue
			}
		}
		first, err := strconv.ParseUint(base, 10, 64)
		if err != nil || len(base) != 20 {
			return nil, fmt.Errorf("journal: %s is not named like a segment; move it out of the folder", filepath.Join(dir, name))
		}
		s, err := inspect(filepath.Join(dir, name), Position(first), damaged)
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	slices.SortFunc(segments, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	return segments, checkChain(dir, segments)
}

// inspect reads a segment's header.
func inspect(path string, first Position, damaged bool) (segment, error) {
	s := segment{first: first, damaged: damaged}
	f, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	s.size = info.Size()
	h := make([]byte, segmentHeader)
	n, err := io.ReadFull(f, h)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.salt, err = decodeHeader(h[:n], first)
	}
	var b *broken
	switch {
	case err == nil:
		return s, nil
	case damaged:
		s.opaque = true
		return s, nil
	case errors.As(err, &b):
		return s, &DamageError{File: path, Reason: b.reason}
	default:
		return s, fmt.Errorf("%s: %w", path, err)
	}
}

// checkChain: a segment begins only after all before it was synced, so that each
// but the newest must end exactly where the next begins.
func checkChain(dir string, segments []segment) error {
	for i, s := range segments {
		if i == len(segments)-1 {
			return nil
		}
		next := segments[i+1]
		switch {
		case s.first == next.first:
			return fmt.Errorf("journal: %s holds both %s and %s; keep one", dir, s.name(), next.name())
		case s.damaged:
			segments[i].size = s.offset(next.first)
		case s.end() < next.first:
			return &DamageError{File: filepath.Join(dir, s.name()), Offset: s.size,
				Reason: "the file ends early, or one after it is missing: the next is " + next.name()}
		case s.end() > next.first:
			return &DamageError{File: filepath.Join(dir, s.name()), Offset: s.offset(next.first),
				Reason: fmt.Sprintf("the file goes on where %s begins", next.name())}
		}
	}
	return nil
}

// file is what the journal does with the newest segment. Tests put faults in between.
type file interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
}

// osFile is a file of the system.
type osFile struct{ *os.File }

func (f osFile) Sync() error { return syncData(f.File) }

// create makes a segment. Under its name there is never a file without a whole
// header: name and header are synced before the first record.
func create(dir string, first Position, o Options) (segment, *os.File, error) {
	s := segment{first: first, size: segmentHeader}
	if _, err := rand.Read(s.salt[:]); err != nil {
		return s, nil, err
	}
	path := filepath.Join(dir, s.name())
	f, err := os.OpenFile(path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return s, nil, err
	}
	w := o.wrap(f)
	if _, err = w.WriteAt(encodeHeader(first, s.salt), 0); err == nil {
		err = w.Sync()
	}
	if err == nil {
		err = os.Rename(path+newSuffix, path)
	}
	if err == nil {
		// The name is there, so that no record may go behind its position into the
		// segment before: there is no way back.
		if err = o.syncDir(dir); err != nil {
			err = failed(err)
		}
	}
	if err != nil {
		return s, nil, errors.Join(err, f.Close(), remove(path+newSuffix))
	}
	return s, f, nil
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes names durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDir makes a folder and those above it, durably.
func makeDir(dir string, sync func(string) error) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent, sync); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return sync(parent)
}

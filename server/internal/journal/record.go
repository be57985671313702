package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The bytes of a record; docs/format-journal.md says what each is for.
const (
	recordHeader = 20
	recordMark   = "TLR"
	markAt       = 17

	// MaxRecord is the largest payload.
	MaxRecord = 24 << 20
)

// castagnoli has an instruction on today's processors.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendRecord puts a record at the end of a group, without what only the
// writer can know (distance and header checksum, see sealer).
func appendRecord(group []byte, kind byte, size int, sum uint32, payload [][]byte) []byte {
	var h [recordHeader]byte
	binary.LittleEndian.PutUint32(h[4:], uint32(size)) //nolint:gosec // at most MaxRecord
	binary.LittleEndian.PutUint32(h[12:], sum)
	h[16] = kind
	copy(h[markAt:], recordMark)
	group = append(group, h[:]...)
	for _, p := range payload {
		group = append(group, p...)
	}
	return group
}

// sealer computes checksums of record headers. They cover the segment's salt and
// the record's position too, so that neither bytes that a sender made up, nor
// left-overs of another file, nor a block in the wrong place pass for a record.
type sealer struct {
	scratch [8 + 8 + recordHeader - 4]byte // a field, since what is passed to crc32 escapes
}

func (s *sealer) sum(salt [8]byte, start Position, header []byte) uint32 {
	copy(s.scratch[:8], salt[:])
	binary.LittleEndian.PutUint64(s.scratch[8:], uint64(start))
	copy(s.scratch[16:], header[4:recordHeader])
	return crc32.Checksum(s.scratch[:], castagnoli())
}

// finish completes the headers of a group that will be written at base.
func (s *sealer) finish(group []byte, salt [8]byte, base Position) (records uint64) {
	for off := 0; off < len(group); records++ {
		h := group[off:]
		binary.LittleEndian.PutUint32(h[8:], uint32(off))
		binary.LittleEndian.PutUint32(h, s.sum(salt, base+Position(off), h))
		off += recordHeader + int(binary.LittleEndian.Uint32(h[4:]))
	}
	return records
}

// broken is why no record could be read at an offset.
type broken struct{ reason string }

func (b *broken) Error() string { return b.reason }

// chunk is how much is read from a file at once.
const chunk = 256 << 10

// decoder reads the records of one segment. Its buffer is at most one record, or
// chunk where that is larger.
type decoder struct {
	src   io.ReaderAt
	salt  [8]byte
	first Position

	window []byte // bytes of the file from offset at
	at     int64
	buf    []byte
	seal   sealer
}

// reset turns to another segment.
func (d *decoder) reset(src io.ReaderAt, salt [8]byte, first Position) {
	d.src, d.salt, d.first, d.window = src, salt, first, nil
}

type record struct {
	kind    byte
	payload []byte // valid until the next read
	group   int64  // offset at which the record's group begins
	next    int64  // offset behind the record
}

// read gives the record at an offset of a file that ends at limit. The error is
// a *broken where there is no whole record, else one of the file system.
func (d *decoder) read(off, limit int64) (record, error) {
	h, err := d.bytes(off, recordHeader, limit)
	if err != nil {
		return record{}, err
	}
	size, group, err := d.header(h, off)
	if err != nil {
		return record{}, err
	}
	b, err := d.bytes(off, recordHeader+size, limit)
	if err != nil {
		return record{}, err
	}
	payload := b[recordHeader:]
	if crc32.Checksum(payload, castagnoli()) != binary.LittleEndian.Uint32(b[12:]) {
		return record{}, &broken{"the checksum of a record's payload does not match"}
	}
	return record{kind: b[16], payload: payload, group: group, next: off + recordHeader + int64(size)}, nil
}

// header checks a record's header, which stands at off.
func (d *decoder) header(h []byte, off int64) (size int, group int64, err error) {
	if string(h[markAt:recordHeader]) != recordMark ||
		d.seal.sum(d.salt, d.first+Position(off-segmentHeader), h) != binary.LittleEndian.Uint32(h) { //nolint:gosec // off is behind the header
		return 0, 0, &broken{"no record begins here"}
	}
	group = off - int64(binary.LittleEndian.Uint32(h[8:]))
	size = int(binary.LittleEndian.Uint32(h[4:]))
	if size > MaxRecord || group < segmentHeader {
		return 0, 0, &broken{"a record's header is beyond the format's limits"}
	}
	return size, group, nil
}

// bytes gives n bytes from off on.
func (d *decoder) bytes(off int64, n int, limit int64) ([]byte, error) {
	if d.window != nil && off >= d.at && off+int64(n) <= d.at+int64(len(d.window)) {
		return d.window[off-d.at:][:n], nil
	}
	if off+int64(n) > limit {
		return nil, &broken{"a record is cut short"}
	}
	if len(d.buf) < n {
		d.buf = make([]byte, max(n, chunk))
	}
	d.window = nil
	got, err := d.src.ReadAt(d.buf[:min(int64(len(d.buf)), limit-off)], off)
	if got < n {
		if errors.Is(err, io.EOF) {
			return nil, &broken{"the file ends early"}
		}
		return nil, fmt.Errorf("reading %d bytes at %d: %w", n, off, err)
	}
	d.window, d.at = d.buf[:got], off
	return d.window[:n], nil
}

// search looks for a whole record that begins at from or later and is accepted
// by the offset at which its group begins. Headers cannot be made up (see
// sealer), so that payloads are hashed at most once.
func (d *decoder) search(from, limit int64, accept func(group int64) bool) (off int64, found bool, err error) {
	buf := make([]byte, chunk)
	for off = from; off+recordHeader <= limit; {
		b := buf[:min(int64(len(buf)), limit-off)]
		if _, err := d.src.ReadAt(b, off); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, false, nil
			}
			return 0, false, fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
		}
		for i := 0; ; i++ {
			m := bytes.Index(b[min(i+markAt, len(b)):], []byte(recordMark))
			if m < 0 || i+m+recordHeader > len(b) {
				break
			}
			i += m
			size, group, err := d.header(b[i:i+recordHeader], off+int64(i))
			if err != nil || !accept(group) || off+int64(i+recordHeader+size) > limit {
				continue
			}
			ok, err := d.whole(b[i:i+recordHeader], off+int64(i)+recordHeader, size)
			if err != nil {
				return 0, false, err
			}
			if ok {
				return off + int64(i), true, nil
			}
		}
		off += int64(len(b) - recordHeader + 1)
	}
	return 0, false, nil
}

// whole tells whether a payload in the file has the checksum that its header names.
func (d *decoder) whole(header []byte, off int64, size int) (bool, error) {
	h := crc32.New(castagnoli())
	n, err := io.Copy(h, io.NewSectionReader(d.src, off, int64(size)))
	if err != nil {
		return false, fmt.Errorf("reading %d bytes at %d: %w", size, off, err)
	}
	return n == int64(size) && h.Sum32() == binary.LittleEndian.Uint32(header[12:]), nil
}

// laterGroup tells whether a whole record follows whose group begins after off,
// and where what was written after off ends: behind the last byte that is not zero.
func (d *decoder) laterGroup(off, limit int64) (found bool, written int64, err error) {
	written = off
	buf := make([]byte, chunk)
	for at := off; at < limit; at += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), limit-at)]
		if _, err := d.src.ReadAt(b, at); err != nil {
			return false, 0, fmt.Errorf("reading %d bytes at %d: %w", len(b), at, err)
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			written = at + int64(n)
		}
	}
	if written > off {
		_, found, err = d.search(off+1, limit, func(group int64) bool { return group > off })
	}
	return found, written, err
}

package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

// groups are the bytes behind a segment's header, with a salt of zeros.
func groups(payloads ...[]string) []byte {
	var all []byte
	var seal sealer
	for _, g := range payloads {
		var b []byte
		for i, p := range g {
			b = appendRecord(b, byte(i), len(p), crc32.Checksum([]byte(p), castagnoli()), [][]byte{[]byte(p)})
		}
		seal.finish(b, [8]byte{}, Position(len(all)))
		all = append(all, b...)
	}
	return all
}

func seeds() [][]byte {
	whole := groups([]string{"", "a"}, []string{"b", "cc", "ddd"}, []string{"TLRTLR", "e"})
	holed := bytes.Clone(whole)
	holed[3]++
	nested := groups([]string{string(groups([]string{"inner"}))})
	huge := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(huge[4:], 1<<32-1)
	return [][]byte{
		nil, whole, holed, nested, huge,
		whole[:len(whole)-1], append(slices.Clip(whole), make([]byte, 100)...), bytes.Repeat([]byte(recordMark), 100),
	}
}

// FuzzSegment: whatever stands behind a segment's header, reading it ends, and gives
// only records whose checksums hold, in order.
func FuzzSegment(f *testing.F) {
	n := 0
	for _, seed := range seeds() {
		f.Add(seed)
		n++
	}
	if n == 0 {
		f.Fatal("no seed")
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		content := append(make([]byte, segmentHeader), body...)
		src, limit := bytes.NewReader(content), int64(len(content))
		s := segment{size: limit}

		end, written, err := wholeEnd(src, s, "segment")
		if damage, ok := errors.AsType[*DamageError](err); ok {
			if damage.Offset < segmentHeader || damage.Offset >= limit {
				t.Fatalf("damage at %d of %d", damage.Offset, limit)
			}
			end = damage.Offset
		} else if err != nil || end > limit || written < end || written > limit {
			t.Fatalf("whole up to %d, written up to %d of %d: %v", end, written, limit, err)
		}

		var d decoder
		d.reset(src, s.salt, s.first)
		off := int64(segmentHeader)
		for off < end {
			rec, err := d.read(off, end)
			if err != nil {
				t.Fatalf("at %d, before the end of what is whole at %d: %v", off, end, err)
			}
			mustBeWhole(t, content, off, rec)
			off = rec.next
		}
		if off != end {
			t.Fatalf("records end at %d, what is whole at %d", off, end)
		}
		// What skipping over damage would read.
		for off < limit {
			at, found, err := d.search(off, limit, func(int64) bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			if !found {
				break
			}
			if at < off {
				t.Fatalf("searching from %d found %d", off, at)
			}
			rec, err := d.read(at, limit)
			if err != nil {
				t.Fatalf("found at %d, but: %v", at, err)
			}
			mustBeWhole(t, content, at, rec)
			off = rec.next
		}
	})
}

// mustBeWhole checks a record against the format's description, not the code.
func mustBeWhole(t *testing.T, content []byte, off int64, rec record) {
	t.Helper()
	h := content[off:][:20]
	size := int64(binary.LittleEndian.Uint32(h[4:]))
	payload := content[off+20:][:size]
	covered := make([]byte, 16, 32)
	binary.LittleEndian.PutUint64(covered[8:], uint64(off-36))
	covered = append(covered, h[4:]...)
	table := crc32.MakeTable(crc32.Castagnoli)
	if crc32.Checksum(covered, table) != binary.LittleEndian.Uint32(h) ||
		crc32.Checksum(payload, table) != binary.LittleEndian.Uint32(h[12:]) ||
		!bytes.Equal(rec.payload, payload) || rec.kind != h[16] || rec.next != off+20+size {
		t.Fatalf("at %d a record was read that is not whole: %+v", off, rec)
	}
}

package tracecontext

import "encoding/binary"

// The functions of this file look at eight characters at a time, as the eight bytes
// of a word: they are most of the cost of every header that is read.

const (
	ones  = 0x0101010101010101 // times a byte: that byte eight times
	highs = 0x8080808080808080 // the high bits of eight bytes
)

// load8 returns the first eight bytes of s, the first one lowest.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// decodeHex16 reads 16 lower-case hexadecimal digits into eight bytes, the first one
// lowest. ok is false where one of them is none.
func decodeHex16(s string) (v uint64, ok bool) {
	s = s[:16]
	v0, bad0 := nibbles(load8(s))
	v1, bad1 := nibbles(load8(s[8:]))
	return pack(v0) | pack(v1)<<32, bad0|bad1 == 0
}

// nibbles turns eight hexadecimal digits into eight values below 16. Where bad is not
// zero, some were none.
func nibbles(w uint64) (v, bad uint64) {
	v = w&(0x0f*ones) + w>>6&ones*9 // the low four bits, and 9 more for a letter
	above9 := (v + (0x80-10)*ones) & highs >> 7
	text := v + '0'*ones + above9*('a'-'0'-10) // and back again: equal if there was nothing else
	return v, text ^ w | v&(0xf0*ones)
}

// pack joins eight nibbles to four bytes; the first nibble is the high half of the
// first byte.
func pack(v uint64) uint64 {
	v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
	v |= v >> 8
	return v&0xffff | v>>16&0xffff0000
}

// decodeTraceID reads an id from the first 32 bytes of s and reports whether they are
// lower-case hexadecimal digits, not all zero.
func decodeTraceID(id *TraceID, s string) bool {
	s = s[:32]
	a, ok0 := decodeHex16(s)
	b, ok1 := decodeHex16(s[16:])
	binary.LittleEndian.PutUint64(id[0:], a)
	binary.LittleEndian.PutUint64(id[8:], b)
	return ok0 && ok1 && a|b != 0
}

// decodeSpanID reads an id from the first 16 bytes of s and reports whether they are
// lower-case hexadecimal digits, not all zero.
func decodeSpanID(id *SpanID, s string) bool {
	a, ok := decodeHex16(s)
	binary.LittleEndian.PutUint64(id[:], a)
	return ok && a != 0
}

// decodeByte reads a byte from two lower-case hexadecimal digits.
func decodeByte(hi, lo byte) (b byte, ok bool) {
	h, l := hexValue[hi], hexValue[lo]
	return h<<4 | l&0x0f, h|l < 0x10
}

// isHex reports whether s consists of lower-case hexadecimal digits.
func isHex(s string) bool {
	var bad byte
	for i := range len(s) {
		bad |= hexValue[s[i]]
	}
	return bad < 0x10
}

// isHex16 reports whether the first 16 bytes of s are lower-case hexadecimal digits.
func isHex16(s string) bool {
	s = s[:16]
	_, bad0 := nibbles(load8(s))
	_, bad1 := nibbles(load8(s[8:]))
	return bad0|bad1 == 0
}

// isDigits reports whether s consists of decimal digits.
func isDigits(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if s[i]-'0' > 9 {
				return false
			}
		}
		return true
	}
	bad := outside(load8(s[len(s)-8:]), '0', '9') // overlaps the last full word
	for ; len(s) >= 8; s = s[8:] {
		bad |= outside(load8(s), '0', '9')
	}
	return bad == 0
}

// isUpper32 reports whether the first 32 bytes of s are letters A to Z.
func isUpper32(s string) bool {
	s = s[:32]
	return outside(load8(s), 'A', 'Z')|
		outside(load8(s[8:]), 'A', 'Z')|
		outside(load8(s[16:]), 'A', 'Z')|
		outside(load8(s[24:]), 'A', 'Z') == 0
}

// isUpperOrDigit32 reports whether the first 32 bytes of s are letters A to Z or
// decimal digits.
func isUpperOrDigit32(s string) bool {
	s = s[:32]
	var bad uint64
	for i := 0; i < 32; i += 8 {
		w := load8(s[i : i+8])
		bad |= outside(w, 'A', 'Z') & outside(w, '0', '9')
	}
	return bad == 0
}

// outside returns the high bits of those bytes of w that do not lie in lo to hi, both
// below 0x80.
func outside(w uint64, lo, hi byte) uint64 {
	low := w &^ highs // so that no sum carries into the next byte
	return highs & (w | ^(low + ones*uint64(0x80-lo)) | (low + ones*uint64(0x7f-hi)))
}

// encodeHex writes the 2*len(src) lower-case hexadecimal digits of src to dst.
func encodeHex(dst, src []byte) {
	for i, b := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], hexPair[b])
	}
}

const digits = "0123456789abcdef"

// hexPair holds the two digits of every byte, the first one in the low half.
var hexPair = func() (t [256]uint16) {
	for i := range t {
		t[i] = uint16(digits[i>>4]) | uint16(digits[i&0x0f])<<8
	}
	return t
}()

// hexValue maps a lower-case hexadecimal digit to its value and everything
// else to 0xff.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(digits) {
		t[digits[i]] = byte(i)
	}
	return t
}()

package tracecontext

import (
	"encoding/hex"
	"strings"
	"testing"
)

// Every byte value at every position, against the obvious definition.
func TestHexDigits(t *testing.T) {
	const good = "0123456789abcdef"
	for position := range len(good) {
		for c := range 256 {
			s := good[:position] + string([]byte{byte(c)}) + good[position+1:]
			want := strings.IndexByte(digits, byte(c)) >= 0
			if got := isHex(s); got != want {
				t.Fatalf("isHex(%q) = %t, want %t", s, got, want)
			}
			var id SpanID
			if got := decodeSpanID(&id, s); got != want {
				t.Fatalf("decodeSpanID(%q) = %t, want %t", s, got, want)
			}
			if want && hex.EncodeToString(id[:]) != s {
				t.Fatalf("decodeSpanID(%q) gave %x", s, id)
			}
		}
	}
}

func TestClasses(t *testing.T) {
	isDigit := func(c int) bool { return c >= '0' && c <= '9' }
	isUpper := func(c int) bool { return c >= 'A' && c <= 'Z' }
	for position := range 32 {
		for c := range 256 {
			with := func(filler string, n int) string {
				b := []byte(strings.Repeat(filler, n))
				b[position%n] = byte(c)
				return string(b)
			}
			for n := 1; n <= maxDigits; n++ {
				if s := with("7", n); isDigits(s) != isDigit(c) {
					t.Fatalf("isDigits(%q) = %t", s, isDigits(s))
				}
			}
			if s := with("Q", 32); isUpper32(s) != isUpper(c) {
				t.Fatalf("isUpper32(%q) = %t", s, isUpper32(s))
			}
			if s := with("Q", 32); isUpperOrDigit32(s) != (isUpper(c) || isDigit(c)) {
				t.Fatalf("isUpperOrDigit32(%q) = %t", s, isUpperOrDigit32(s))
			}
		}
	}
}

package tracecontext

import (
	"crypto/rand"
	"errors"
)

// TraceID is the 16-byte id of a trace; all zero is not a legal id
// (W3C Trace Context Level 2, section 3.2.2.3).
type TraceID [16]byte

// SpanID is the 8-byte id of a span, called parent-id in traceparent; all zero
// is not a legal id (W3C Trace Context Level 2, section 3.2.2.4).
type SpanID [8]byte

// ErrID reports text that is not a legal trace or span id.
var ErrID = errors.New("tracecontext: id is not lower-case hexadecimal of the right length, or all zero")

// NewTraceID draws an id from crypto/rand. All of its bytes are random, so the
// context that carries it may set [FlagRandom] (W3C Trace Context Level 2,
// section 3.2.2.5.2).
func NewTraceID() TraceID {
	var id TraceID
	for id.IsZero() {
		rand.Read(id[:]) // never fails, as crypto/rand documents
	}
	return id
}

// NewSpanID draws an id from crypto/rand.
func NewSpanID() SpanID {
	var id SpanID
	for id.IsZero() {
		rand.Read(id[:])
	}
	return id
}

// IsZero reports whether id is the illegal all-zero id, used to say "none".
func (id TraceID) IsZero() bool { return id == TraceID{} }

// IsZero reports whether id is the illegal all-zero id, used to say "none".
func (id SpanID) IsZero() bool { return id == SpanID{} }

// String returns 32 lower-case hexadecimal digits.
func (id TraceID) String() string {
	var b [2 * len(id)]byte
	encodeHex(b[:], id[:])
	return string(b[:])
}

// String returns 16 lower-case hexadecimal digits.
func (id SpanID) String() string {
	var b [2 * len(id)]byte
	encodeHex(b[:], id[:])
	return string(b[:])
}

// AppendTo appends 32 lower-case hexadecimal digits to dst.
func (id TraceID) AppendTo(dst []byte) []byte {
	var b [2 * len(id)]byte
	encodeHex(b[:], id[:])
	return append(dst, b[:]...)
}

// AppendTo appends 16 lower-case hexadecimal digits to dst.
func (id SpanID) AppendTo(dst []byte) []byte {
	var b [2 * len(id)]byte
	encodeHex(b[:], id[:])
	return append(dst, b[:]...)
}

// ParseTraceID reads 32 lower-case hexadecimal digits, not all zero.
func ParseTraceID(s string) (TraceID, error) {
	var id TraceID
	if len(s) != 2*len(id) || !decodeTraceID(&id, s) {
		return TraceID{}, ErrID
	}
	return id, nil
}

// ParseSpanID reads 16 lower-case hexadecimal digits, not all zero.
func ParseSpanID(s string) (SpanID, error) {
	var id SpanID
	if len(s) != 2*len(id) || !decodeSpanID(&id, s) {
		return SpanID{}, ErrID
	}
	return id, nil
}

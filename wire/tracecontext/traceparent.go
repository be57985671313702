package tracecontext

// Flags are the trace-flags of a traceparent (W3C Trace Context Level 2,
// section 3.2.2.5). Bits without a name are reserved.
type Flags byte

// The flags that Level 2 defines.
const (
	// FlagSampled: the caller may have recorded the trace.
	FlagSampled Flags = 1 << 0
	// FlagRandom: at least the right-most 7 bytes of the trace id are random.
	FlagRandom Flags = 1 << 1
)

// Sampled reports whether [FlagSampled] is set.
func (f Flags) Sampled() bool { return f&FlagSampled != 0 }

// Random reports whether [FlagRandom] is set.
func (f Flags) Random() bool { return f&FlagRandom != 0 }

// TraceparentLen is the length of a traceparent of version 00.
const TraceparentLen = 55

// Offsets of the parts of a traceparent (section 3.2.2).
const (
	offTraceID  = 3
	offParentID = 36
	offFlags    = 53
)

// Traceparent is the value of a traceparent header.
type Traceparent struct {
	// Version as it came in. This package writes 00, whatever it read (section 3.2.4).
	Version  byte
	TraceID  TraceID
	ParentID SpanID
	// Flags: all eight bits of version 00; of a higher version only [FlagSampled],
	// since the meaning of the others is not known (section 3.2.4).
	Flags Flags
}

// ParseTraceparent reads a traceparent header by the rules of W3C Trace Context
// Level 2, sections 3.2.2 and 3.2.4: lower-case digits, ids not all zero, version ff
// refused, version 00 exactly [TraceparentLen] characters long; of a higher version
// the known parts are read, and more may follow after a dash. White space around
// the value is HTTP's to remove. The error is a *[SyntaxError] that wraps
// [ErrTraceparent]. It does not allocate where the value is good.
func ParseTraceparent(s string) (p Traceparent, err error) {
	if !parseTraceparent(&p, s) {
		return Traceparent{}, traceparentError(s)
	}
	return p, nil
}

// parseTraceparent fills p in place: copying the ids would take longer than reading them.
func parseTraceparent(p *Traceparent, s string) bool {
	if len(s) < TraceparentLen ||
		s[offTraceID-1] != '-' || s[offParentID-1] != '-' || s[offFlags-1] != '-' ||
		!decodeTraceID(&p.TraceID, s[offTraceID:]) || !decodeSpanID(&p.ParentID, s[offParentID:]) {
		return false
	}
	version, ok1 := decodeByte(s[0], s[1])
	flags, ok2 := decodeByte(s[offFlags], s[offFlags+1])
	p.Version, p.Flags = version, Flags(flags)
	if version != 0 {
		p.Flags &= FlagSampled
		return ok1 && ok2 && version != 0xff && (len(s) == TraceparentLen || s[TraceparentLen] == '-')
	}
	return ok1 && ok2 && len(s) == TraceparentLen
}

// traceparentError names the first part of s that is wrong.
func traceparentError(s string) error {
	part := func(name string, offset int, reason string) error {
		return &SyntaxError{Err: ErrTraceparent, Part: name, Offset: offset, Reason: reason}
	}
	digits := func(offset, n int) bool {
		return len(s) >= offset+n && isHex(s[offset:offset+n])
	}
	dash := func(offset int) bool { return len(s) > offset && s[offset] == '-' }
	const zeroTraceID, zeroParentID = "00000000000000000000000000000000", "0000000000000000"
	switch {
	case !digits(0, 2) || !dash(2):
		return part("version", 0, "want 2 lower-case hexadecimal digits and a dash")
	case s[:2] == "ff":
		return part("version", 0, "ff is forbidden")
	case !digits(offTraceID, 32) || !dash(offTraceID+32):
		return part("trace-id", offTraceID, "want 32 lower-case hexadecimal digits and a dash")
	case s[offTraceID:offTraceID+32] == zeroTraceID:
		return part("trace-id", offTraceID, "all zero is forbidden")
	case !digits(offParentID, 16) || !dash(offParentID+16):
		return part("parent-id", offParentID, "want 16 lower-case hexadecimal digits and a dash")
	case s[offParentID:offParentID+16] == zeroParentID:
		return part("parent-id", offParentID, "all zero is forbidden")
	case !digits(offFlags, 2):
		return part("trace-flags", offFlags, "want 2 lower-case hexadecimal digits")
	case s[:2] == "00":
		return part("end", TraceparentLen, "version 00 ends here")
	default:
		return part("end", TraceparentLen, "a higher version goes on with a dash")
	}
}

// AppendTo appends the header value, always as version 00, to dst: the
// [TraceparentLen] characters that every reader understands.
func (p Traceparent) AppendTo(dst []byte) []byte {
	b := [TraceparentLen]byte{'0', '0', '-', offParentID - 1: '-', offFlags - 1: '-'}
	encodeHex(b[offTraceID:], p.TraceID[:])
	encodeHex(b[offParentID:], p.ParentID[:])
	encodeHex(b[offFlags:], []byte{byte(p.Flags)})
	return append(dst, b[:]...)
}

// String returns what [Traceparent.AppendTo] appends.
func (p Traceparent) String() string {
	var b [TraceparentLen]byte
	return string(p.AppendTo(b[:0]))
}

package tracecontext

import "strings"

// Limits of a tracestate header.
const (
	// MaxMembers is the largest number of list-members (W3C Trace Context Level 2,
	// section 3.3.1.1).
	MaxMembers = 32
	// MaxKeyLen is the longest key of a member, in bytes (section 3.3.1.3.1).
	MaxKeyLen = 256
	// MaxValueLen is the longest value of a member, in bytes (section 3.3.1.3.2).
	MaxValueLen = 256
	// MaxTracestateLen is the longest tracestate that [PutDtr] makes, in bytes: what
	// every compliant hop passes on (section 3.3.1.5).
	MaxTracestateLen = 512
	// maxReadLen is the longest tracestate that is read at all. The specification sets
	// no limit: 32 members of the greatest length take 16,447 bytes, and twice that
	// leaves as much again for white space and empty members.
	maxReadLen = 32 << 10
)

// Member is one list-member of a tracestate: a vendor's key and its opaque value.
type Member struct {
	Key, Value string
}

// ParseTracestate reads and checks a tracestate header by W3C Trace Context
// Level 2, section 3.3.1; several header fields are first joined by commas, in
// order. White space around members and empty members are skipped. Key and value
// alias s. The error is a *[SyntaxError] that wraps [ErrTracestate] and names the
// member: a bad key or value, a key that comes twice, more than [MaxMembers].
// An empty header has no members and is no error.
func ParseTracestate(s string) ([]Member, error) {
	if len(s) > maxReadLen {
		return nil, tracestateError("list", 0, 0, "longer than 32,768 bytes")
	}
	if s == "" {
		return nil, nil
	}
	members := make([]Member, 0, min(strings.Count(s, ",")+1, MaxMembers))
	for rest, offset := s, 0; rest != ""; {
		text, after, _ := strings.Cut(rest, ",")
		start := offset + len(text) - len(strings.TrimLeft(text, ows))
		offset += len(text) + 1
		rest = after

		text = strings.Trim(text, ows)
		if text == "" {
			continue
		}
		number := len(members) + 1
		if number > MaxMembers {
			return nil, tracestateError("list", start, number, "more than 32 members")
		}
		key, value, found := strings.Cut(text, "=")
		switch {
		case !validKey(key):
			return nil, tracestateError("key", start, number,
				"want a lower-case letter or digit, then up to 255 of these and _-*/@")
		case !found:
			return nil, tracestateError("member", start, number, "want key=value")
		case !validValue(value):
			return nil, tracestateError("value", start+len(key)+1, number,
				"want 1 to 256 printable ASCII characters without comma and equals sign")
		}
		for _, m := range members {
			if m.Key == key {
				return nil, tracestateError("key", start, number, "came before")
			}
		}
		members = append(members, Member{key, value})
	}
	return members, nil
}

// ows is optional white space (RFC 9110, section 5.6.3).
const ows = " \t"

func tracestateError(part string, offset, member int, reason string) error {
	return &SyntaxError{Err: ErrTracestate, Part: part, Offset: offset, Member: member, Reason: reason}
}

// validKey checks a key by section 3.3.1.3.1. Level 2 has one form for all keys;
// the multi-tenant form of Level 1, tenant@system, is a case of it.
func validKey(s string) bool {
	if s == "" || len(s) > MaxKeyLen || charClass[s[0]]&keyStart == 0 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if charClass[s[i]]&keyChar == 0 {
			return false
		}
	}
	return true
}

// validValue checks a value, already without trailing white space, by section
// 3.3.1.3.2.
func validValue(s string) bool {
	if s == "" || len(s) > MaxValueLen {
		return false
	}
	for i := range len(s) {
		if charClass[s[i]]&valueChar == 0 {
			return false
		}
	}
	return s[len(s)-1] != ' '
}

// Classes of characters in a member.
const (
	keyStart  = 1 << iota // lcalpha / DIGIT
	keyChar               // keyStart / "_" / "-" / "*" / "/" / "@"
	valueChar             // %x20-2B / %x2D-3C / %x3E-7E
)

var charClass = func() (t [256]byte) {
	for c := byte(' '); c <= '~'; c++ {
		if c != ',' && c != '=' {
			t[c] |= valueChar
		}
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			t[c] |= keyStart | keyChar
		case c == '_', c == '-', c == '*', c == '/', c == '@':
			t[c] |= keyChar
		}
	}
	return t
}()

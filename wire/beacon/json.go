package beacon

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
)

// The functions of this file take text that json.Valid has accepted, so they
// need not look for errors of syntax. They exist beside encoding/json because
// that lets two members share a name (the last one wins) and cannot bound depth.

// member is one name and value of an object. Both alias the body, except a
// name that was written with escapes.
type member struct {
	name, value []byte
}

// appendMembers appends the members of an object to the empty dst. ok is false
// where a name occurs twice or there are more than MaxMembers.
func appendMembers(dst []member, object []byte) (members []member, ok bool) {
	var seen nameFilter
	for i := 1; ; {
		i = skipSpace(object, i)
		switch object[i] {
		case '}':
			return dst, true
		case ',':
			i = skipSpace(object, i+1)
		}
		end := skipString(object, i)
		name := object[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(object[i:end]))
		}
		start := skipSpace(object, skipSpace(object, end)+1) // past the colon
		i = skipValue(object, start)
		if len(dst) == MaxMembers || seen.add(name) && hasName(dst, name) {
			return dst, false
		}
		dst = append(dst, member{name: name, value: object[start:i]})
	}
}

func hasName(members []member, name []byte) bool {
	return slices.ContainsFunc(members, func(m member) bool { return bytes.Equal(m.name, name) })
}

// nameFilter spares most comparisons of names: it knows for sure which were not
// seen. Its hash is seeded, so that no sender can make names collide.
type nameFilter [1024 / 64]uint64

var nameSeed = maphash.MakeSeed()

// add notes a name, and reports whether it may have been noted before.
func (f *nameFilter) add(name []byte) bool {
	bit := maphash.Bytes(nameSeed, name) % 1024
	word, mask := &f[bit/64], uint64(1)<<(bit%64)
	seen := *word&mask != 0
	*word |= mask
	return seen
}

// elements calls yield for each element of an array, until it returns false.
func elements(array []byte, yield func(value []byte) bool) {
	for i := 1; ; {
		i = skipSpace(array, i)
		switch array[i] {
		case ']':
			return
		case ',':
			i = skipSpace(array, i+1)
		}
		end := skipValue(array, i)
		if !yield(array[i:end]) {
			return
		}
		i = end
	}
}

// skipSpace returns the first index from i on that holds no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for start := i + 1; ; {
		i += 1 + bytes.IndexByte(b[i+1:], '"')
		escapes := 0
		for i-escapes > start && b[i-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 { // the quote itself is not escaped
			return i + 1
		}
	}
}

// skipValue returns the index after the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	default: // a number or a literal
		for ; i < len(b); i++ {
			switch b[i] {
			case ',', ']', '}', ' ', '\n', '\t', '\r':
				return i
			}
		}
		return i
	}
}

// elementsOf returns about how many values stand within a value, itself included: what
// decoding it costs, whatever its length.
func elementsOf(value []byte) int {
	n := 1
	for i := 0; i < len(value); {
		switch value[i] {
		case '"':
			i = skipString(value, i)
			continue
		case '{', '[', ',':
			n++
		}
		i++
	}
	return n
}

// depthOf returns how many levels of objects and arrays a value has; 0 for a
// string, number or literal.
func depthOf(value []byte) int {
	deepest := 0
	for i, depth := 0, 0; i < len(value); {
		switch value[i] {
		case '"':
			i = skipString(value, i)
			continue
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
		i++
	}
	return deepest
}

func isNull(value []byte) bool   { return value[0] == 'n' }
func isObject(value []byte) bool { return value[0] == '{' }

// stringOf returns the text of a string value.
func stringOf(value []byte) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	return unquote(value), true
}

// unquote resolves the escapes of a string. A lone surrogate, which a page's
// script can make and JSON.stringify writes as an escape, becomes U+FFFD.
func unquote(quoted []byte) string {
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("beacon: unquote of text that json.Valid did not accept: " + err.Error())
	}
	return s
}

// numberOf returns a number value; ok is false where it is none, or too large
// for a float64.
func numberOf(value []byte) (f float64, ok bool) {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(value), 64)
	return f, err == nil
}

// integerOf returns a number value without a fraction from low to high, both
// within what a float64 counts exactly.
func integerOf(value []byte, low, high int64) (n int64, ok bool) {
	f, ok := numberOf(value)
	if !ok || f != math.Trunc(f) || f < float64(low) || f > float64(high) {
		return 0, false
	}
	return int64(f), true
}

// boolOf returns a boolean value.
func boolOf(value []byte) (b, ok bool) {
	return value[0] == 't', value[0] == 't' || value[0] == 'f'
}

// anyOf returns a value as string, bool, int64, float64, []any or
// map[string]any; nil for null. ok is false where a number is too large or an
// object is not to appendMembers' liking. The caller bounds the depth.
func anyOf(value []byte) (v any, ok bool) {
	switch value[0] {
	case '"':
		return stringOf(value)
	case '{':
		members, ok := appendMembers(nil, value)
		if !ok {
			return nil, false
		}
		object := make(map[string]any, len(members))
		for _, m := range members {
			if isNull(m.value) {
				continue
			}
			if object[string(m.name)], ok = anyOf(m.value); !ok {
				return nil, false
			}
		}
		return object, true
	case '[':
		array := []any{}
		ok = true
		elements(value, func(element []byte) bool {
			if v, ok = anyOf(element); ok {
				array = append(array, v)
			}
			return ok
		})
		return array, ok
	case 't', 'f':
		return boolOf(value)
	case 'n':
		return nil, true
	default:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return n, true
		}
		return numberOf(value)
	}
}

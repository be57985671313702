package beacon

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON text (RFC 8259) from front to back, and checks syntax and
// UTF-8 as it goes. It exists beside encoding/json because that lets two members share a
// name (the last one wins), cannot bound depth, and walks over everything several times.
//
// Its methods take the index where something begins and return the index after
// it; malformed where it does not follow the grammar.
type scanner struct {
	text string
	nest []bool // for value: of each level that is open, whether it is an object
}

// malformed is the end of what is not JSON.
const malformed = -1

// maxNesting is where text of any kind is no longer read, as in encoding/json.
const maxNesting = 10_000

// at returns the byte at i; 0, which no token begins with, after the end.
func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

// space returns the first index from i on that holds no white space.
func (s *scanner) space(i int) int {
	for ; ; i++ {
		if c := s.at(i); c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return i
		}
	}
}

// shape is how much of nesting and values there is to a value: what decoding it
// costs, whatever its length.
type shape struct {
	depth  int // levels of objects and arrays; 0 for a string, number or literal
	values int // about how many stand within it, itself included
}

// value scans the value that begins at i.
func (s *scanner) value(i int) (end int, sh shape) {
	if c := s.at(i); c != '{' && c != '[' {
		return s.scalar(i), shape{0, 1}
	}
	s.nest = s.nest[:0]
	sh.values = 1
	for {
		if len(s.nest) == maxNesting {
			return malformed, shape{}
		}
		switch s.at(i) {
		case '{':
			s.nest = append(s.nest, true)
			sh.values++
			if i = s.space(i + 1); s.at(i) != '}' {
				if _, i = s.name(i); i == malformed {
					return malformed, shape{}
				}
				continue
			}
		case '[':
			s.nest = append(s.nest, false)
			sh.values++
			if i = s.space(i + 1); s.at(i) != ']' {
				continue
			}
		default:
			if i = s.scalar(i); i == malformed {
				return malformed, shape{}
			}
		}
		sh.depth = max(sh.depth, len(s.nest))
		if i = s.close(i, &sh); i == malformed || len(s.nest) == 0 {
			return i, sh
		}
	}
}

// close scans from the end of a value, or from the bracket that ends an empty one, to where the next one
// begins, or to the end of the outermost.
func (s *scanner) close(i int, sh *shape) int {
	for len(s.nest) > 0 {
		i = s.space(i)
		inObject := s.nest[len(s.nest)-1]
		switch c := s.at(i); {
		case c == ',':
			sh.values++
			if i = s.space(i + 1); inObject {
				_, i = s.name(i)
			}
			return i
		case c == '}' && inObject, c == ']' && !inObject:
			s.nest = s.nest[:len(s.nest)-1]
			i++
		default:
			return malformed
		}
	}
	return i
}

// name scans a member's name, from its quote to where the value begins.
func (s *scanner) name(i int) (name string, value int) {
	if s.at(i) != '"' {
		return "", malformed
	}
	end, escaped := s.string(i)
	if end == malformed {
		return "", malformed
	}
	colon := s.space(end)
	if s.at(colon) != ':' {
		return "", malformed
	}
	name = s.text[i+1 : end-1]
	if escaped {
		name = unquote(s.text[i:end])
	}
	return name, s.space(colon + 1)
}

func (s *scanner) scalar(i int) int {
	switch c := s.at(i); c {
	case '"':
		end, _ := s.string(i)
		return end
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scanner) literal(i int, text string) int {
	if end := i + len(text); end <= len(s.text) && s.text[i:end] == text {
		return end
	}
	return malformed
}

// number scans a number (RFC 8259, section 6).
func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	first := s.at(i)
	end := s.digits(i)
	if end == i || first == '0' && end > i+1 {
		return malformed
	}
	if i = end; s.at(i) == '.' {
		if end = s.digits(i + 1); end == i+1 {
			return malformed
		}
		i = end
	}
	if s.at(i)|0x20 == 'e' {
		if i++; s.at(i) == '+' || s.at(i) == '-' {
			i++
		}
		if end = s.digits(i); end == i {
			return malformed
		}
		i = end
	}
	return i
}

func (s *scanner) digits(i int) int {
	for s.at(i)-'0' <= 9 {
		i++
	}
	return i
}

// string scans a string (RFC 8259, section 7), eight bytes at a time where nothing
// in them is special.
func (s *scanner) string(i int) (end int, escaped bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i++; ; {
		for i+8 <= len(s.text) {
			w := word(s.text[i : i+8])
			quote, slash := w^'"'*ones, w^'\\'*ones
			// The lowest high bit that is set tells the first byte that is a quote, a backslash, a
			// control character or not ASCII; those above it may err.
			special := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w | w) & highs
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		switch c := s.at(i); {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			if i = s.escape(i + 1); i == malformed {
				return malformed, false
			}
		case c < ' ': // also the end of the text
			return malformed, false
		case c < utf8.RuneSelf:
			i++
		default:
			for s.at(i) >= utf8.RuneSelf {
				r, size := utf8.DecodeRuneInString(s.text[i:])
				if r == utf8.RuneError && size == 1 {
					return malformed, false
				}
				i += size
			}
		}
	}
}

// word returns eight bytes, the first one the lowest.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escape scans what follows a backslash.
func (s *scanner) escape(i int) int {
	switch s.at(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for end := i + 5; ; {
			if i++; i == end {
				return end
			}
			if c := s.at(i); c-'0' > 9 && c|0x20-'a' > 5 {
				return malformed
			}
		}
	default:
		return malformed
	}
}

// member is one name and value of an object. Both alias the body, except a
// name that was written with escapes.
type member struct {
	name, value string
	hash        uint32 // of the name, where object.isTwice needed it
	shape
}

// object reads the members of an object one by one.
type object struct {
	*scanner
	members []member
	// fault reports that a name occurs twice, or that there are more than MaxMembers; the
	// members are not to be used then.
	fault bool
	name  string // of the member at hand
	start int    // where its value begins
	end   int    // where the member before it ends; after the last call of next, the object, or malformed

	// Objects of one kind mostly have the same names in the same order, and those of the one before are
	// known to differ. As long as they are the same, none is looked for.
	before []member
	hashed bool // they are not: seen knows all names so far
	seen   nameFilter
}

// object begins to read the object whose bracket is at i. Its members go to the memory of dst, which holds
// those of an object read before.
func (s *scanner) object(i int, dst []member) object {
	return object{scanner: s, members: dst[:0], before: dst, end: i}
}

// next goes to the next member, whose value the caller scans and hands to add.
func (o *object) next() bool {
	if o.end == malformed {
		return false
	}
	i, first := o.end, o.start == 0
	if first {
		i++ // past the bracket
	}
	i = o.space(i)
	switch c := o.at(i); {
	case c == '}':
		o.end = i + 1
		return false
	case first:
	case c == ',':
		i = o.space(i + 1)
	default:
		o.end = malformed
		return false
	}
	o.name, o.start = o.scanner.name(i)
	if o.start == malformed {
		o.end = malformed
	}
	return o.start != malformed
}

// add notes the member at hand, whose value was found to end at end.
func (o *object) add(end int, sh shape) {
	o.end = end
	if end == malformed || o.fault {
		return
	}
	n := len(o.members)
	if n == MaxMembers {
		o.fault = true
		return
	}
	same := !o.hashed && n < len(o.before) && o.before[n].name == o.name
	if n == cap(o.members) {
		o.members = slices.Grow(o.members, n+16)
	}
	o.members = o.members[:n+1]
	m := &o.members[n]
	m.name, m.value, m.shape = o.name, o.text[o.start:end], sh
	if !same && o.isTwice() {
		o.members = o.members[:n]
		o.fault = true
	}
}

// isTwice reports whether another member has the name of the last one.
func (o *object) isTwice() bool {
	last := len(o.members) - 1
	if !o.hashed {
		o.hashed = true
		for i := range o.members[:last] {
			o.note(i)
		}
	}
	return o.note(last) && hasName(o.members[:last], o.members[last].name, o.members[last].hash)
}

// note hashes the name of a member, and reports whether it may be one of those noted before.
func (o *object) note(i int) bool {
	m := &o.members[i]
	m.hash = uint32(maphash.String(nameSeed, m.name)) //nolint:gosec // the low half will do
	return o.seen.add(m.hash)
}

// all reads the object to its end.
func (o *object) all() {
	for o.next() {
		o.add(o.value(o.start))
	}
}

// membersOf appends the members of an object that was scanned before to the memory of dst. ok is
// false where a name occurs twice or there are more than MaxMembers.
func membersOf(dst []member, text string) (members []member, ok bool) {
	s := scanner{text: text}
	o := s.object(0, dst)
	o.all()
	return o.members, !o.fault
}

// array reads the elements of an array one by one.
type array struct {
	*scanner
	start, end int // as of object
}

// array begins to read the array whose bracket is at i.
func (s *scanner) array(i int) array { return array{scanner: s, end: i} }

// next goes to the next element, whose end the caller finds and notes.
func (a *array) next() bool {
	if a.end == malformed {
		return false
	}
	i, first := a.end, a.start == 0
	if first {
		i++ // past the bracket
	}
	i = a.space(i)
	switch c := a.at(i); {
	case c == ']':
		a.end = i + 1
		return false
	case first:
	case c == ',':
		i = a.space(i + 1)
	default:
		a.end = malformed
		return false
	}
	a.start = i
	return true
}

func hasName(members []member, name string, hash uint32) bool {
	return slices.ContainsFunc(members, func(m member) bool { return m.hash == hash && m.name == name })
}

// nameFilter spares most comparisons of names: it knows for sure which were not
// seen. Its hash is seeded, so that no sender can make names collide.
type nameFilter [1024 / 64]uint64

var nameSeed = maphash.MakeSeed()

// add notes the hash of a name, and reports whether it may have been noted before.
func (f *nameFilter) add(hash uint32) bool {
	bit := hash % 1024
	word, mask := &f[bit/64], uint64(1)<<(bit%64)
	seen := *word&mask != 0
	*word |= mask
	return seen
}

// The functions below take values that a scanner has accepted, so they need not
// look for errors of syntax.

func isNull(value string) bool   { return value[0] == 'n' }
func isObject(value string) bool { return value[0] == '{' }

// stringOf returns the text of a string value, which is part of it where nothing in it is escaped.
func stringOf(value string) (s string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	return unquote(value), true
}

// unquote resolves the escapes of a string (RFC 8259, section 7). A lone surrogate, which a page's
// script can make and JSON.stringify writes as an escape, becomes U+FFFD.
func unquote(quoted string) string {
	text := quoted[1 : len(quoted)-1]
	var s strings.Builder
	s.Grow(len(text))
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 {
			s.WriteString(text)
			return s.String()
		}
		s.WriteString(text[:i])
		escape := text[i+1]
		text = text[i+2:]
		switch escape {
		case 'b':
			s.WriteByte('\b')
		case 'f':
			s.WriteByte('\f')
		case 'n':
			s.WriteByte('\n')
		case 'r':
			s.WriteByte('\r')
		case 't':
			s.WriteByte('\t')
		case 'u':
			r := hex4(text)
			text = text[4:]
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					low = hex4(text[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					text = text[6:]
				}
			}
			s.WriteRune(r)
		default: // a quote, a backslash or a slash, as it is
			s.WriteByte(escape)
		}
	}
}

// hex4 reads four hexadecimal digits.
func hex4(text string) (r rune) {
	for i := range 4 {
		c := text[i]
		r <<= 4
		if c >= 'A' {
			r += rune(c|0x20) - 'a' + 10
		} else {
			r += rune(c - '0')
		}
	}
	return r
}

// numberOf returns a number value; ok is false where it is none, or too large
// for a float64.
func numberOf(value string) (f float64, ok bool) {
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	if f, ok := shortNumber(value); ok {
		return f, true
	}
	f, err := strconv.ParseFloat(value, 64)
	return f, err == nil
}

// shortNumber reads a number of few digits, without an exponent. Digits and power
// of ten are both exact as float64, so that one division rounds as ParseFloat does.
func shortNumber(value string) (f float64, ok bool) {
	const most = 15 // digits, which a float64 always holds
	negative := value[0] == '-'
	if negative {
		value = value[1:]
	}
	if len(value) > most+1 {
		return 0, false
	}
	n, scale := int64(0), 0
	for i := range len(value) {
		switch c := value[i]; {
		case c-'0' <= 9:
			n = 10*n + int64(c-'0')
		case c == '.':
			scale = len(value) - 1 - i
		default:
			return 0, false
		}
	}
	if n > maxSafeInteger {
		return 0, false
	}
	f = float64(n)
	if scale > 0 {
		f /= powersOfTen[scale]
	}
	if negative {
		f = -f
	}
	return f, true
}

// powersOfTen are those that shortNumber needs, all exact.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// integerOf returns a number value without a fraction from low to high, both
// within what a float64 counts exactly.
func integerOf(value string, low, high int64) (n int64, ok bool) {
	f, ok := numberOf(value)
	if !ok || f != math.Trunc(f) || f < float64(low) || f > float64(high) {
		return 0, false
	}
	return int64(f), true
}

// boolOf returns a boolean value.
func boolOf(value string) (b, ok bool) {
	return value[0] == 't', value[0] == 't' || value[0] == 'f'
}

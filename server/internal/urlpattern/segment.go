package urlpattern

import "strings"

// What stands in a pattern for what varies.
const (
	idMask    = "{id}"    // a number
	uuidMask  = "{uuid}"  // RFC 9562
	hashMask  = "{hash}"  // hexadecimal digits, or the hash in the name of a built file
	dateMask  = "{date}"  // 2026-04-27, 2026-04 or 20260427
	emailMask = "{email}" // an address, its @ encoded or not
	tokenMask = "{token}" // random characters: base64, JWT, ULID, short ids
	nameMask  = "{name}"  // one of many texts, as learned
	otherMask = "{other}" // everything beyond the limits
)

// The lengths that tell apart what looks alike.
const (
	maxSegment    = 96 // bytes of a segment; what is longer is a token
	minHash       = 8  // hexadecimal digits of a hash, with a digit and a letter among them
	minFileHash   = 6  // the same in the name of a built file
	bundlerHash   = 8  // characters of the hash that bundlers put before the extension
	minToken      = 10 // characters of a token that has digits, capitals and small letters
	minLongToken  = 16 // of one that has two of them
	minNumber     = 3  // digits of a number within a segment: top-10-tips stays
	maxExtension  = 6
	uuidLength    = 36
	mixedOneOf    = 3 // a token changes between digits, capitals and small letters once in so many characters
	jwtBeginning  = "eyJ"
	pieceDividers = "-_.~,:=+!$'()*@"
)

// appendSegment appends a segment of a path with what varies in it replaced. whole is the mask
// where all of it varies; empty where it does not, or not all.
func appendSegment(b []byte, s string) (masked []byte, whole string) {
	if whole = mask(s); whole != "" {
		return append(b, whole...), whole
	}
	if !hasDigitOrCapital(s) {
		return append(b, s...), ""
	}
	stem, extension := cutExtension(s)
	file := extension != ""
	if file {
		if n := len(stem) - bundlerHash; n > 1 && (stem[n-1] == '-' || stem[n-1] == '.') && isBundlerHash(stem[n:]) {
			b = appendPieces(b, stem[:n-1], file)
			b = append(append(b, stem[n-1]), hashMask...)
			return append(b, extension...), ""
		}
	}
	if n := len(stem) - uuidLength; n > 1 && strings.IndexByte(pieceDividers, stem[n-1]) >= 0 && isUUID(stem[n:]) {
		b = append(append(b, stem[:n]...), uuidMask...)
		return append(b, extension...), ""
	}
	b = appendPieces(b, stem, file)
	return append(b, extension...), ""
}

// appendPieces appends the parts of a segment between its dividers, each masked by itself.
func appendPieces(b []byte, s string, file bool) []byte {
	for {
		i := strings.IndexAny(s, pieceDividers)
		piece := s
		if i >= 0 {
			piece = s[:i]
		}
		b = append(b, maskPiece(piece, file)...)
		if i < 0 {
			return b
		}
		b = append(b, s[i])
		s = s[i+1:]
	}
}

func maskPiece(s string, file bool) string {
	c := count(s)
	switch {
	case c.digits == len(s) && len(s) >= minNumber:
		return idMask
	case c.isHash(minHash) || file && c.isHash(minFileHash):
		return hashMask
	case c.isToken():
		return tokenMask
	default:
		return s
	}
}

// mask returns what stands for a segment that varies as a whole; else nothing.
func mask(s string) string {
	if len(s) > maxSegment {
		return tokenMask
	}
	c := count(s)
	switch {
	case s == "":
		return ""
	case c.digits == len(s):
		if len(s) == 8 && isDate(s[:4], s[4:6], s[6:]) {
			return dateMask
		}
		return idMask
	case len(s) == uuidLength && isUUID(s):
		return uuidMask
	case len(s) == 10 && s[4] == '-' && s[7] == '-' && isDate(s[:4], s[5:7], s[8:]),
		len(s) == 7 && s[4] == '-' && isDate(s[:4], s[5:], "01"):
		return dateMask
	case isEmail(s):
		return emailMask
	case c.isHash(minHash):
		return hashMask
	case strings.HasPrefix(s, jwtBeginning) && strings.Count(s, ".") == 2, c.isToken():
		return tokenMask
	default:
		return ""
	}
}

// characters counts the characters of a text by class.
type characters struct {
	length, digits, small, capitals, hex int
	changes                              int // between digits, small letters and capitals
	foreign                              int // characters that no token has
}

func count(s string) characters {
	n := characters{length: len(s)}
	last := byte(0)
	for i := range len(s) {
		c, class := s[i], byte(0)
		switch {
		case c >= '0' && c <= '9':
			n.digits++
			n.hex++
			class = '0'
		case c >= 'a' && c <= 'z':
			n.small++
			if c <= 'f' {
				n.hex++
			}
			class = 'a'
		case c >= 'A' && c <= 'Z':
			n.capitals++
			if c <= 'F' {
				n.hex++
			}
			class = 'A'
		case c != '-' && c != '_' && c != '=':
			n.foreign++
		}
		if class != last && class != 0 && last != 0 {
			n.changes++
		}
		if class != 0 {
			last = class
		}
	}
	return n
}

// isHash reports whether all is hexadecimal, of at least so many digits, letters among them.
func (n *characters) isHash(least int) bool {
	return n.hex == n.length && n.length >= least && n.digits > 0 && n.digits < n.length && (n.small == 0 || n.capitals == 0)
}

// isToken reports whether the characters look as if they were drawn at random.
func (n *characters) isToken() bool {
	if n.foreign > 0 || n.digits == 0 || n.changes*mixedOneOf < n.length {
		return false
	}
	return n.length >= minLongToken || n.length >= minToken && n.small > 0 && n.capitals > 0
}

// isBundlerHash reports whether s, of bundlerHash characters, is what bundlers put before
// the extension: hexadecimal, or base64 for URLs.
func isBundlerHash(s string) bool {
	n := count(s)
	return n.foreign == 0 && strings.IndexByte(s, '=') < 0 && (n.digits+n.capitals >= 2 && n.changes > 1 || n.isHash(bundlerHash))
}

func isUUID(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return len(s) == uuidLength
}

func isDate(year, month, day string) bool {
	return (year[:2] == "19" || year[:2] == "20") && digits(year) && digits(month) && digits(day) &&
		month >= "01" && month <= "12" && day >= "01" && day <= "31"
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// isEmail reports whether s is an address: something, an @, a name with a point.
func isEmail(s string) bool {
	at := strings.IndexByte(s, '@')
	after := at + 1
	if at < 0 {
		at = strings.Index(s, "%40")
		after = at + 3
	}
	return at > 0 && strings.IndexByte(s[after:], '.') > 0
}

func hasDigitOrCapital(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}

// cutExtension splits a file's extension off: a point and letters, with digits after them.
func cutExtension(s string) (stem, extension string) {
	i := strings.LastIndexByte(s, '.')
	if i <= 0 || len(s)-i-1 < 1 || len(s)-i-1 > maxExtension || s[i+1] >= '0' && s[i+1] <= '9' {
		return s, ""
	}
	for _, c := range []byte(s[i+1:]) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return s, ""
		}
	}
	if s[i:] == ".map" { // app.3f9a1c.js.map
		if j := strings.LastIndexByte(s[:i], '.'); j > 0 && i-j <= maxExtension+1 && (s[j+1:i] == "js" || s[j+1:i] == "css" || s[j+1:i] == "mjs") {
			i = j
		}
	}
	return s[:i], s[i:]
}

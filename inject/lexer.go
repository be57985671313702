package inject

import "bytes"

// kind is what a token of HTML is.
type kind uint8

const (
	incomplete kind = iota // the token's end has not arrived
	doubtful               // where a tag ends is not what its author meant
	text
	startTag
	endTag
	doctype
	other // comments and what is treated as one
)

// lexer cuts the front part of an HTML document into tokens, as section 13.2.5 of the
// HTML standard does, and goes on where the last bytes ended. Tags in which a quote or
// "<" stands where it makes a name or an unquoted value are doubtful.
type lexer struct {
	pos    int    // of the next token
	inside string // what pos is in the middle of: "!--" for a comment, the name of a raw text element, or empty
	next   int    // how far the incomplete token at pos was looked at
	state  tagState
}

type token struct {
	kind       kind
	start, end int
	name       []byte // of tags, in the document's case
}

// read returns the token at pos of b and moves on to its end, unless it is text or
// incomplete. White space has been skipped.
func (l *lexer) read(b []byte) token {
	t := token{start: l.pos, end: l.pos}
	rest := b[l.pos:]
	if len(rest) == 0 {
		return t
	}
	if rest[0] != '<' {
		t.kind = text
		return t
	}
	if len(rest) == 1 {
		return t
	}
	switch c := rest[1]; {
	case isLetter(c):
		return l.tag(b, startTag, 1)
	case c == '!':
		return l.declaration(b)
	case c == '?':
		return l.upTo(b, other, 2)
	case c != '/':
		t.kind = text
		return t
	case len(rest) == 2:
		return t
	case isLetter(rest[2]):
		return l.tag(b, endTag, 2)
	default:
		return l.upTo(b, other, 2)
	}
}

// upTo returns the token that ends with the first ">" from offset on.
func (l *lexer) upTo(b []byte, k kind, offset int) token {
	from := max(l.next, l.pos+offset)
	t := token{start: l.pos, end: l.pos}
	i := bytes.IndexByte(b[min(from, len(b)):], '>')
	if i < 0 {
		l.next = len(b)
		return t
	}
	return l.done(t, k, from+i+1)
}

func (l *lexer) done(t token, k kind, end int) token {
	t.kind, t.end = k, end
	l.pos, l.next, l.state = end, 0, inName
	return t
}

// declaration reads a comment, a doctype or a bogus comment.
func (l *lexer) declaration(b []byte) token {
	const comment, dtd = "<!--", "<!doctype"
	rest := b[l.pos:]
	t := token{start: l.pos, end: l.pos}
	switch {
	case bytes.HasPrefix(rest, []byte(comment)):
		// "<!-->" and "<!--->" are comments too. Seven bytes tell them from others.
		if i := bytes.Index(rest[:min(len(rest), 7)], []byte("->")); i == 3 || i == 4 {
			return l.done(t, other, l.pos+i+2)
		}
		if len(rest) < 7 {
			return t
		}
		l.pos += len(comment)
		l.inside = "!--"
		if !l.leave(b) {
			return token{start: t.start, end: l.pos}
		}
		return l.done(t, other, l.pos)
	case len(rest) < len(comment) && bytes.HasPrefix([]byte(comment), rest):
		return t
	case len(rest) < len(dtd) && bytes.EqualFold(rest, []byte(dtd[:len(rest)])):
		return t
	case len(rest) >= len(dtd) && bytes.EqualFold(rest[:len(dtd)], []byte(dtd)):
		return l.upTo(b, doctype, len(dtd))
	}
	return l.upTo(b, other, 2)
}

// leave moves on to the end of what pos is inside of, or, where that has not arrived, as
// far as it cannot have begun.
func (l *lexer) leave(b []byte) bool {
	rest := b[l.pos:]
	if l.inside == "!--" {
		for from := 0; ; {
			i := bytes.Index(rest[from:], []byte("--"))
			if i < 0 {
				break
			}
			from += i
			switch after := rest[from+2:]; {
			case bytes.HasPrefix(after, []byte(">")):
				l.pos += from + 3
				l.inside = ""
				return true
			case bytes.HasPrefix(after, []byte("!>")):
				l.pos += from + 4
				l.inside = ""
				return true
			}
			from++
		}
		l.pos += max(0, len(rest)-3)
		return false
	}
	for from := 0; ; from += 2 {
		i := bytes.Index(rest[from:], []byte("</"))
		if i < 0 {
			break
		}
		from += i
		end := from + 2 + len(l.inside)
		if end >= len(rest) {
			l.pos += from
			return false
		}
		if c := rest[end]; lowerEqual(rest[from+2:end], l.inside) && (isSpace(c) || c == '/' || c == '>') {
			l.pos += from
			l.inside = ""
			return true
		}
	}
	l.pos += max(0, len(rest)-1)
	return false
}

// tagState is a state of the tokenizer inside of a tag.
type tagState uint8

const (
	inName tagState = iota
	beforeAttribute
	inAttribute
	afterAttribute
	beforeValue
	inDoubleQuotes
	inSingleQuotes
	unquoted
	afterValue
)

// tag reads a start or an end tag, whose name begins at offset.
func (l *lexer) tag(b []byte, k kind, offset int) token {
	t := token{start: l.pos, end: l.pos}
	i := max(l.next, l.pos+offset)
	for ; i < len(b); i++ {
		c := b[i]
		switch l.state {
		case inDoubleQuotes, inSingleQuotes:
			quote := byte('"')
			if l.state == inSingleQuotes {
				quote = '\''
			}
			n := bytes.IndexByte(b[i:], quote)
			if n < 0 {
				l.next = len(b)
				return t
			}
			i += n
			l.state = afterValue
			continue
		case beforeValue:
			switch {
			case isSpace(c):
				continue
			case c == '"':
				l.state = inDoubleQuotes
				continue
			case c == '\'':
				l.state = inSingleQuotes
				continue
			}
		default:
		}
		if c == '>' {
			t = l.done(t, k, i+1)
			name := b[t.start+offset : i]
			if n := bytes.IndexAny(name, whitespace+"/"); n >= 0 {
				name = name[:n]
			}
			t.name = name
			return t
		}
		if l.state = l.state.after(c); l.state > afterValue {
			t.kind = doubtful
			return t
		}
	}
	l.next = len(b)
	return t
}

// after is the state that c leads to from the states outside of quotes; above
// afterValue where that is in doubt.
func (s tagState) after(c byte) tagState {
	const doubt = afterValue + 1
	switch {
	case s == unquoted && c == '/', s == unquoted && c == '=', s == beforeValue:
		if c == '<' {
			return doubt
		}
		return unquoted
	case isSpace(c) && (s == inAttribute || s == afterAttribute):
		return afterAttribute
	case isSpace(c) || c == '/':
		return beforeAttribute
	case s == inName:
		if c == '<' {
			return doubt
		}
		return inName
	case c == '"' || c == '\'' || c == '<':
		return doubt
	case s == unquoted:
		return unquoted
	case c == '=':
		if s == inAttribute || s == afterAttribute {
			return beforeValue
		}
		return doubt
	default:
		return inAttribute
	}
}

// attributes calls yield with each attribute of a whole tag that is not in doubt. The
// first of those with one name counts.
func attributes(tag []byte, yield func(name, value []byte) bool) {
	i := bytes.IndexAny(tag, whitespace+"/>")
	for i < len(tag) && i >= 0 {
		for i < len(tag) && (isSpace(tag[i]) || tag[i] == '/') {
			i++
		}
		if i >= len(tag) || tag[i] == '>' {
			return
		}
		start := i
		for i < len(tag) && !isSpace(tag[i]) && tag[i] != '/' && tag[i] != '>' && tag[i] != '=' {
			i++
		}
		name := tag[start:i]
		for i < len(tag) && isSpace(tag[i]) {
			i++
		}
		var value []byte
		if i < len(tag) && tag[i] == '=' {
			i++
			value, i = attributeValue(tag, i)
		}
		if !yield(name, value) {
			return
		}
	}
}

func attributeValue(tag []byte, i int) (value []byte, end int) {
	for i < len(tag) && isSpace(tag[i]) {
		i++
	}
	if i >= len(tag) {
		return nil, i
	}
	if quote := tag[i]; quote == '"' || quote == '\'' {
		n := bytes.IndexByte(tag[i+1:], quote)
		if n < 0 {
			return nil, len(tag)
		}
		return tag[i+1 : i+1+n], i + n + 2
	}
	start := i
	for i < len(tag) && !isSpace(tag[i]) && tag[i] != '>' {
		i++
	}
	return tag[start:i], i
}

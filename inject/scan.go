package inject

import (
	"bytes"
	"html"
	"net/http"
	"strings"
)

// maxScanned is how much of a document is looked through, and held, at most.
const maxScanned = 64 << 10

// scanner finds the place of the script element in a document that arrives in pieces. It
// follows the HTML standard's tree construction (section 13.2.6.4) from "initial" to the
// end of "in head": the element goes in front of the first thing there that may run or
// show something, and as far in front of that as what has arrived allows, but behind the
// declaration of the character encoding and behind policies.
type scanner struct {
	lexer
	// candidate is the earliest place that still lies ahead; negative: none yet.
	candidate int
	passed    int  // bytes of the document before the first that scan is given
	inHead    bool // the head element is open, or would be by what comes next
	closing   bool // the end tag of a raw text element comes next
	settled   bool // the encoding is declared in the document
	labelled  bool // and outside of it, or by its mark, which counts more
	evident   bool // there is something that only documents have
	document  bool // the browser says that it asked for a document
	script    *script
	policies  *policies
	// located are where the script, the beacons and the page are, for policies in the page.
	located func() (at, beacons, page location)
	nonce   string
}

// scan looks at b, all of the document from s.passed on; what it saw the last time it
// does not see again. It returns undecided where it needs more, else the result; for
// Injected s.candidate is the place.
func (s *scanner) scan(b []byte) Result {
	for {
		if s.inside != "" {
			from := s.pos
			s.closing = s.inside != "!--"
			left := s.leave(b)
			if r := doubt(b[from:s.pos]); r != undecided {
				return r
			}
			if !left {
				return undecided
			}
		}
		if s.passed == 0 && s.pos == 0 {
			if r, ok := s.byteOrderMark(b); !ok {
				return r
			}
		}
		if s.inHead && s.candidate < 0 && !s.closing {
			s.candidate = s.pos
		}
		for s.pos < len(b) && isSpace(b[s.pos]) {
			s.pos++
		}
		from := s.pos
		t := s.read(b)
		if r := doubt(b[from:s.pos]); r != undecided {
			return r
		}
		switch t.kind {
		case incomplete:
			return undecided
		case doubtful:
			return Malformed
		case text:
			if r := doubt(b[t.start : t.start+1]); r != undecided {
				return r
			}
			if !s.evident && !strings.HasPrefix(http.DetectContentType(b[t.start:]), "text/") {
				return Malformed
			}
			return s.stop(b, t)
		case doctype:
			s.evident = true
		case endTag:
			s.closing = false
			// Others are ignored there.
			if is(t.name, "head", "body", "html", "br") {
				s.evident = true
				return s.stop(b, t)
			}
		case startTag:
			if r := s.element(b, t); r != undecided {
				return r
			}
		case other:
		}
	}
}

// doubt finds bytes that the HTML tokenizer replaces, and the escapes of encodings in
// which "<" may be half of another character (ISO-2022-JP).
func doubt(b []byte) Result {
	switch {
	case bytes.IndexByte(b, 0) >= 0:
		return Malformed
	case bytes.IndexByte(b, 0x1b) >= 0:
		return Charset
	}
	return undecided
}

// byteOrderMark skips that of UTF-8 and knows those of UTF-16 (Encoding standard, section
// 6); ok is false where it has not arrived or the document is left alone.
func (s *scanner) byteOrderMark(b []byte) (r Result, ok bool) {
	const utf8, utf16le, utf16be = "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"
	switch {
	case bytes.HasPrefix(b, []byte(utf16le)), bytes.HasPrefix(b, []byte(utf16be)):
		return Charset, false
	case bytes.HasPrefix(b, []byte(utf8)):
		s.pos, s.labelled = len(utf8), true
		return undecided, true
	case len(b) < len(utf8) && (bytes.HasPrefix([]byte(utf8), b) || bytes.HasPrefix([]byte(utf16le), b) || bytes.HasPrefix([]byte(utf16be), b)):
		return undecided, false
	}
	return undecided, true
}

// element looks at a start tag before or in the head.
func (s *scanner) element(b []byte, t token) Result {
	tag := b[t.start:t.end]
	switch {
	case is(t.name, "html"):
		s.evident = true
		if isAMP(tag) {
			return AMP
		}
		return undecided
	case is(t.name, "head"):
		s.evident, s.inHead = true, true
		if s.candidate < 0 {
			s.candidate = t.end
		}
		return undecided
	case is(t.name, "meta", "title", "base"):
		s.evident = true
	case is(t.name, "link", "basefont", "bgsound", "style"):
	default:
		s.evident = s.evident || is(t.name, "body", "frameset")
		return s.stop(b, t)
	}
	if !s.inHead { // its start tag is left out
		s.inHead, s.candidate = true, t.start
	}
	switch {
	case is(t.name, "title"):
		s.inside = "title"
	case is(t.name, "style"):
		s.inside = "style"
	case is(t.name, "meta"):
		return s.meta(t, tag)
	}
	return undecided
}

// is reports whether name is one of names, in whatever case.
func is(name []byte, names ...string) bool {
	for _, n := range names {
		if lowerEqual(name, n) {
			return true
		}
	}
	return false
}

// meta looks at a meta element: the declaration of the encoding must stay in the first
// 1024 bytes (HTML standard, section 4.2.5.4), and a policy governs what is behind it.
func (s *scanner) meta(t token, tag []byte) Result {
	_, equiv, content := metaAttributes(tag)
	switch {
	case declaresCharset(tag):
		if !s.settled {
			s.settled, s.candidate = true, t.end
		}
	case is(equiv, "content-security-policy"):
		s.candidate = t.end
		s.policies.add(html.UnescapeString(string(content)), true)
		return s.check()
	}
	return undecided
}

func metaAttributes(tag []byte) (charset, equiv, content []byte) {
	attributes(tag, func(name, value []byte) bool {
		switch {
		case charset == nil && is(name, "charset"):
			charset = value
		case equiv == nil && is(name, "http-equiv"):
			equiv = value
		case content == nil && is(name, "content"):
			content = value
		}
		return true
	})
	return charset, equiv, content
}

func declaresCharset(tag []byte) bool {
	charset, equiv, content := metaAttributes(tag)
	return len(charset) > 0 || is(equiv, "content-type") && bytes.Contains(bytes.ToLower(content), []byte("charset"))
}

// check holds the policies against the script.
func (s *scanner) check() Result {
	at, beacons, page := s.located()
	nonce, ok := s.policies.allowScript(at, page, s.script.integrity)
	switch {
	case !ok:
		return CSPForbids
	case !s.policies.allowConnect(beacons, page):
		return CSPForbidsBeacons
	}
	s.nonce = nonce
	return undecided
}

// isAMP reports whether an html element's tag is that of an AMP page of any kind.
func isAMP(tag []byte) (amp bool) {
	attributes(tag, func(name, _ []byte) bool {
		amp = is(name, "amp", "amp4ads", "amp4email") || bytes.HasPrefix(name, []byte("⚡"))
		return !amp
	})
	return amp
}

// stop decides at t, which ends the part of the head where nothing runs or shows.
func (s *scanner) stop(b []byte, t token) Result {
	switch {
	case !s.evident && !s.document:
		return Fragment
	case s.hasScript(b[t.start:]):
		return AlreadyThere
	}
	if s.candidate < 0 {
		s.candidate = t.start
	}
	s.late(b, t.start)
	return Injected
}

// hasScript reports whether the part of the document that has arrived has the script
// element, one of ours or one that the page's author put there.
func (s *scanner) hasScript(b []byte) bool {
	b = b[:min(len(b), maxScanned)]
	if !bytes.Contains(b, s.script.rare) && (s.script.named || !bytes.Contains(b, []byte(s.script.src))) {
		return false
	}
	found := false
	startTags(b, func(t token) bool {
		found = is(t.name, "script") && s.script.isThis(b[t.start:t.end])
		return !found
	})
	return found
}

// startTags calls yield with the start tags in b, as far as they are beyond doubt.
func startTags(b []byte, yield func(token) bool) {
	var l lexer
	for l.pos < len(b) {
		if l.inside != "" && !l.leave(b) {
			return
		}
		t := l.read(b)
		switch t.kind {
		case incomplete, doubtful:
			return
		case text:
			i := bytes.IndexByte(b[l.pos+1:], '<')
			if i < 0 {
				return
			}
			l.pos += 1 + i
		case startTag:
			if !yield(t) {
				return
			}
			l.inside = rawText(t.name)
		case endTag, doctype, other:
		}
	}
}

// prescanned is how far browsers look for the declaration of the encoding (HTML
// standard, section 13.2.3.2).
const prescanned = 1024

// late moves the place behind a declaration of the encoding that comes only after a
// script, where the element would push that out of reach.
func (s *scanner) late(b []byte, from int) {
	if s.settled || s.labelled {
		return
	}
	end := min(len(b), prescanned-s.passed)
	if end <= from {
		return
	}
	startTags(b[from:end], func(t token) bool {
		tag := b[from+t.start : from+t.end]
		if is(t.name, "body") || is(t.name, "meta") && declaresCharset(tag) {
			if reach := s.passed + from + t.end + len(s.script.element(s.nonce)); is(t.name, "meta") && reach > prescanned {
				s.candidate = from + t.end
			}
			return false
		}
		return true
	})
}

// rawText returns the lower-case name of an element in which there are no others.
func rawText(name []byte) string {
	for _, n := range [...]string{"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext"} {
		if lowerEqual(name, n) {
			return n
		}
	}
	return ""
}

// pass tells that the first n bytes of what scan was given are gone, and were before the
// place.
func (s *scanner) pass(n int) {
	s.passed += n
	s.pos -= n
	s.next = max(0, s.next-n)
	if s.candidate -= n; s.candidate < 0 {
		s.candidate = -1
	}
}

// settle decides at the place behind the declaration of the encoding, where there is one
// in b and what has begun to follow it is no other meta element, which might be a policy.
func (s *scanner) settle(b []byte) Result {
	const meta = "<meta"
	if !s.settled || s.candidate < 0 {
		return undecided
	}
	if begun := b[s.pos:]; s.inside == "" && len(begun) > 0 && is(begun[:min(len(begun), len(meta))], meta[:min(len(begun), len(meta))]) {
		return undecided
	}
	if s.hasScript(b[s.candidate:]) {
		return AlreadyThere
	}
	return Injected
}

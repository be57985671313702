package ingest

import (
	"crypto/sha256"
	"strings"
)

// The limits of what goes into a fingerprint.
const (
	fingerprintFrames = 3
	maxStackLines     = 64  // looked through for frames
	maxMasked         = 512 // bytes of a message, and of each frame
)

// fingerprintOf tells whether two errors have one cause: the type, the message without what
// varies, and the functions and files of the top three frames, without lines and columns, which
// each build moves.
func fingerprintOf(kind, message, stack string) [8]byte {
	b := make([]byte, 0, 1024)
	b = append(b, kind...)
	b = append(b, 0)
	b = appendMasked(b, message)
	frames := 0
	for range maxStackLines {
		line, rest, more := strings.Cut(stack, "\n")
		if function, file, ok := frameOf(line); ok {
			b = append(b, 0)
			b = append(b, function[:min(len(function), maxMasked)]...)
			b = append(b, '@')
			b = appendMasked(b, file)
			if frames++; frames == fingerprintFrames {
				break
			}
		}
		if stack = rest; !more {
			break
		}
	}
	sum := sha256.Sum256(b)
	return [8]byte(sum[:8])
}

// appendMasked appends a text in which numbers, ids, what stands in quotes, and the queries
// of URLs are each one mark.
func appendMasked(b []byte, s string) []byte {
	s = s[:min(len(s), maxMasked)]
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '`' || c == '\'' && !between(s, i):
			if end := strings.IndexByte(s[i+1:], c); end >= 0 {
				b = append(b, c, c)
				i += end + 2
				continue
			}
		case c == '?' && i > 0 && isWord(s[i-1]) && i+1 < len(s) && isWord(s[i+1]): // a query
			b = append(b, '?')
			if i += strings.IndexAny(s[i:]+" ", " )>\"'\n"); i > len(s) {
				i = len(s)
			}
			continue
		case isWord(c):
			end := i + 1
			for end < len(s) && isWord(s[end]) {
				end++
			}
			b = appendWord(b, s[i:end])
			i = end
			continue
		}
		b = append(b, c)
		i++
	}
	return b
}

// appendWord appends a word; one with a digit that is a number, hexadecimal, or mostly
// digits becomes a mark, and others lose their numbers.
func appendWord(b []byte, word string) []byte {
	digits, hex := 0, 0
	for i := range len(word) {
		switch c := word[i]; {
		case c >= '0' && c <= '9':
			digits++
			hex++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			hex++
		}
	}
	if digits > 0 && (hex == len(word) || 2*digits > len(word) || len(word) >= 20) {
		return append(b, '#')
	}
	for i := 0; i < len(word); i++ {
		if word[i] < '0' || word[i] > '9' {
			b = append(b, word[i])
			continue
		}
		for i+1 < len(word) && word[i+1] >= '0' && word[i+1] <= '9' {
			i++
		}
		b = append(b, '#')
	}
	return b
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// between reports whether an apostrophe stands within a word, as in don't.
func between(s string, i int) bool {
	return i > 0 && i+1 < len(s) && isWord(s[i-1]) && isWord(s[i+1])
}

// frameOf reads a line of a stack as Chromium writes it, "at function (file:1:2)" or "at
// file:1:2", or as Firefox and Safari do, "function@file:1:2".
func frameOf(line string) (function, file string, ok bool) {
	line = strings.TrimSpace(line)
	if rest, found := strings.CutPrefix(line, "at "); found {
		if open := strings.LastIndex(rest, " ("); open >= 0 && strings.HasSuffix(rest, ")") {
			function, file = rest[:open], rest[open+2:len(rest)-1]
		} else {
			file = rest
		}
	} else {
		at := strings.LastIndexByte(line, '@')
		if at < 0 || !strings.Contains(line[at:], ":") && line[at:] != "@[native code]" {
			return "", "", false
		}
		function, file = line[:at], line[at+1:]
	}
	file = cutNumber(cutNumber(file)) // column, line
	if i := strings.IndexAny(file, "?#"); i >= 0 {
		file = file[:i]
	}
	return strings.TrimPrefix(function, "async "), file, true
}

// cutNumber returns s without ":" and digits at its end.
func cutNumber(s string) string {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i == len(s)-1 || strings.Trim(s[i+1:], "0123456789") != "" {
		return s
	}
	return s[:i]
}

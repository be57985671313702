package beacon

import "strings"

// urlOf reads a URL, as validURL says.
func urlOf(value string) (s string, ok bool) {
	s, ok = stringOf(value)
	return s, ok && validURL(s)
}

// validURL reports whether s is an absolute URL without user-info and fragment,
// of at most MaxURLBytes. It is laxer than net/url, which refuses URLs that
// browsers send, such as one with a % that begins no escape (WHATWG URL,
// section 4.4), and stricter where text would break out of a header or a log line.
func validURL(s string) bool {
	if len(s) > MaxURLBytes {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f || s[i] == '#' {
			return false
		}
	}
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !validScheme(scheme) {
		return false
	}
	authority, hierarchical := strings.CutPrefix(rest, "//")
	if !hierarchical {
		return rest != "" && !isHTTP(scheme) // data:, about:, blob:
	}
	if end := strings.IndexAny(authority, "/?\\"); end >= 0 {
		authority = authority[:end]
	}
	if strings.Contains(authority, "@") {
		return false
	}
	return validAuthority(authority, isHTTP(scheme))
}

func isHTTP(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// validScheme reports whether s follows RFC 3986, section 3.1.
func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// validAuthority reports whether s is a host with an optional port; an empty
// one is allowed where no host is needed (file:///).
func validAuthority(s string, needHost bool) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
	}
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return false
	}
	if bracketed := strings.HasPrefix(host, "["); bracketed {
		inner := strings.TrimSuffix(host[1:], "]")
		return len(inner) == len(host)-2 && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	return len(host) <= 255 && (host != "" || !needHost) && !strings.ContainsAny(host, `[]:<>"^|%`+"`{}")
}

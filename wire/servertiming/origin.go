package servertiming

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Limits, in bytes.
const (
	// maxOriginLen is the longest origin that is made or compared: a host name has 253 at
	// most (RFC 1035, section 2.3.4), and scheme and port take few.
	maxOriginLen = 300
	// maxAuthorityLen leaves room for a user and a password before the host.
	maxAuthorityLen = 1000
)

// OriginOf returns the serialised origin of a URL as a browser sends it in Referer
// (URL, section 4.7, and HTML, section 7.1.1): scheme, host, and the port where it is
// not the scheme's default. Scheme and host may be in any case. ok is false for
// everything that has an opaque origin (about:, data:, schemes that are not special)
// and for what a browser would not have sent: a relative URL, or a host that is not
// in its serialised form, such as one with percent signs, other than ASCII letters,
// or an IPv4 address in another notation.
func OriginOf(url string) (origin string, ok bool) {
	scheme, _, found := strings.Cut(url[:min(len(url), len("https://"))], "://")
	if !found {
		return "", false
	}
	rest := url[len(scheme)+len("://"):]
	scheme = strings.ToLower(scheme)
	defaultPort, special := defaultPorts[scheme]
	if !special {
		return "", false
	}
	authority := rest[:min(len(rest), maxAuthorityLen+1)]
	if end := strings.IndexAny(authority, `/\?#`); end >= 0 {
		authority = authority[:end]
	}
	hostPort := authority[strings.LastIndexByte(authority, '@')+1:]
	if len(authority) > maxAuthorityLen || len(hostPort) > maxOriginLen {
		return "", false
	}
	host, port, ok := splitPort(hostPort)
	if !ok {
		return "", false
	}
	if host, ok = serialiseHost(host); !ok {
		return "", false
	}
	if port == "" || port == defaultPort {
		return scheme + "://" + host, true
	}
	return scheme + "://" + host + ":" + port, true
}

// defaultPorts holds the special schemes that have a tuple origin (URL, section 4.2).
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// isOrigin reports whether s is a serialised tuple origin.
func isOrigin(s string) bool {
	origin, ok := OriginOf(s)
	return ok && origin == s
}

// splitPort splits host and port; the port comes without leading zeros.
func splitPort(authority string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < 0 || colon < strings.LastIndexByte(authority, ']') {
		return authority, "", true
	}
	host, port = authority[:colon], authority[colon+1:]
	if port == "" {
		return host, "", true
	}
	if port[0] == '+' {
		return "", "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", "", false
	}
	return host, strconv.FormatUint(n, 10), true
}

// serialiseHost returns a host as URL, section 3.5, serialises it.
func serialiseHost(host string) (string, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		if addr.Is4In6() { // netip writes the last part in dotted decimals, browsers do not
			b := addr.As16()
			return fmt.Sprintf("[::ffff:%x:%x]", int(b[12])<<8|int(b[13]), int(b[14])<<8|int(b[15])), true
		}
		return "[" + addr.String() + "]", true
	}
	host = strings.ToLower(host)
	if host == "" {
		return "", false
	}
	for i := range len(host) {
		if !isHostChar(host[i]) {
			return "", false
		}
	}
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if last != "" && isNumber(last) { // URL, section 3.5, "ends in a number": an IPv4 address
		addr, err := netip.ParseAddr(host)
		return host, err == nil && addr.Is4()
	}
	return host, true
}

// isHostChar accepts what the host parser of URL, section 3.5, leaves unchanged in a
// domain and browsers resolve.
func isHostChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_'
}

// isNumber reports whether the host parser would take a label as part of an IPv4
// address.
func isNumber(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func trim(s string) string { return strings.Trim(s, " \t") }

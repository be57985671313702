package ingest

import (
	"strconv"
	"strings"
)

// maxHostBytes bounds a host with its port: a DNS name has at most 253
// (RFC 1035, section 2.3.4), a port 6 more.
const maxHostBytes = 260

// hostOfURL returns the host of an absolute http, https, ws or wss URL: lower
// case, with the port where it is not the scheme's default. Empty where there is none.
func hostOfURL(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		return ""
	}
	defaultPort, known := defaultPorts[strings.ToLower(scheme)]
	if !known {
		return ""
	}
	if end := strings.IndexAny(rest, `/?#\`); end >= 0 {
		rest = rest[:end]
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	host, port := splitPort(rest)
	if port == defaultPort {
		port = ""
	}
	return joinPort(host, port)
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// hostOfServer returns the host of an HTTP SERVER span from its attributes
// (OpenTelemetry semantic conventions, HTTP server spans), or from their names
// before version 1.21. Empty where none of them tells.
//
// Ports 80 and 443 are left out whatever the scheme: behind a proxy that ends TLS,
// spans say http with the port of the public address.
func hostOfServer(attributes map[string]any) string {
	if !isHTTP(attributes) {
		return ""
	}
	for _, source := range [...]struct{ host, port string }{
		{"server.address", "server.port"}, {"http.host", ""}, {"net.host.name", "net.host.port"},
	} {
		text, _ := attributes[source.host].(string)
		if text == "" {
			continue
		}
		host, port := splitPort(text)
		if port == "" {
			port = portOf(attributes[source.port])
		}
		if port == "80" || port == "443" {
			port = ""
		}
		return joinPort(host, port)
	}
	for _, name := range [...]string{"url.full", "http.url"} {
		if url, ok := attributes[name].(string); ok {
			return hostOfURL(url)
		}
	}
	return ""
}

// isHTTP reports whether a span's attributes are those of an HTTP span.
func isHTTP(attributes map[string]any) bool {
	for _, name := range [...]string{"http.request.method", "http.method", "http.host", "http.url", "http.scheme", "http.target", "url.full"} {
		if _, ok := attributes[name]; ok {
			return true
		}
	}
	scheme, _ := attributes["url.scheme"].(string)
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// portOf reads a port that an SDK wrote as a number or as text.
func portOf(v any) string {
	switch v := v.(type) {
	case int64:
		if v > 0 && v <= 65535 {
			return strconv.FormatInt(v, 10)
		}
	case string:
		return v
	}
	return ""
}

// splitPort splits host:port, [v6]:port, host, [v6] or a bare v6 address.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || !strings.HasPrefix(s, "[") && strings.Contains(s[:i], ":") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// joinPort returns host:port in the form that all hosts are kept in; empty
// where either is not of its grammar.
func joinPort(host, port string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if host == "" || len(host) > maxHostBytes || strings.ContainsFunc(host, notInHost) {
		return ""
	}
	if port == "" {
		return host
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return ""
	}
	return host + ":" + port
}

// notInHost reports whether c stands neither in a DNS name nor in an address
// literal. Names that a browser has not yet put into ASCII are left as they are.
func notInHost(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c > 0x9f && c != '\ufffd':
		return false
	default:
		return !strings.ContainsRune("-._:[]", c)
	}
}

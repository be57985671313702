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

// hostMemo finds the hosts of URLs of which one mostly has the host of the one before. Its zero value is
// ready for use, by one goroutine.
type hostMemo struct{ origin, host string } // of the last URL: up to the end of its authority

// of returns what hostOfURL does.
func (m *hostMemo) of(url string) string {
	if n := len(m.origin); n > 0 && strings.HasPrefix(url, m.origin) && (len(url) == n || strings.IndexByte("/?#\\", url[n]) >= 0) {
		return m.host
	}
	host := hostOfURL(url)
	if begin := strings.Index(url, "://") + len("://"); host != "" {
		end := len(url)
		if n := strings.IndexAny(url[begin:], "/?#\\"); n >= 0 {
			end = begin + n
		}
		*m = hostMemo{url[:end], host}
	}
	return host
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// host returns the host that an HTTP span answered for (OpenTelemetry semantic
// conventions, HTTP server spans); empty where none of the facts tells.
//
// Ports 80 and 443 are left out whatever the scheme: behind a proxy that ends TLS,
// spans say http with the port of the public address.
func (e *entryFacts) host() string {
	for _, source := range [...]struct{ host, port []byte }{
		{e.serverAddress, e.serverPort}, {e.httpHost, nil}, {e.hostHeader, nil}, {e.netHostName, e.netHostPort},
	} {
		text := ""
		texts(source.host, func(s []byte) bool {
			text = string(s)
			return false
		})
		if text == "" {
			continue
		}
		host, port := splitPort(text)
		if port == "" {
			port = portOf(source.port)
		}
		if port == "80" || port == "443" {
			port = ""
		}
		return joinPort(host, port)
	}
	if url := textOf(e.fullURL); len(url) > 0 {
		return hostOfURL(string(url))
	}
	host, port := splitPort(string(textOf(e.serverName)))
	return joinPort(host, port)
}

// portOf reads a port that an SDK wrote as a number or as text.
func portOf(value []byte) string {
	if n := numberOf(value); n > 0 && n <= 65535 {
		return strconv.FormatInt(n, 10)
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
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return ""
	}
	return host + ":" + strconv.FormatUint(n, 10) // not as it came: it may begin with any number of zeros
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

package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// The attributes are those of OpenTelemetry's semantic conventions for HTTP spans. The
// query is left out, since it may hold secrets, and so are headers other than User-Agent.

// maxTextLen bounds what a client writes into a span, in bytes.
const maxTextLen = 1024

// methods are those that a span is named by; others would be names without number.
var methods = map[string]bool{
	http.MethodConnect: true, http.MethodDelete: true, http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true,
	http.MethodPatch: true, http.MethodPost: true, http.MethodPut: true, http.MethodTrace: true, "QUERY": true,
}

func spanName(method string) string {
	if methods[method] {
		return method
	}
	return "HTTP"
}

func methodAttribute(method string) attribute.KeyValue {
	if !methods[method] {
		method = "_OTHER"
	}
	return attribute.String("http.request.method", method)
}

// requestAttributes returns those of the SERVER span.
func requestAttributes(r *http.Request) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 8)
	scheme, version := "http", "1.1"
	if r.TLS != nil {
		scheme = "https"
	}
	switch {
	case r.ProtoMajor == 2:
		version = "2"
	case r.ProtoMinor == 0:
		version = "1.0"
	}
	all = append(all,
		methodAttribute(r.Method),
		attribute.String("url.scheme", scheme),
		attribute.String("url.path", bounded(r.URL.Path)),
		attribute.String("network.protocol.version", version),
	)
	host, port := splitHost(r.Host)
	all = append(all, attribute.String("server.address", bounded(host)))
	if n, err := strconv.Atoi(port); err == nil {
		all = append(all, attribute.Int("server.port", n))
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		all = append(all, attribute.String("client.address", peer.Addr().Unmap().String()))
	}
	if agent := r.Header.Get("User-Agent"); agent != "" {
		all = append(all, attribute.String("user_agent.original", bounded(agent)))
	}
	return all
}

// upstreamAttributes returns those of every CLIENT span.
func upstreamAttributes(u *url.URL) []attribute.KeyValue {
	host, port := splitHost(u.Host)
	if port == "" {
		port = map[string]string{"http": "80", schemeH2C: "80", "https": "443"}[u.Scheme]
	}
	all := []attribute.KeyValue{attribute.String("server.address", host)}
	if n, err := strconv.Atoi(port); err == nil {
		all = append(all, attribute.Int("server.port", n))
	}
	return all
}

// splitHost splits the port from a host, whose brackets go too.
func splitHost(hostport string) (host, port string) {
	if host, port, err := net.SplitHostPort(hostport); err == nil {
		return host, port
	}
	return strings.Trim(hostport, "[]"), ""
}

// bounded returns text that an exporter can take: valid UTF-8 of at most maxTextLen bytes.
func bounded(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxTextLen)], "\uFFFD")
}

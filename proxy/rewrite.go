package proxy

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range s {
		if !httpguts.IsTokenRune(c) {
			return false
		}
	}
	return s != ""
}

// rewriter makes of a request the one for the upstream. httputil.ReverseProxy has taken
// off hop-by-hop headers, Forwarded and X-Forwarded-* by then.
type rewriter struct {
	target      url.URL
	trusted     []netip.Prefix
	rewriteHost bool
	via         string
}

func newRewriter(o *Options) *rewriter {
	w := &rewriter{target: *o.Upstream, trusted: o.TrustedProxies, rewriteHost: o.RewriteHost, via: o.Via}
	if w.target.Scheme == schemeH2C {
		w.target.Scheme = "http"
	}
	return w
}

// forwardedHeaders are what a trusted proxy tells, in canonical form.
var forwardedHeaders = [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"}

func (w *rewriter) rewrite(pr *httputil.ProxyRequest) {
	pr.SetURL(&w.target)
	if !w.rewriteHost {
		pr.Out.Host = pr.In.Host
	}
	pr.Out.Trailer = pr.In.Trailer // what is filled in when the body has ended
	if pr.In.ProtoMajor == 1 && pr.Out.ContentLength > 0 {
		pr.Out.Body = &announced{pr.Out.Body, pr.Out.ContentLength}
	}
	header := pr.Out.Header
	if contains(w.trusted, pr.In) {
		for _, name := range forwardedHeaders {
			if values, ok := pr.In.Header[name]; ok {
				header[name] = []string{strings.Join(values, ", ")}
			}
		}
	}
	w.forward(pr.In, header)
	if w.via != "" {
		header["Via"] = append(header["Via"], protocol(pr.In.ProtoMajor, pr.In.ProtoMinor)+" "+w.via)
	}
}

// forward tells for whom the proxy asks: the client's address is added to those that
// trusted proxies told, host and scheme are theirs where they told them.
func (w *rewriter) forward(in *http.Request, header http.Header) {
	scheme := "http"
	if in.TLS != nil {
		scheme = "https"
	}
	var node string // of RFC 7239, section 6
	if peer, err := netip.ParseAddrPort(in.RemoteAddr); err == nil {
		address := peer.Addr().Unmap().WithZone("")
		node = address.String()
		add(header, "X-Forwarded-For", node)
		if address.Is6() {
			node = `"[` + node + `]"`
		}
	} else {
		node = "unknown"
	}
	add(header, "Forwarded", "for="+node+`;host="`+in.Host+`";proto=`+scheme) // net/http lets no quote into Host
	if header["X-Forwarded-Host"] == nil {
		header["X-Forwarded-Host"] = []string{in.Host}
	}
	if header["X-Forwarded-Proto"] == nil {
		header["X-Forwarded-Proto"] = []string{scheme}
	}
}

// add adds an element to a list that is one field.
func add(header http.Header, name, element string) {
	if values := header[name]; len(values) > 0 && values[0] != "" {
		element = values[0] + ", " + element
	}
	header[name] = []string{element}
}

// protocol returns the received-protocol of Via; its name is left out for HTTP.
func protocol(major, minor int) string {
	switch {
	case major == 2:
		return "2.0"
	case minor == 0:
		return "1.0"
	default:
		return "1.1"
	}
}

// announced is the body of a request with Content-Length, which ends by itself after so
// many bytes. http.Transport reads past them to see the end, when the upstream may have
// answered already; with the answer's headers http.Server closes the body of HTTP/1,
// so that this read fails, upon which the transport breaks the answer off.
type announced struct {
	io.ReadCloser
	left int64
}

func (a *announced) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, io.EOF
	}
	n, err := a.ReadCloser.Read(p)
	a.left -= int64(n)
	return n, err
}

package inject

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// policyCases are after the algorithms of CSP3, for a script of the page's own origin
// https://shop.test, where src names no other.
var policyCases = []struct {
	policy, src string
	integrity   string
	allowed     bool
	nonce       string
}{
	{policy: "", allowed: true},
	{policy: " ; ,", allowed: true},
	{policy: "img-src 'none'", allowed: true},
	{policy: "upgrade-insecure-requests", allowed: true},
	// Fallback (section 6.8.3).
	{policy: "default-src 'self'", allowed: true},
	{policy: "default-src 'none'"},
	{policy: "default-src 'none'; script-src 'self'", allowed: true},
	{policy: "script-src 'self'; default-src 'none'", allowed: true},
	{policy: "script-src 'none'; script-src-elem 'self'", allowed: true},
	{policy: "script-src 'self'; script-src-elem 'none'"},
	{policy: "script-src-attr 'none'", allowed: true},
	// The first of two directives counts, names have no case (section 2.2.1).
	{policy: "SCRIPT-SRC 'self'; script-src 'none'", allowed: true},
	{policy: "script-src 'none'; script-src 'self'"},
	{policy: "script-src\t'self'", allowed: true},
	// All policies count.
	{policy: "script-src 'self', script-src 'self' https:", allowed: true},
	{policy: "script-src 'self', default-src 'none'"},
	// Source lists (section 6.7.2.7).
	{policy: "script-src"},
	{policy: "script-src 'none'"},
	{policy: "script-src 'none' 'self'", allowed: true},
	{policy: "script-src 'SELF'", allowed: true},
	{policy: "script-src self"},
	{policy: "script-src 'unsafe-inline' 'unsafe-eval'"},
	{policy: "script-src *", allowed: true},
	{policy: "script-src https:", allowed: true},
	{policy: "script-src http:", allowed: true}, // 6.7.2.9: http stands for https
	{policy: "script-src data: blob:"},
	{policy: "script-src wss:"},
	{policy: "script-src shop.test", allowed: true},
	{policy: "script-src SHOP.test", allowed: true},
	{policy: "script-src http://shop.test", allowed: true},
	{policy: "script-src ftp://shop.test"},
	{policy: "script-src test"},
	{policy: "script-src *.test", allowed: true},
	{policy: "script-src *.shop.test"},
	{policy: "script-src *.shop.test", src: "https://cdn.shop.test/t.js", allowed: true},
	{policy: "script-src *.shop.test", src: "https://evilshop.test/t.js"},
	{policy: "script-src 'self'", src: "https://cdn.test/t.js"},
	{policy: "script-src 'self'", src: "https://shop.test:8443/t.js"},
	{policy: "script-src 'self'", src: "https://shop.test:443/t.js", allowed: true},
	{policy: "script-src https://cdn.test", src: "http://cdn.test/t.js"},
	{policy: "script-src cdn.test", src: "//cdn.test/t.js", allowed: true},
	// Ports (section 6.7.2.11).
	{policy: "script-src shop.test:443", allowed: true},
	{policy: "script-src shop.test:80", allowed: true},
	{policy: "script-src shop.test:8443"},
	{policy: "script-src shop.test:*", allowed: true},
	{policy: "script-src cdn.test:*", src: "https://cdn.test:99/t.js", allowed: true},
	{policy: "script-src cdn.test", src: "https://cdn.test:99/t.js"},
	{policy: "script-src http://[::1]:99", src: "http://[::1]:99/t.js", allowed: true},
	// Paths (section 6.7.2.12).
	{policy: "script-src https://shop.test/", allowed: true},
	{policy: "script-src https://shop.test/.throughline/", allowed: true},
	{policy: "script-src https://shop.test/.throughline"},
	{policy: "script-src https://shop.test/.throughline/t.js", allowed: true},
	{policy: "script-src https://shop.test/%2Ethroughline/", allowed: true},
	{policy: "script-src https://shop.test/js/"},
	// Nonces (section 6.7.2.3).
	{policy: "script-src 'nonce-abc'", allowed: true, nonce: "abc"},
	{policy: "script-src 'self' 'nonce-abc'", allowed: true, nonce: "abc"},
	{policy: "script-src 'NONCE-aB+/-_=='", allowed: true, nonce: "aB+/-_=="},
	{policy: "script-src 'nonce-'"},
	{policy: "script-src 'nonce-a\"b'"},
	{policy: "script-src 'nonce-a=b'"},
	{policy: "script-src 'nonce-" + strings.Repeat("a", maxNonce+1) + "'"},
	{policy: "script-src 'nonce-abc', script-src 'self'", allowed: true, nonce: "abc"},
	{policy: "script-src 'nonce-abc', script-src 'nonce-def'"},
	{policy: "script-src 'nonce-abc' 'nonce-def', script-src 'nonce-def'", allowed: true, nonce: "def"},
	{policy: "script-src 'nonce-abc'; script-src-elem 'self'", allowed: true},
	// strict-dynamic (section 8.2).
	{policy: "script-src 'self' https: 'strict-dynamic'"},
	{policy: "script-src 'strict-dynamic' 'nonce-abc' https:", allowed: true, nonce: "abc"},
	// Hashes of external scripts (section 8.4).
	{policy: "script-src 'sha384-AAAA'"},
	{policy: "script-src 'sha384-AAAA'", integrity: "sha384-AAAA", allowed: true},
	{policy: "script-src 'strict-dynamic' 'SHA384-AA-_'", integrity: "sha384-AA+/", allowed: true},
	{policy: "script-src 'sha384-AAAA'", integrity: "sha384-AAAA sha512-BBBB"},
	{policy: "script-src 'sha256-AAAA'", integrity: "sha384-AAAA"},
	// sandbox.
	{policy: "sandbox"},
	{policy: "sandbox allow-forms allow-scripts", allowed: true},
}

func TestPolicies(t *testing.T) {
	page := httptest.NewRequest(http.MethodGet, "https://shop.test/basket", http.NoBody)
	page.TLS = new(tls.ConnectionState)
	for _, tc := range policyCases {
		src := tc.src
		if src == "" {
			src = "/.throughline/t.js"
		}
		u, err := url.Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		at, own := locate(u, page)
		var p policies
		p.add(tc.policy, false)
		if nonce, ok := p.allowScript(at, own, tc.integrity); ok != tc.allowed || nonce != tc.nonce {
			t.Errorf("%q for %q: %v, nonce %q", tc.policy, src, ok, nonce)
		}
	}
}

func TestConnectPolicies(t *testing.T) {
	own := location{scheme: "https", host: "shop.test", path: "/"}
	for policy, want := range map[string]bool{
		"": true, "script-src 'none'": true, "default-src 'none'": false, "default-src 'none'; connect-src 'self'": true,
		"connect-src https://api.test": false, "connect-src *": true, "connect-src 'self', connect-src 'none'": false,
	} {
		var p policies
		p.add(policy, false)
		if got := p.allowConnect(own, own); got != want {
			t.Errorf("%q: %v", policy, got)
		}
	}
}

func TestTooManyPolicies(t *testing.T) {
	var p policies
	p.add(strings.Repeat("script-src 'self',", maxPolicies+1), false)
	if _, ok := p.allowScript(location{host: "a"}, location{host: "a"}, ""); ok {
		t.Error("policies that were not read allow the script")
	}
}

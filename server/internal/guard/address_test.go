package guard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func clientOf(t testing.TB, p *proxies, peer string, lines ...string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/beacon", http.NoBody)
	r.RemoteAddr = peer
	for _, line := range lines {
		r.Header.Add(p.header, line)
	}
	return p.client(r).String()
}

func testProxies(t testing.TB, header string) *proxies {
	t.Helper()
	p, err := newProxies([]string{"127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48"}, header)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		name, header, peer string
		lines              []string
		want               string
	}{
		{"no proxy", XForwardedFor, "192.0.2.1:1234", nil, "192.0.2.1"},
		{"who is not trusted is not believed", XForwardedFor, "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a proxy that says nothing", XForwardedFor, "10.0.0.1:1234", nil, "10.0.0.1"},
		{"one proxy", XForwardedFor, "10.0.0.1:1234", []string{"192.0.2.1"}, "192.0.2.1"},
		{"what the client wrote itself is left of it", XForwardedFor, "10.0.0.1:1234", []string{"8.8.8.8, 127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", XForwardedFor, "127.0.0.1:1234", []string{"8.8.8.8,192.0.2.1 , 10.1.1.1"}, "192.0.2.1"},
		{"several lines are one list", XForwardedFor, "127.0.0.1:1234", []string{"8.8.8.8", "192.0.2.1", "10.1.1.1"}, "192.0.2.1"},
		{"all are trusted", XForwardedFor, "127.0.0.1:1234", []string{"10.0.0.9, 10.1.1.1"}, "10.0.0.9"},
		{"garbage from the client", XForwardedFor, "10.0.0.1:1234", []string{"<script>, 192.0.2.1"}, "192.0.2.1"},
		{"garbage from the proxy", XForwardedFor, "127.0.0.1:1234", []string{"192.0.2.1, unknown, 10.1.1.1"}, "10.1.1.1"},
		{"empty", XForwardedFor, "10.0.0.1:1234", []string{""}, "10.0.0.1"},
		{"ports", XForwardedFor, "127.0.0.1:1234", []string{"192.0.2.1:4711, [2001:db8:ffff::1]:80"}, "192.0.2.1"},
		{"v6", XForwardedFor, "[2001:db8:ffff::9]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		{"v6 in brackets", XForwardedFor, "10.0.0.1:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"v4 in v6", XForwardedFor, "[::ffff:10.0.0.1]:1234", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"zone", XForwardedFor, "10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"too many hops", XForwardedFor, "10.0.0.1:1", []string{"192.0.2.1" + strings.Repeat(", 10.0.0.2", 100)}, "10.0.0.2"},
		{"too long", XForwardedFor, "10.0.0.1:1", []string{strings.Repeat("1", 9000) + ", 192.0.2.1"}, "10.0.0.1"},
		{"a socket without addresses", XForwardedFor, "@", []string{"192.0.2.1"}, "invalid IP"},

		{"RFC 7239", Forwarded, "10.0.0.1:1", []string{"for=192.0.2.43"}, "192.0.2.43"},
		{"RFC 7239, section 4", Forwarded, "10.0.0.1:1", []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"RFC 7239, other parameters", Forwarded, "10.0.0.1:1", []string{"proto=http;for=192.0.2.60 ; by=203.0.113.43"}, "192.0.2.60"},
		{"RFC 7239, list", Forwarded, "127.0.0.1:1", []string{`for=8.8.8.8, for=192.0.2.43,for="10.0.0.7";proto=https`}, "192.0.2.43"},
		{"obfuscated", Forwarded, "10.0.0.1:1", []string{"for=8.8.8.8, for=_hidden"}, "10.0.0.1"},
		{"no for", Forwarded, "10.0.0.1:1", []string{"for=8.8.8.8, proto=https"}, "10.0.0.1"},
		{"an open quote swallows nothing", Forwarded, "10.0.0.1:1", []string{`for="8.8.8.8, for=192.0.2.1`}, "10.0.0.1"},
		{"a comma in quotes", Forwarded, "10.0.0.1:1", []string{`host="a, for=8.8.8.8";for=192.0.2.1`}, "192.0.2.1"},
		{"escapes", Forwarded, "10.0.0.1:1", []string{`for="192.0.2\.1";host="\"\\"`}, "192.0.2.1"},
		{"a broken line before the proxy's own", Forwarded, "10.0.0.1:1", []string{`for="`, "for=192.0.2.1"}, "192.0.2.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := clientOf(t, testProxies(t, c.header), c.peer, c.lines...); got != c.want {
				t.Errorf("the client is %s, want %s", got, c.want)
			}
		})
	}
}

// The header that the proxies do not write comes from the client as it is.
func TestOnlyOneHeaderIsRead(t *testing.T) {
	p := testProxies(t, XForwardedFor)
	r := httptest.NewRequest(http.MethodPost, "/beacon", http.NoBody)
	r.RemoteAddr = "10.0.0.1:1"
	r.Header.Set(Forwarded, "for=8.8.8.8")
	r.Header.Set(XForwardedFor, "192.0.2.1")
	if got := p.client(r).String(); got != "192.0.2.1" {
		t.Errorf("the client is %s, want 192.0.2.1", got)
	}
}

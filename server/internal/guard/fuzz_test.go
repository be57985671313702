package guard

import (
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// FuzzOrigin: an origin matches only what it is below of, and what matches an
// exact pattern is that pattern.
func FuzzOrigin(f *testing.F) {
	seeds := [][2]string{
		{"https://shop.example", "https://shop.example"},
		{"https://*.shop.example", "https://a.shop.example"},
		{"https://*.shop.example:8443", "https://a.b.shop.example:8443"},
		{"https://*.shop.example", "https://evil.example/.shop.example"},
		{"https://*.localhost:3000", "https://.localhost:3000"},
		{"http://[::1]:3000", "http://[::1]:3000"},
		{"capacitor://localhost", "capacitor://localhost"},
		{"null", "null"},
	}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, origin string) {
		s := newOriginSet()
		if s.add(pattern) != nil || !s.match(origin) {
			return
		}
		base, wild := strings.CutPrefix(pattern[strings.Index(pattern, "://")+3:], "*.")
		if !wild {
			if origin != pattern {
				t.Fatalf("%q matches %q", origin, pattern)
			}
			return
		}
		if serialised, ok := servertiming.OriginOf(origin); !ok || serialised != origin {
			t.Fatalf("%q matches %q and is no origin", origin, pattern)
		}
		scheme, host, _ := strings.Cut(origin, "://")
		below, found := strings.CutSuffix(host, "."+base)
		if !found || below == "" || !strings.HasPrefix(pattern, scheme+"://*.") {
			t.Fatalf("%q matches %q", origin, pattern)
		}
	})
}

// FuzzForwarded: whatever a client writes into the header, what a trusted proxy
// then adds is what counts, and the result is always an address.
func FuzzForwarded(f *testing.F) {
	seeds := []string{
		"", "8.8.8.8", "8.8.8.8, 10.0.0.1", "unknown", "[::1]:80", "fe80::1%eth0", "for=8.8.8.8", `for="[::1]:80";proto=https`,
		`for="`, `host="a, for=1.1.1.1";for=_x`, ";;,,", `for="\`, strings.Repeat(",", 100),
	}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		for _, header := range []string{XForwardedFor, Forwarded} {
			p := testProxies(t, header)
			own := "192.0.2.1"
			if header == Forwarded {
				own = "for=192.0.2.1"
			}
			if got := clientOf(t, p, "10.0.0.1:1", sent, own); got != "192.0.2.1" {
				t.Fatalf("%s: a line of the client's and one of the proxy's make %s", header, got)
			}
			joined := clientOf(t, p, "10.0.0.1:1", sent+", "+own)
			if joined != "192.0.2.1" && joined != "10.0.0.1" {
				t.Fatalf("%s: what the client wrote before the proxy makes %s", header, joined)
			}
			if got := clientOf(t, p, "198.51.100.1:1", sent); got != "198.51.100.1" {
				t.Fatalf("%s: a client that is no proxy makes %s", header, got)
			}
			if got := clientOf(t, p, "10.0.0.1:1", sent); got == "invalid IP" {
				t.Fatalf("%s: no address at all", header)
			}
		}
	})
}

package firstparty_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/browser"
	"github.com/throughline-rum/throughline/firstparty"
)

// newHandler returns a handler in front of a Throughline server at an address.
func newHandler(tb testing.TB, server string, change func(*firstparty.Options)) *firstparty.Handler {
	tb.Helper()
	target, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{ResponseHeaderTimeout: 100 * time.Millisecond}
	tb.Cleanup(transport.CloseIdleConnections)
	o := firstparty.Options{Server: target, Transport: transport}
	if change != nil {
		change(&o)
	}
	h, err := firstparty.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

const nowhere = "http://127.0.0.1:9"

// ask sends a request to a handler, with header fields "Name: value".
func ask(tb testing.TB, h http.Handler, method, path string, body io.Reader, fields ...string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, "http://shop.example/", body)
	r.URL.Path = path
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestScripts(t *testing.T) {
	h := newHandler(t, nowhere, nil)
	src, integrity := h.Script()
	folder := strings.TrimSuffix(src, browser.AgentFile)
	for _, name := range []string{browser.AgentFile, browser.IdleFile, browser.WorkerFile} {
		want, err := browser.File(name)
		if err != nil {
			t.Fatal(err)
		}
		for path, cache := range map[string]string{
			folder + name:                            "public, max-age=31536000, immutable",
			"/.throughline/" + name:                  "no-cache",
			"/.throughline/0123456789abcdef/" + name: "no-cache", // another release
		} {
			w := ask(t, h, http.MethodGet, path, nil)
			if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("%s: status %d, %d bytes, want %d", path, w.Code, w.Body.Len(), len(want))
			}
			for header, value := range map[string]string{
				"Cache-Control": cache, "Content-Type": "text/javascript; charset=utf-8", "X-Content-Type-Options": "nosniff",
				"Vary": "Accept-Encoding", "Access-Control-Allow-Origin": "", "Content-Encoding": "",
			} {
				if got := w.Header().Get(header); got != value {
					t.Errorf("%s: %s = %q, want %q", path, header, got, value)
				}
			}
			if again := ask(t, h, http.MethodGet, path, nil, "If-None-Match: "+w.Header().Get("ETag")); again.Code != http.StatusNotModified {
				t.Errorf("%s: status %d for what the client has", path, again.Code)
			}
			if head := ask(t, h, http.MethodHead, path, nil); head.Code != http.StatusOK || head.Body.Len() != 0 {
				t.Errorf("%s: HEAD: status %d, %d bytes", path, head.Code, head.Body.Len())
			}
			packed := ask(t, h, http.MethodGet, path, nil, "Accept-Encoding: br, gzip")
			reader, err := gzip.NewReader(packed.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, want) || packed.Header().Get("ETag") == w.Header().Get("ETag") {
				t.Errorf("%s with gzip: %d bytes, %v; ETag %s", path, len(got), err, packed.Header().Get("ETag"))
			}
			if part := ask(t, h, http.MethodGet, path, nil, "Accept-Encoding: gzip", "Range: bytes=0-3"); part.Code != http.StatusPartialContent || part.Body.String() != string(want[:4]) {
				t.Errorf("%s: a range: status %d, %q", path, part.Code, part.Body)
			}
			if post := ask(t, h, http.MethodPost, path, nil); post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: POST: status %d", path, post.Code)
			}
		}
		if name == browser.AgentFile {
			sum := sha512.Sum384(want)
			if integrity != "sha384-"+base64.StdEncoding.EncodeToString(sum[:]) {
				t.Errorf("integrity = %s", integrity)
			}
		}
	}
}

func TestAcceptEncoding(t *testing.T) {
	h := newHandler(t, nowhere, nil)
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "br": false, "*": true, "gzip;q=0": false, "gzip; q=0.5": true,
		"*;q=0": false, "gzip;q=0, *": false, "*;q=0, gzip": true, "gzip;q=x": false, "notgzip": false, "br;q=1, gzip;q=0.001": true,
	} {
		if got := ask(t, h, http.MethodGet, "/.throughline/throughline.js", nil, "Accept-Encoding: "+accept).Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: gzip %t, want %t", accept, got, want)
		}
	}
}

// Below the prefix there is nothing else, and what is not below it is the application's.
func TestWrap(t *testing.T) {
	h := newHandler(t, nowhere, nil).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{
		"/": 418, "/.throughline": 418, "/throughline.js": 418, "/a/.throughline/throughline.js": 418, "/.throughlinex/": 418,
		"/.throughline/": 404, "/.throughline/x": 404, "/.throughline/throughline.js/": 404, "/.throughline//throughline.js": 404,
		"/.throughline/../throughline.js": 404, "/.throughline/abc/throughline.js": 404, "/.throughline/0123456789abcdef/x/throughline.js": 404,
		"/.throughline/0123456789abcdeX/throughline.js": 404, "/.throughline/beacon/": 404, "/.throughline/throughline.js": 200,
	} {
		if got := ask(t, h, http.MethodGet, path, nil).Code; got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
}

// sent is what the server got of a beacon.
type sent struct {
	method, path, body string
	header             http.Header
}

// server is a Throughline server that takes everything.
func server(t *testing.T) (address string, got <-chan sent) {
	t.Helper()
	all := make(chan sent, 8)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all <- sent{r.Method, r.URL.Path, string(body), r.Header}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Throughline-Reject-Reason", "rate")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Set-Cookie", "server=1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"slow down"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, all
}

// A beacon goes on with what the server needs, and its answer comes back; cookies and
// credentials do neither.
func TestBeacon(t *testing.T) {
	address, got := server(t)
	h := newHandler(t, address, nil)
	w := ask(t, h, http.MethodPost, h.Endpoint(), strings.NewReader("{}"),
		"Content-Type: text/plain", "Content-Encoding: gzip", "Origin: https://shop.example", "User-Agent: Test/1",
		"Cookie: session=1", "Authorization: Bearer x", "X-Forwarded-For: 10.0.0.1", "Traceparent: x", "Forwarded: for=10.0.0.1")
	if w.Code != http.StatusTooManyRequests || w.Body.String() != `{"error":"slow down"}` {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Retry-After": "7", "Throughline-Reject-Reason": "rate", "Content-Type": "application/json", "Cache-Control": "no-store",
		"Access-Control-Allow-Origin": "", "Set-Cookie": "",
	} {
		if value := w.Header().Get(name); value != want {
			t.Errorf("answer: %s = %q, want %q", name, value, want)
		}
	}
	s := <-got
	if s.method != http.MethodPost || s.path != "/beacon" || s.body != "{}" {
		t.Errorf("the server got %s %s %q", s.method, s.path, s.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain", "Content-Encoding": "gzip", "Origin": "https://shop.example", "User-Agent": "Test/1",
		"X-Forwarded-For": "192.0.2.1", "Cookie": "", "Authorization": "", "Traceparent": "", "Forwarded": "",
	} {
		if value := s.header.Get(name); value != want {
			t.Errorf("the server got %s = %q, want %q", name, value, want)
		}
	}
}

func TestClientsAddress(t *testing.T) {
	address, got := server(t)
	for _, tt := range []struct {
		trusted string
		told    []string
		want    string
	}{
		{"192.0.2.0/24", []string{"X-Forwarded-For: 198.51.100.7"}, "198.51.100.7, 192.0.2.1"},
		{"192.0.2.0/24", []string{"X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 198.51.100.8"}, "198.51.100.7, 198.51.100.8, 192.0.2.1"},
		{"192.0.2.0/24", nil, "192.0.2.1"},
		{"192.0.2.0/24", []string{"X-Forwarded-For: " + strings.Repeat("1", 5000)}, "192.0.2.1"},
		{"10.0.0.0/8", []string{"X-Forwarded-For: 198.51.100.7"}, "192.0.2.1"},
	} {
		h := newHandler(t, address, func(o *firstparty.Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(tt.trusted)} })
		ask(t, h, http.MethodPost, h.Endpoint(), strings.NewReader("{}"), tt.told...)
		if value := strings.Join((<-got).header.Values("X-Forwarded-For"), "|"); value != tt.want {
			t.Errorf("%s told %q: %q, want %q", tt.trusted, tt.told, value, tt.want)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	address, got := server(t)
	h := newHandler(t, address, func(o *firstparty.Options) { o.CrossOrigin = true })
	w := ask(t, h, http.MethodOptions, h.Endpoint(), nil, "Origin: https://other.example", "Access-Control-Request-Method: POST")
	if s := <-got; s.method != http.MethodOptions || s.header.Get("Access-Control-Request-Method") != "POST" {
		t.Errorf("the server got %s %v", s.method, s.header)
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers %v", w.Header())
	}
	script := ask(t, h, http.MethodGet, "/.throughline/throughline.js", nil)
	if script.Header().Get("Access-Control-Allow-Origin") != "*" || script.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("script: %v", script.Header())
	}
	for _, method := range []string{http.MethodGet, http.MethodOptions} {
		own := newHandler(t, address, nil)
		if w := ask(t, own, method, own.Endpoint(), nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: status %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

// The agent keeps a beacon that was answered with 5xx, and drops one with 4xx.
func TestServerFails(t *testing.T) {
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name   string
		server string
		body   io.Reader
		status int
		again  string
	}{
		{"nobody there", nowhere, strings.NewReader("{}"), http.StatusBadGateway, "5"},
		{"silent", "http://" + silent.Addr().String(), strings.NewReader("{}"), http.StatusGatewayTimeout, "5"},
		{"too large", "http://" + silent.Addr().String(), io.LimitReader(endless{}, 2<<20), http.StatusRequestEntityTooLarge, ""},
	} {
		h := newHandler(t, tt.server, nil)
		w := ask(t, h, http.MethodPost, h.Endpoint(), tt.body)
		if w.Code != tt.status || w.Header().Get("Retry-After") != tt.again {
			t.Errorf("%s: status %d, Retry-After %q: %s", tt.name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Only so many beacons are under way at once, and one whose page has gone is given up.
func TestManyBeacons(t *testing.T) {
	arrived, release := make(chan struct{}, 1024), make(chan struct{})
	h := newHandler(t, nowhere, func(o *firstparty.Options) {
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			arrived <- struct{}{}
			select {
			case <-release:
				return nil, errors.New("released")
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
	})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan any, 1024)
	const most = 512
	for range most {
		go func() {
			defer func() { ended <- recover() }()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, h.Endpoint(), strings.NewReader("{}"))
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
	}
	for range most {
		<-arrived
	}
	if w := ask(t, h, http.MethodPost, h.Endpoint(), strings.NewReader("{}")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	leave()
	for range most {
		if err, ok := (<-ended).(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Fatalf("a beacon whose page has gone ended with %v", err)
		}
	}
	close(release)
	if w := ask(t, h, http.MethodPost, h.Endpoint(), strings.NewReader("{}")); w.Code != http.StatusBadGateway {
		t.Errorf("after they have ended: status %d", w.Code)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOptions(t *testing.T) {
	target, _ := url.Parse(nowhere)
	for _, prefix := range []string{"/", "x/", "/x", "/a/../b/", "/a//b/", "/a b/", "/ä/", `/"/`, "/a/./"} {
		if _, err := firstparty.New(firstparty.Options{Server: target, Prefix: prefix}); err == nil || !strings.Contains(err.Error(), "/.throughline/") {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
	for _, server := range []*url.URL{nil, {Path: "/x"}, {Scheme: "ftp", Host: "x"}} {
		if _, err := firstparty.New(firstparty.Options{Server: server}); err == nil {
			t.Errorf("server %v: no error", server)
		}
	}
	h := newHandler(t, nowhere, func(o *firstparty.Options) { o.Prefix = "/rum/x/" })
	if src, _ := h.Script(); !strings.HasPrefix(src, "/rum/x/") || h.Endpoint() != "/rum/x/beacon" {
		t.Errorf("%s, %s", src, h.Endpoint())
	}
}

func FuzzPaths(f *testing.F) {
	for _, path := range []string{"/.throughline/throughline.js", "/.throughline/0123456789abcdef/throughline-idle.js", "/.throughline/../x", "//"} {
		f.Add(path, "gzip;q=0.5, *")
	}
	h := newHandler(f, nowhere, nil)
	f.Fuzz(func(t *testing.T, path, accept string) {
		w := ask(t, h, http.MethodGet, path, nil, "Accept-Encoding: "+accept)
		if w.Code == http.StatusOK && !strings.HasPrefix(path, "/.throughline/") {
			t.Errorf("%q is not below the prefix", path)
		}
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound && path != h.Endpoint() {
			t.Errorf("%q: status %d", path, w.Code)
		}
	})
}

func BenchmarkScript(b *testing.B) {
	h := newHandler(b, nowhere, nil)
	src, _ := h.Script()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, src, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// A shop puts the handler around the one that is traced: neither script nor beacon is
// part of what its pages do.
func ExampleHandler_Wrap() {
	server, _ := url.Parse("http://127.0.0.1:8318")
	agent, err := firstparty.New(firstparty.Options{Server: server})
	if err != nil {
		fmt.Println(err)
		return
	}
	shop := http.NewServeMux() // otelhttp.NewHandler(throughline.Wrap(mux), "shop")
	handler := agent.Wrap(shop)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.throughline/throughline.js", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	fmt.Println(agent.Endpoint())
	// Output:
	// 200 text/javascript; charset=utf-8
	// /.throughline/beacon
}

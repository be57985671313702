package inject_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/inject"
)

// big is a page of about 10 KB.
var big = strings.Replace(plain, ">y", ">"+strings.Repeat("<p class=\"a\">What is said here is not much.</p>\n", 210), 1)

func asset(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/javascript")
	w.Write([]byte("1"))
}

// TestAllocations: what is no HTML costs the wrapper, and an image not even that.
func TestAllocations(t *testing.T) {
	for _, tc := range []struct {
		dest    string
		handler http.HandlerFunc
		most    float64
	}{
		{"image", asset, 0},
		{"", asset, 1},
		{"empty", asset, 1},
		{"document", asset, 1},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
		if tc.dest != "" {
			r.Header.Set("Sec-Fetch-Dest", tc.dest)
		}
		w := &discarding{header: http.Header{}}
		bare := testing.AllocsPerRun(100, func() { clear(w.header); tc.handler(w, r) })
		h := (&inject.Injector{Script: script}).Wrap(tc.handler)
		if n := testing.AllocsPerRun(100, func() { clear(w.header); h.ServeHTTP(w, r) }) - bare; n > tc.most {
			t.Errorf("dest %q: %v allocations, want at most %v", tc.dest, n, tc.most)
		}
	}
}

// TestStreamedMemory: a document of 10 MB takes no more than what is held.
func TestStreamedMemory(t *testing.T) {
	block := bytes.Repeat([]byte("x"), 32<<10)
	h := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, plain)
		for range 10 << 20 / len(block) {
			w.Write(block)
		}
	}
	i := (&inject.Injector{Script: script}).Wrap(http.HandlerFunc(h))
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	result := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			i.ServeHTTP(&discarding{header: http.Header{}}, r)
		}
	})
	if n := result.AllocedBytesPerOp(); n > 64<<10 {
		t.Errorf("took %d bytes", n)
	}
}

func BenchmarkNotHTML(b *testing.B) {
	i := (&inject.Injector{Script: script}).Wrap(http.HandlerFunc(asset))
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	w := &discarding{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		i.ServeHTTP(w, r)
	}
}

func BenchmarkPage(b *testing.B) {
	run := func(name, field string, body []byte) {
		b.Run(name, func(b *testing.B) {
			h := (&inject.Injector{Script: script}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
				if field != "" {
					w.Header()["Content-Encoding"] = []string{field}
				}
				w.Write(body)
			}))
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header.Set("Sec-Fetch-Dest", "document")
			w := &discarding{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
	run("identity", "", []byte(big))
	for _, c := range codecs {
		run(strings.ReplaceAll(c.name, " ", "-"), c.field, c.code(b, big))
	}
}

// BenchmarkProxy compares a reverse proxy with itself behind the injector.
func BenchmarkProxy(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		io.WriteString(w, big)
	}))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	for name, h := range map[string]http.Handler{"bare": bare, "injector": (&inject.Injector{Script: script}).Wrap(bare)} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(h)
			defer s.Close()
			client := s.Client()
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL, http.NoBody)
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Sec-Fetch-Dest", "document")
				resp, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || n < int64(len(big)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

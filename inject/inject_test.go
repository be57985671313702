package inject_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/throughline-rum/throughline/inject"
)

var quiet = log.New(io.Discard, "", 0)

var script = inject.Script{
	Src:        "/.throughline/1a2b/throughline.js",
	Attributes: []inject.Attribute{{Name: "data-application-id", Value: "745a78fe5b6e57f6"}},
}

const tag = `<script src="/.throughline/1a2b/throughline.js" data-application-id="745a78fe5b6e57f6"></script>`

// answer is what a client got.
type answer struct {
	*http.Response
	body   string
	result inject.Result
	err    error
}

// ask serves h with the injector on a real server and asks it once, as a browser that
// loads a page.
func ask(t testing.TB, i inject.Injector, h http.HandlerFunc, change ...func(*http.Request)) answer {
	t.Helper()
	results := make(chan inject.Result, 1)
	i.OnResult = func(_ *http.Request, r inject.Result) { results <- r }
	if i.Script.Src == "" {
		i.Script = script
	}
	s := httptest.NewUnstartedServer(i.Wrap(h))
	s.Config.ErrorLog = quiet
	s.Start()
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/shop", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range change {
		c(r)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	a := answer{Response: resp, body: string(body), err: err}
	select {
	case a.result = <-results:
	case <-t.Context().Done():
	}
	return a
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
}

func method(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }

// page answers with a document of these header fields, given as "Name: value".
func page(body string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			if w.Header().Set(name, value); value == "" {
				w.Header().Del(name)
			}
		}
		io.WriteString(w, body)
	}
}

// TestPlace: HERE marks where the element goes; without it the document stays as it is.
func TestPlace(t *testing.T) {
	for _, tc := range []struct {
		name, document string
		want           inject.Result
	}{
		{"first in head", `<!doctype html><html><head>HERE<title>x</title></head><body>y`, inject.Injected},
		{"behind charset", `<!doctype html><html><head><meta charset="utf-8">HERE<title>x</title></head>`, inject.Injected},
		{"behind charset, upper case, not quoted", `<HTML><HEAD><META CHARSET=utf-8>HERE<TITLE>x</TITLE><body>`, inject.Injected},
		{"behind a content type", `<html><head><meta content='text/html; charset=utf-8' http-equiv="Content-Type"/>HERE<body>`, inject.Injected},
		{"behind charset that follows others", "<head>\n<meta name=a><title>x</title>\n<link rel=icon href=i>\n<meta charset=utf-8>HERE<script>", inject.Injected},
		{"before scripts", `<head>HERE<script>1</script><title>x</title></head>`, inject.Injected},
		{"before what follows charset", `<head><meta charset=utf-8>HERE <meta name=v><style>a</style><script>`, inject.Injected},
		{"behind a policy in the page", `<head><meta charset=utf-8><meta http-equiv=content-security-policy content="script-src &#39;self&#39;">HERE<title>x</title><body>`, inject.Injected},
		{"not in a comment", `<!-- <head> --><html><!--a><head>--><head>HERE<!-- <meta charset=x> --><title></title><body>`, inject.Injected},
		{"not in a title", `<head>HERE<title><meta charset=utf-8></title><body>`, inject.Injected},
		{"title in which a comment seems to begin", `<head>HERE<title><!-- </title><body>`, inject.Injected},
		{"not in noscript", `<head>HERE<noscript><meta charset=utf-8></noscript>`, inject.Injected},
		{"not in a template", `<head>HERE<template><meta charset=utf-8></template>`, inject.Injected},
		{"bogus comment", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head>HERE<![CDATA[ <head> ]]></head>`, inject.Injected},
		{"name that begins like head", `<!doctype html>HERE<header>x</header>`, inject.Injected},
		{"head without tag", `<!doctype html><!-- c -->HERE<title>x</title>y`, inject.Injected},
		{"head without tag, charset", `<!doctype html><meta charset=utf-8>HERE<title>x</title>y`, inject.Injected},
		{"nothing but text", "\n HEREhello", inject.Injected},
		{"no head", `<html lang=en>HERE<body>x`, inject.Injected},
		{"frameset", `<html>HERE<frameset><frame></frameset>`, inject.Injected},
		{"body of a page in end tags", `<html></div>HERE</head>x`, inject.Injected},
		{"attributes with all quotes", `<html a='>' b=">" c=/ d><head e = "<head>">HERE</head>`, inject.Injected},
		{"byte order mark", "\xef\xbb\xbf<html><head>HERE</head>", inject.Injected},
		{"legacy doctype", `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd"><html><head>HERE<body>`, inject.Injected},

		{"amp", `<!doctype html><html amp lang=en><head><meta charset=utf-8></head>`, inject.AMP},
		{"amp by its sign", `<!doctype html><html lang=en ⚡><head><meta charset=utf-8></head>`, inject.AMP},
		{"amp advertisement", `<!doctype html><html ⚡4ads><head></head>`, inject.AMP},
		{"ends in a tag", `<!doctype html><html><head`, inject.NoPoint},
		{"ends in a quote", `<html><head><meta charset="utf-8></head><body>`, inject.NoPoint},
		{"ends in a comment", `<html><head><!-- <body>`, inject.NoPoint},
		{"ends in head", `<html><head><title>x</title>`, inject.NoPoint},
		{"too far away", `<html><!--` + strings.Repeat("x", 70<<10) + `--><head></head>`, inject.NoPoint},
		{"tag in a tag", `<html><head <meta charset=utf-8><body>`, inject.Malformed},
		{"quote in a name", `<html><head a"b><body>`, inject.Malformed},
		{"NUL", "<html>\x00<head></head>", inject.Malformed},
		{"NUL in a tag", "<html a=\x00><head></head>", inject.Malformed},
		{"not HTML at all", "\x1f\x8b\x08\x00 <head></head>", inject.Malformed},
		{"escape of ISO-2022-JP", "<head><title>\x1b$B<</title><body>", inject.Charset},
		{"UTF-16 by its mark", "\xff\xfe<\x00h\x00", inject.Charset},
		{"has it", `<head><script src="https://cdn.test/throughline.js" data-application-id=a></script></head>`, inject.AlreadyThere},
		{"has it farther down", `<head><title>x</title><script>1</script></head><body><script async data-application-id=a src=/a/throughline.1a2b.js?v=1></script>`, inject.AlreadyThere},
		{"has ours", `<head><meta charset=utf-8>` + tag + `</head>`, inject.AlreadyThere},
		{"has it in a comment only", `<head>HERE<script>1</script><!-- ` + tag + ` --></head>`, inject.Injected},
		{"speaks of it", `<head>HERE<script>"throughline"</script></head><body><textarea>` + tag + `</textarea>`, inject.Injected},
		{"policy in the page forbids", `<head><meta charset=utf-8><meta http-equiv=Content-Security-Policy content="script-src 'none'"><body>`, inject.CSPForbids},
	} {
		t.Run(tc.name, func(t *testing.T) {
			input := strings.Replace(tc.document, "HERE", "", 1)
			want := strings.Replace(tc.document, "HERE", tag, 1)
			a := ask(t, inject.Injector{}, page(input))
			if a.body != want || a.result != tc.want {
				t.Errorf("got %s: %.300q\nwant %s: %.300q", a.result, a.body, tc.want, want)
			}
		})
	}
}

const (
	plain    = `<!doctype html><html><head><meta charset="utf-8"><title>x</title></head><body>y</body></html>`
	injected = `<!doctype html><html><head><meta charset="utf-8">` + tag + `<title>x</title></head><body>y</body></html>`
)

func status(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(n)
		io.WriteString(w, plain)
	}
}

func TestWhichResponses(t *testing.T) {
	type change = func(*http.Request)
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		change  change
		want    inject.Result
	}{
		{"page", page(plain), nil, inject.Injected},
		{"page not found", status(404), nil, inject.Injected},
		{"redirect", status(302), nil, inject.NotHTML},
		{"part", status(206), nil, inject.NotHTML},
		{"json", page(plain, "Content-Type: application/json"), nil, inject.NotHTML},
		{"xhtml", page(plain, "Content-Type: application/xhtml+xml"), nil, inject.NotHTML},
		{"type that begins like HTML", page(plain, "Content-Type: text/html-sandboxed"), nil, inject.NotHTML},
		{"type in upper case", page(plain, "Content-Type: Text/HTML ; Charset=\"ISO-8859-1\""), nil, inject.Injected},
		{"type is sniffed", page(plain, "Content-Type: "), nil, inject.Injected},
		{"type is sniffed as text", page("hello", "Content-Type: "), nil, inject.NotHTML},
		{"download", page(plain, "Content-Disposition: Attachment; filename=x"), nil, inject.NotHTML},
		{"shown", page(plain, "Content-Disposition: inline"), nil, inject.Injected},
		{"no-transform", page(plain, "Cache-Control: max-age=1, No-Transform"), nil, inject.NoTransform},
		{"unknown coding", page(plain, "Content-Encoding: exi"), nil, inject.UnknownCoding},
		{"two codings", page(plain, "Content-Encoding: gzip, br"), nil, inject.UnknownCoding},
		{"identity", page(plain, "Content-Encoding: identity"), nil, inject.Injected},
		{"lie about gzip", page(plain, "Content-Encoding: gzip"), nil, inject.Undecodable},
		{"lie about br", page(plain, "Content-Encoding: br"), nil, inject.Undecodable},
		{"lie about zstd", page(plain, "Content-Encoding: zstd"), nil, inject.Undecodable},
		{"lie about deflate", page(plain, "Content-Encoding: deflate"), nil, inject.Undecodable},
		{"UTF-16", page(plain, "Content-Type: text/html; charset=utf-16le"), nil, inject.Charset},
		{"Shift_JIS", page(plain, "Content-Type: text/html; charset=shift_jis"), nil, inject.Injected},
		{"another hop", page(plain, "Throughline-Injection: injected"), nil, inject.AlreadyThere},
		{"empty", page(""), nil, inject.NoBody},

		{"fetch", page(plain), set("Sec-Fetch-Dest", "empty"), inject.Fragment},
		{"XHR", page(plain), set("X-Requested-With", "XMLHttpRequest"), inject.Fragment},
		{"iframe", page(plain), set("Sec-Fetch-Dest", "iframe"), inject.Injected},
		{"no telling", page(plain), set("Sec-Fetch-Dest", ""), inject.Injected},
		{"no telling, a fragment", page("<div>x</div>"), set("Sec-Fetch-Dest", ""), inject.Fragment},
		{"form", page(plain), method("POST"), inject.Injected},

		{"policy", page(plain, "Content-Security-Policy: script-src 'self'"), nil, inject.Injected},
		{"policy forbids", page(plain, "Content-Security-Policy: script-src https://cdn.test"), nil, inject.CSPForbids},
		{"one of two forbids", page(plain, "Content-Security-Policy: script-src 'self', default-src 'none'"), nil, inject.CSPForbids},
		{"policy forbids beacons", page(plain, "Content-Security-Policy: default-src 'none'; script-src 'self'"), nil, inject.CSPForbidsBeacons},
		{"policy that only reports", page(plain, "Content-Security-Policy-Report-Only: default-src 'none'"), nil, inject.Injected},
		{"sandbox", page(plain, "Content-Security-Policy: sandbox allow-forms"), nil, inject.CSPForbids},
	} {
		t.Run(tc.name, func(t *testing.T) {
			direct := ask(t, inject.Injector{Debug: true}, tc.handler, func(r *http.Request) {
				if tc.change != nil {
					tc.change(r)
				}
			})
			if direct.result != tc.want {
				t.Errorf("got %s, want %s", direct.result, tc.want)
			}
			if got := strings.Contains(direct.body, tag); got != (tc.want == inject.Injected) {
				t.Errorf("the body is %q", direct.body)
			}
			if h := direct.Header.Get("Throughline-Injection"); h != tc.want.String() && tc.want != inject.AlreadyThere {
				t.Errorf("the header says %q", h)
			}
		})
	}
}

func TestNonce(t *testing.T) {
	a := ask(t, inject.Injector{}, page(plain, "Content-Security-Policy: script-src 'nonce-r4nd0m+/=' 'strict-dynamic'; object-src 'none'"))
	if !strings.Contains(a.body, strings.Replace(tag, "></script>", ` nonce="r4nd0m+/="></script>`, 1)) {
		t.Errorf("%s: %s", a.result, a.body)
	}
	a = ask(t, inject.Injector{}, page(plain, `Content-Security-Policy: script-src 'nonce-"onload=alert(1)"'`))
	if a.result != inject.CSPForbids || a.body != plain {
		t.Errorf("a nonce out of its grammar: %s %s", a.result, a.body)
	}
}

func TestHeadersOfChangedDocuments(t *testing.T) {
	fields := []string{
		`ETag: "a"`, "Accept-Ranges: bytes", "Repr-Digest: sha-256=:AA==:", "Content-MD5: AA==",
		fmt.Sprintf("Content-Length: %d", len(plain)), "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT",
	}
	a := ask(t, inject.Injector{}, page(plain, fields...))
	if a.body != injected || a.ContentLength != int64(len(injected)) {
		t.Errorf("length %d: %s", a.ContentLength, a.body)
	}
	for name, want := range map[string]string{
		"ETag": `W/"a"`, "Accept-Ranges": "none", "Repr-Digest": "", "Content-Md5": "",
		"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Throughline-Injection": "injected",
		"Vary": "Sec-Fetch-Dest, X-Requested-With",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	left := ask(t, inject.Injector{}, page(`<html amp>`+plain, append(fields, fmt.Sprintf("Content-Length: %d", len(plain)+10))[:4]...))
	if left.Header.Get("ETag") != `"a"` || left.Header.Get("Accept-Ranges") != "bytes" || left.Header.Get("Throughline-Injection") != "" {
		t.Errorf("headers of a document that stays: %v", left.Header)
	}
}

// TestCharsetAfterScripts: its declaration stays within the first 1024 bytes.
func TestCharsetAfterScripts(t *testing.T) {
	for _, tc := range []struct {
		fill        int
		contentType string
		behind      bool
	}{{920, "text/html", true}, {100, "text/html", false}, {2000, "text/html", false}, {920, "text/html; charset=utf-8", false}} {
		head, rest := "<head>", "<script>"+strings.Repeat("1", tc.fill)+"</script><meta charset=utf-8>"
		want := head + tag + rest
		if tc.behind {
			want = head + rest + tag
		}
		if a := ask(t, inject.Injector{}, page(head+rest+"<body>", "Content-Type: "+tc.contentType)); a.body != want+"<body>" {
			t.Errorf("%+v: %s", tc, a.body)
		}
	}
}

// TestUpstreamStops: behind a reverse proxy, of which the upstream goes midway.
func TestUpstreamStops(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, plain)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: quiet}
	if a := ask(t, inject.Injector{}, proxy.ServeHTTP); a.body != injected || a.err == nil {
		t.Errorf("%v: %s", a.err, a.body)
	}
}

// readerFrom tells whether the writer below was given the source itself.
type readerFrom struct {
	discarding
	src io.Reader
}

func (w *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	w.src = src
	return io.Copy(&w.discarding, struct{ io.Reader }{src})
}

func TestSendfileIsKept(t *testing.T) {
	for _, contentType := range []string{"image/png", "text/html"} {
		src := struct{ io.Reader }{strings.NewReader(plain + strings.Repeat("x", 100_000))}
		w := &readerFrom{discarding: discarding{header: http.Header{"Content-Type": {contentType}}}}
		(&inject.Injector{Script: script}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.(io.ReaderFrom).ReadFrom(src)
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		if w.src != io.Reader(src) {
			t.Errorf("%s: the writer below got %T", contentType, w.src)
		}
	}
}

func TestHead(t *testing.T) {
	noBody := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", "100")
		w.Header().Set("ETag", `"a"`)
	}
	a := ask(t, inject.Injector{}, noBody, method("HEAD"))
	if a.ContentLength != -1 || a.Header.Get("ETag") != `W/"a"` || a.result != inject.NoBody {
		t.Errorf("%s %d %v", a.result, a.ContentLength, a.Header)
	}
	a = ask(t, inject.Injector{}, page(plain), method("HEAD"))
	if a.ContentLength != int64(len(injected)) {
		t.Errorf("a handler that takes HEAD for GET: length %d, want %d", a.ContentLength, len(injected))
	}
}

func TestNotModified(t *testing.T) {
	h := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"a"`)
		w.WriteHeader(http.StatusNotModified)
	}
	if a := ask(t, inject.Injector{}, h, set("If-None-Match", `W/"a"`)); a.Header.Get("ETag") != `W/"a"` {
		t.Errorf("ETag %s for one that has ours", a.Header.Get("ETag"))
	}
	if a := ask(t, inject.Injector{}, h, set("If-None-Match", `"a"`)); a.Header.Get("ETag") != `"a"` {
		t.Errorf("ETag %s for one that has the original", a.Header.Get("ETag"))
	}
}

func TestAcceptEncoding(t *testing.T) {
	for _, tc := range []struct{ sent, dest, want string }{
		{"gzip, deflate, br, zstd", "document", "gzip, deflate, br, zstd"},
		{"gzip;q=0.5, dcb, dcz;q=1, *;q=0.1", "document", "gzip;q=0.5"},
		{"dcb", "document", "identity"},
		{"dcb", "empty", "dcb"},
		{"", "document", ""},
	} {
		var got string
		ask(t, inject.Injector{}, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Accept-Encoding") },
			set("Accept-Encoding", tc.sent), set("Sec-Fetch-Dest", tc.dest))
		if got != tc.want {
			t.Errorf("%q for %s: the handler got %q, want %q", tc.sent, tc.dest, got, tc.want)
		}
	}
}

// Twice in one program, and two with only the headers between them removed.
func TestTwoInjectors(t *testing.T) {
	inner := &inject.Injector{Script: script}
	a := ask(t, inject.Injector{}, inner.Wrap(page(plain)).ServeHTTP)
	if a.body != injected || a.result != inject.AlreadyThere {
		t.Errorf("%s: %s", a.result, a.body)
	}
}

func TestElement(t *testing.T) {
	i := inject.Injector{Script: inject.Script{
		Src: "/t.js?a=1&b=2", Integrity: "sha384-AAAA",
		Attributes: []inject.Attribute{{"async", ""}, {"data-user", "\"'<é>\r\n"}},
	}}
	a := ask(t, i, page(plain))
	want := `<script src="/t.js?a=1&#38;b=2" integrity="sha384-AAAA" crossorigin="anonymous" async="" data-user="&#34;&#39;&#60;&#233;&#62;&#13;&#10;"></script>`
	if !strings.Contains(a.body, want) {
		t.Errorf("got %s", a.body)
	}
	for _, bad := range []inject.Script{
		{}, {Src: "javascript:1"}, {Src: "/a", Attributes: []inject.Attribute{{"a b", ""}}},
		{Src: "/a", Attributes: []inject.Attribute{{"nonce", "x"}}}, {Src: "/a", Attributes: []inject.Attribute{{"a", ""}, {"A", ""}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Wrap took %+v", bad)
				}
			}()
			(&inject.Injector{Script: bad}).Wrap(http.NotFoundHandler())
		}()
	}
}

// codec writes and reads a coding, apart from the code under test where there are two.
type codec struct {
	name, field string
	encode      func(io.Writer) io.WriteCloser
	decode      func(io.Reader) (io.Reader, error)
}

var codecs = []codec{
	{"gzip", "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"br", "br", func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{"zstd", "zstd", func(w io.Writer) io.WriteCloser { e, _ := zstd.NewWriter(w); return e },
		func(r io.Reader) (io.Reader, error) {
			d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			return d, err
		}},
	{"deflate", "deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	{"bare deflate", "deflate", func(w io.Writer) io.WriteCloser { e, _ := flate.NewWriter(w, 6); return e },
		func(r io.Reader) (io.Reader, error) { return flate.NewReader(r), nil }},
}

func (c codec) code(t testing.TB, document string) []byte {
	t.Helper()
	var b bytes.Buffer
	e := c.encode(&b)
	if _, err := io.WriteString(e, document); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (c codec) text(coded string) (string, error) {
	d, err := c.decode(strings.NewReader(coded))
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(d)
	return string(b), err
}

func TestCodings(t *testing.T) {
	long := strings.Replace(plain, ">y", ">"+strings.Repeat("how long is it? ", 10_000), 1)
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			coded := c.code(t, long)
			a := ask(t, inject.Injector{}, page(string(coded), "Content-Encoding: "+c.field, fmt.Sprintf("Content-Length: %d", len(coded))))
			got, err := c.text(a.body)
			if want := strings.Replace(long, "<title>", tag+"<title>", 1); got != want || err != nil || a.err != nil {
				t.Errorf("%s, %v, %v: %d bytes, want %d", a.result, a.err, err, len(got), len(want))
			}
			if a.Header.Get("Content-Encoding") != c.field {
				t.Errorf("Content-Encoding %s", a.Header.Get("Content-Encoding"))
			}

			// What is left alone stays byte by byte as it was.
			coded = c.code(t, "<html amp>"+long)
			a = ask(t, inject.Injector{}, page(string(coded), "Content-Encoding: "+c.field))
			if a.body != string(coded) || a.result != inject.AMP {
				t.Errorf("%s: %d bytes, want %d", a.result, len(a.body), len(coded))
			}

			// Cut off at any early or late place: the client has what came, and no whole.
			coded = c.code(t, long)
			for _, n := range []int{1, 2, 10, len(coded) / 2, len(coded) - 1} {
				a = ask(t, inject.Injector{}, page(string(coded[:n]), "Content-Encoding: "+c.field))
				text, err := c.text(a.body)
				if a.body != string(coded[:n]) && a.err == nil && err == nil {
					t.Errorf("%d bytes of %d look whole: %s, %.100q", n, len(coded), a.result, text)
				}
			}
		})
	}
}

func TestFlush(t *testing.T) {
	for _, c := range append([]codec{{name: "identity", encode: func(w io.Writer) io.WriteCloser { return nopCloser{w} },
		decode: func(r io.Reader) (io.Reader, error) { return r, nil }}}, codecs...) {
		t.Run(c.name, func(t *testing.T) {
			next := make(chan struct{})
			i := inject.Injector{Script: script}
			s := httptest.NewServer(i.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				if c.field != "" {
					w.Header().Set("Content-Encoding", c.field)
				}
				e := c.encode(w)
				defer e.Close()
				for _, piece := range []string{"<!doctype html>", "<html><he", "ad><meta charset=utf-8>", "<script>1</script>"} {
					io.WriteString(e, piece)
					if f, ok := e.(interface{ Flush() error }); ok {
						f.Flush()
					}
					w.(http.Flusher).Flush()
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
				}
			})))
			defer s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
			r.Header.Set("Accept-Encoding", c.field)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			d, err := c.decode(bufio.NewReaderSize(resp.Body, 16))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"<!doctype html>", "<html>", "<head><meta charset=utf-8>" + tag, "<script>1</script>"} {
				got := make([]byte, len(want))
				if _, err := io.ReadFull(d, got); err != nil || string(got) != want {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
				next <- struct{}{}
			}
		})
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// TestWriterPaths: one a path of http.ResponseWriter.
func TestWriterPaths(t *testing.T) {
	html := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html") }
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"Write", func(w http.ResponseWriter, _ *http.Request) { html(w); w.Write([]byte(plain)) }},
		{"WriteString", func(w http.ResponseWriter, _ *http.Request) { html(w); io.WriteString(w, plain) }},
		{"ReadFrom", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			w.(io.ReaderFrom).ReadFrom(struct{ io.Reader }{strings.NewReader(plain)})
		}},
		{"WriteHeader first", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			w.WriteHeader(http.StatusOK)
			w.Write([]byte(plain))
		}},
		{"Flush first", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			w.(http.Flusher).Flush()
			w.Write([]byte(plain))
		}},
		{"FlushError", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			w.Write([]byte(plain))
		}},
		{"byte by byte", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			for i := range plain {
				w.Write([]byte(plain[i : i+1]))
			}
		}},
		{"after 103", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			html(w)
			w.Write([]byte(plain))
		}},
		{"ServeFile", func(w http.ResponseWriter, r *http.Request) {
			name := filepath.Join(t.TempDir(), "a.html")
			os.WriteFile(name, []byte(plain), 0o600)
			http.ServeFile(w, r, name)
		}},
		{"trailers", func(w http.ResponseWriter, _ *http.Request) {
			html(w)
			w.Header().Set("Trailer", "X-End")
			w.Write([]byte(plain))
			w.Header().Set("X-End", "yes")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := ask(t, inject.Injector{}, tc.handler)
			if a.body != injected || a.result != inject.Injected || a.StatusCode != http.StatusOK || a.err != nil {
				t.Errorf("%d %s %v: %s", a.StatusCode, a.result, a.err, a.body)
			}
			if tc.name == "trailers" && a.Trailer.Get("X-End") != "yes" {
				t.Errorf("trailers %v", a.Trailer)
			}
		})
	}
}

func TestHijack(t *testing.T) {
	a := ask(t, inject.Injector{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", len(plain), plain)
		rw.Flush()
	})
	if a.body != plain || a.result != inject.NotHTML {
		t.Errorf("%s: %s", a.result, a.body)
	}
}

func TestPanic(t *testing.T) {
	a := ask(t, inject.Injector{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><html>")
		w.(http.Flusher).Flush()
		io.WriteString(w, "<!-- and")
		panic(http.ErrAbortHandler)
	})
	if a.body != "<!doctype html><html><!-- and" || a.err == nil || a.result != inject.Aborted {
		t.Errorf("%s %v: %s", a.result, a.err, a.body)
	}
	// A handler further out may answer.
	i := &inject.Injector{Script: script}
	rec := httptest.NewRecorder()
	func() {
		defer func() {
			if recover() != nil {
				http.Error(rec, "sorry", http.StatusInternalServerError)
			}
		}()
		i.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			panic("no")
		})).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	}()
	if rec.Code != http.StatusInternalServerError {
		t.Errorf("status %d", rec.Code)
	}
}

// TestLengthThatLies: as with net/http, the client sees that it is not all, and never
// more than was declared.
func TestLengthThatLies(t *testing.T) {
	for _, flush := range []bool{false, true} {
		serve := func(length int) answer {
			return ask(t, inject.Injector{}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.Header().Set("Content-Length", strconv.Itoa(length))
				if flush {
					w.(http.Flusher).Flush()
				}
				_, err := io.WriteString(w, plain)
				if length < len(plain) != errors.Is(err, http.ErrContentLength) {
					t.Errorf("Write returned %v", err)
				}
			})
		}
		if a := serve(len(plain) - 5); !strings.HasPrefix(injected, a.body) || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("too short, flush %v: %v, %s", flush, a.err, a.body)
		}
		if a := serve(len(plain) + 5); a.body != injected || !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("too long, flush %v: %v, %s", flush, a.err, a.body)
		}
	}
}

// TestBomb: 64 MB of one letter, in little memory.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const size = 64 << 20
	for _, c := range codecs[:3] {
		t.Run(c.name, func(t *testing.T) {
			var bomb bytes.Buffer
			e := c.encode(&bomb)
			io.WriteString(e, plain)
			block := bytes.Repeat([]byte("a"), 1<<20)
			for range size >> 20 {
				e.Write(block)
			}
			e.Close()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			i := &inject.Injector{Script: script}
			w := &discarding{header: http.Header{}}
			i.Wrap(page(bomb.String(), "Content-Encoding: "+c.field)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			runtime.ReadMemStats(&after)
			if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 48<<20 {
				t.Errorf("took %d MB in all for %d MB", grown>>20, size>>20)
			}
		})
	}
}

// discarding is the cheapest writer.
type discarding struct {
	header http.Header
	n      int64
}

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) WriteHeader(int)             {}
func (d *discarding) Write(p []byte) (int, error) { d.n += int64(len(p)); return len(p), nil }

// TestExposes: Flush, Hijack and Push are where the writer below has them.
func TestExposes(t *testing.T) {
	type fl struct {
		http.ResponseWriter
		http.Flusher
	}
	type hi struct {
		http.ResponseWriter
		http.Hijacker
	}
	type pu struct {
		http.ResponseWriter
		http.Pusher
	}
	for _, below := range []http.ResponseWriter{
		&discarding{header: http.Header{}},
		fl{&discarding{header: http.Header{}}, httptest.NewRecorder()},
		hi{&discarding{header: http.Header{}}, hijacker{}},
		pu{&discarding{header: http.Header{}}, pusher{}},
		struct {
			http.ResponseWriter
			http.Flusher
			http.Hijacker
			http.Pusher
		}{&discarding{header: http.Header{}}, httptest.NewRecorder(), hijacker{}, pusher{}},
	} {
		i := &inject.Injector{Script: script}
		i.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, f1 := w.(http.Flusher)
			_, f2 := below.(http.Flusher)
			_, h1 := w.(http.Hijacker)
			_, h2 := below.(http.Hijacker)
			_, p1 := w.(http.Pusher)
			_, p2 := below.(http.Pusher)
			if f1 != f2 || h1 != h2 || p1 != p2 {
				t.Errorf("%T: flush %v, hijack %v, push %v", below, f1, h1, p1)
			}
		})).ServeHTTP(below, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	}
}

type hijacker struct{}

func (hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }

type pusher struct{}

func (pusher) Push(string, *http.PushOptions) error { return nil }

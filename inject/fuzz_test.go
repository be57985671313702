package inject

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

var fuzzed = &Injector{Script: Script{Src: "/t/throughline.js", Attributes: []Attribute{{"data-application-id", "a"}}}}

var seeds = []string{
	"",
	"<!doctype html><html><head><meta charset=utf-8><title>x</title></head><body>y</body></html>",
	"<head><script>1</script><meta charset=utf-8></head>",
	"<!-- a --><html><head a='b' c=\"d\" e=f/><!--><title></title><link rel=icon><style><!--</style><body>",
	"<meta http-equiv=content-security-policy content=\"script-src 'nonce-abc'\"><p>x",
	"<?xml?><!DOCTYPE html><HTML AMP><HEAD>", "\xef\xbb\xbf<html>text", "</div></head>", "<head><head><html a><base href=/>",
	"<html><!--a--!><head><!---><!--->x", "<title>a</titles></title ><body", "<html a=b\"c><head>", "<!d>", "</>", "<><head>",
	"<head><template><meta charset=a></template>", "<body><p>", "<html\n<head>", "<table><head>", "<html>\x00", "<frameset>",
	"<head><noscript><style></noscript>", "<html><br></head>", "<head></title><title>", "<style></style><svg><title>",
}

// serve runs document, split as the bytes of splits say, through the injector.
func serve(t *testing.T, coding string, document, splits []byte) (body []byte, r Result) {
	t.Helper()
	i := *fuzzed
	i.OnResult = func(_ *http.Request, result Result) { r = result }
	w := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	req.Header.Set("Sec-Fetch-Dest", "document")
	i.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		rest := document
		for _, s := range splits {
			n := min(int(s>>1), len(rest))
			w.Write(rest[:n])
			if rest = rest[n:]; s&1 == 1 {
				w.(http.Flusher).Flush()
			}
		}
		w.Write(rest)
	})).ServeHTTP(w, req)
	return w.Body.Bytes(), r
}

// without removes the element, where the result says that it is there.
func without(t *testing.T, body []byte, r Result) []byte {
	t.Helper()
	if r != Injected {
		return body
	}
	i := bytes.Index(body, []byte("<script src=\"/t/throughline.js\""))
	if i < 0 {
		t.Fatalf("injected, but not there: %q", body)
	}
	n := bytes.Index(body[i:], []byte("</script>")) + len("</script>")
	return append(bytes.Clone(body[:i]), body[i+n:]...)
}

// FuzzInjector: the output without the element is the input, however it is split; and
// for a parser of HTML the element is in the head and changes nothing else.
func FuzzInjector(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte{})
		f.Add([]byte(s), []byte{7, 20, 3, 255})
	}
	f.Fuzz(func(t *testing.T, document, splits []byte) {
		body, r := serve(t, "", document, splits)
		if got := without(t, body, r); !bytes.Equal(got, document) {
			t.Fatalf("%s: %q\nbecame %q", r, document, body)
		}
		if r == Injected {
			sameTree(t, document, body)
		}
	})
}

func sameTree(t *testing.T, document, body []byte) {
	t.Helper()
	// Which the decoder takes, before the parser.
	document, body = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")), bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	before, err := html.Parse(bytes.NewReader(document))
	if err != nil {
		return // too deep for the parser
	}
	after, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return
	}
	var script *html.Node
	for n := range after.Descendants() {
		if n.Type == html.ElementNode && n.Data == "script" && len(n.Attr) > 0 && n.Attr[0].Val == "/t/throughline.js" {
			script = n
			break
		}
	}
	if script == nil || script.Parent.Data != "head" || script.FirstChild != nil {
		t.Fatalf("the element is not in the head: %q", body)
	}
	join(script)
	if a, b := render(t, before), render(t, after); a != b {
		t.Fatalf("%q is for a parser\n%q, with the element\n%q", document, a, b)
	}
}

// join takes n out and joins the text on both sides of it.
func join(n *html.Node) {
	previous, next := n.PrevSibling, n.NextSibling
	n.Parent.RemoveChild(n)
	if previous != nil && next != nil && previous.Type == html.TextNode && next.Type == html.TextNode {
		previous.Data += next.Data
		next.Parent.RemoveChild(next)
	}
}

func render(t *testing.T, n *html.Node) string {
	t.Helper()
	var b strings.Builder
	depth := 0
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		depth++
		b.WriteString(strings.Repeat(" ", depth) + n.Namespace + ":" + n.Data + "\n")
		for _, a := range n.Attr {
			b.WriteString(a.Key + "=" + a.Val + "\n")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
		depth--
	}
	walk(n)
	return b.String()
}

// FuzzCodings: the same with each coding, after decoding; and what claims to be coded and
// is not goes through as it is.
func FuzzCodings(f *testing.F) {
	for c := gzipCoding; c < codings; c++ {
		for _, s := range seeds {
			f.Add([]byte(s), []byte{9, 2, 40}, uint8(c))
		}
	}
	names := [...]string{"", "gzip", "br", "zstd", "deflate"}
	f.Fuzz(func(t *testing.T, document, splits []byte, c uint8) {
		k := coding(c%uint8(codings-1)) + 1
		var coded bytes.Buffer
		e, err := newEncoder(k, c > 128)
		if err != nil {
			t.Fatal(err)
		}
		e.Reset(&coded)
		e.Write(document)
		e.Close()
		body, r := serve(t, names[k], coded.Bytes(), splits)
		if r != Injected && len(splits) == 0 && !bytes.Equal(body, coded.Bytes()) {
			t.Fatalf("%s, and yet the bytes changed", r)
		}
		var got []byte
		d := newRecoder(k, func(p []byte) error { got = append(got, p...); return nil })
		if err := d.feed(body); err != nil {
			t.Fatal(err)
		}
		if err := d.finish(); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		d.release()
		if got := without(t, got, r); !bytes.Equal(got, document) {
			t.Fatalf("%s: %q\nbecame %q", r, document, got)
		}
		// Bytes of any kind that pretend to be coded.
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(p)
			}
		}()
		if body, r := serve(t, names[k], document, splits); r == Undecodable && !bytes.Equal(body, document) {
			t.Fatalf("%q became %q", document, body)
		}
	})
}

// FuzzPolicy: whatever a policy says, a nonce is of base64 and stands in the policy, and
// another policy never allows more.
func FuzzPolicy(f *testing.F) {
	for _, tc := range policyCases {
		f.Add(tc.policy, "default-src 'none'")
		f.Add(tc.policy, tc.policy)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		at, page := location{host: "a.test", path: "/t.js"}, location{host: "a.test"}
		var p policies
		p.add(one, false)
		nonce, ok := p.allowScript(at, page, "sha384-AAAA")
		if nonce != "" && (!isBase64(nonce) || !strings.Contains(one, nonce)) {
			t.Fatalf("%q gives the nonce %q", one, nonce)
		}
		p.add(two, true)
		if _, both := p.allowScript(at, page, "sha384-AAAA"); both && !ok {
			t.Fatalf("%q forbids the script, but with %q it runs", one, two)
		}
	})
}

// Package inject puts the browser agent's script element into the HTML documents that
// pass through an http.Handler. It changes nothing else of a page, and leaves alone what
// it does not understand.
package inject

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Injector puts the script element into documents. It must not be changed while Wrap
// runs; the handlers that Wrap makes keep a copy, and may serve many requests at once.
type Injector struct {
	// Script is the element.
	Script Script
	// Debug says in the response header Throughline-Injection why a response was left
	// alone, by the name of the [Result], as far as that is known when headers go out.
	// Where the script is put in, the header says so without Debug: that is how a
	// second injector on the way knows.
	Debug bool
	// OnResult is told what became of each response that may be a document, once, when
	// it ends. It may be called by several goroutines at once. Nil: nobody is told.
	OnResult func(*http.Request, Result)
}

// Script is a script element.
type Script struct {
	// Src is the script's URL, best an absolute path of the page's own origin.
	Src string
	// Integrity is the script's integrity metadata (Subresource Integrity), as
	// sha384-... . The element then asks by CORS, without credentials. Empty: none.
	Integrity string
	// Attributes are others of the element, such as data-application-id, in this order.
	Attributes []Attribute
}

// Attribute is an attribute of the script element. The value is written so that it
// arrives as it is.
type Attribute struct{ Name, Value string }

// agentName is how the name of the agent's file begins.
const agentName = "throughline"

// Wrap returns a handler that serves with next and puts the script element first into
// the head of HTML documents, but behind the declaration of the character encoding. It
// panics where Script cannot be written as an element.
//
// The document is passed on as it arrives, changed in nothing but the element; one that
// is left alone is passed on byte by byte as it is, with its headers. Where the element
// is put in, or may yet be, the header fields change that depend on the body's bytes:
// Content-Length is adapted or dropped, ETag made weak, digests are dropped and
// Accept-Ranges says none. Bodies coded with gzip, br, zstd or deflate are decoded and
// coded again; requests for documents ask next for no other coding.
//
// A coded body that proves corrupt or cut off once part of it is passed on ends the
// response with [http.ErrAbortHandler], so that no client takes it for whole.
//
// The [http.ResponseWriter] that next sees has Flush, Hijack and Push exactly where the
// one below has them, and works with [http.ResponseController].
func (i *Injector) Wrap(next http.Handler) http.Handler {
	s, err := i.Script.compile()
	if err != nil {
		panic(err)
	}
	return &handler{next: next, script: s, debug: i.Debug, onResult: i.OnResult}
}

// script is a Script that is ready to be written and recognized.
type script struct {
	src, integrity string
	url, beacons   *url.URL
	open           []byte // the tag without what ends it, or a nonce
	// rare is the part of agentName by which pages are searched: its first letters are
	// such that few words have them. named is whether src has agentName.
	rare  []byte
	named bool
}

func (s Script) compile() (*script, error) {
	u, err := url.Parse(s.Src)
	if err != nil || s.Src == "" || u.Opaque != "" || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("inject: the script's Src %q is not a path, nor a URL with http or https", s.Src)
	}
	c := &script{
		src:       s.Src,
		integrity: s.Integrity,
		url:       u,
		beacons:   u.ResolveReference(&url.URL{Path: "/beacon"}),
		rare:      []byte(agentName[len("thro"):]),
		named:     strings.Contains(s.Src, agentName),
	}
	var tag strings.Builder
	tag.WriteString("<script")
	write := func(name, value string) { tag.WriteString(" " + name + `="` + escape(value) + `"`) }
	write("src", s.Src)
	if s.Integrity != "" {
		write("integrity", s.Integrity)
		write("crossorigin", "anonymous")
	}
	seen := map[string]bool{"src": true, "integrity": true, "nonce": true, "crossorigin": s.Integrity != ""}
	for _, a := range s.Attributes {
		name := strings.ToLower(a.Name)
		if !isAttributeName(name) || seen[name] {
			return nil, fmt.Errorf("inject: the script element cannot have the attribute %q, or not twice", a.Name)
		}
		seen[name] = true
		write(name, a.Value)
		if name == "data-endpoint" {
			endpoint, err := u.Parse(a.Value)
			if err != nil {
				return nil, fmt.Errorf("inject: data-endpoint: %w", err)
			}
			c.beacons = endpoint
		}
	}
	c.open = []byte(tag.String())
	return c, nil
}

func isAttributeName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_') {
			return false
		}
	}
	return name != ""
}

// escape writes a value in ASCII, so that it is right in every encoding that has that.
func escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		if r < ' ' || r > '~' || strings.ContainsRune(`&<>"'`, r) {
			fmt.Fprintf(&b, "&#%d;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// element returns the element. It is the same in XHTML that is served as HTML.
func (s *script) element(nonce string) []byte {
	const attribute, end = ` nonce="`, `></script>`
	if nonce == "" {
		return append(append(make([]byte, 0, len(s.open)+len(end)), s.open...), end...)
	}
	e := make([]byte, 0, len(s.open)+len(attribute)+len(nonce)+1+len(end))
	e = append(append(e, s.open...), attribute...)
	e = append(append(e, nonce...), '"') // of characters of base64 alone
	return append(e, end...)
}

// isThis reports whether a script element's tag is that of the agent: it has our source,
// or a file of the agent's name and data-application-id, with which the agent starts.
func (s *script) isThis(tag []byte) bool {
	var src []byte
	var starts bool
	attributes(tag, func(name, value []byte) bool {
		switch {
		case src == nil && is(name, "src"):
			src = value
		case is(name, "data-application-id"):
			starts = true
		}
		return true
	})
	if src == nil {
		return false
	}
	if string(src) == s.src {
		return true
	}
	path, _, _ := bytes.Cut(src, []byte("?"))
	file := path[bytes.LastIndexByte(path, '/')+1:]
	return starts && bytes.HasPrefix(file, []byte(agentName)) && bytes.HasSuffix(file, []byte(".js"))
}

// handler is a wrapped handler.
type handler struct {
	next     http.Handler
	script   *script
	debug    bool
	onResult func(*http.Request, Result)
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	purpose := purposeOf(r)
	if purpose == notDocument {
		h.next.ServeHTTP(w, r)
		return
	}
	rw := &responseWriter{ResponseWriter: w, handler: h, request: r, purpose: purpose, declared: -1}
	if purpose != fetched {
		r = decodable(r)
	}
	returned := false
	defer func() { rw.end(returned) }()
	h.next.ServeHTTP(rw.expose(), r)
	returned = true
}

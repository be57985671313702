package inject

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Header names in canonical form, as keys of http.Header.
const (
	headerInjection       = "Throughline-Injection"
	headerAcceptEncoding  = "Accept-Encoding"
	headerAcceptRanges    = "Accept-Ranges"
	headerCacheControl    = "Cache-Control"
	headerContentEncoding = "Content-Encoding"
	headerContentLength   = "Content-Length"
	headerContentType     = "Content-Type"
	headerCSP             = "Content-Security-Policy"
	headerETag            = "Etag"
	headerVary            = "Vary"
)

// purpose is what a request is for, as far as its headers say.
type purpose uint8

const (
	unknown     purpose = iota // the browser does not say, or it is none
	document                   // a page, or one within it
	fetched                    // by a script
	notDocument                // an image and the like, a method without a page
)

// purposeOf reads Sec-Fetch-Dest (Fetch Metadata, section 2.1), which browsers send to
// trustworthy origins alone, and X-Requested-With, with which libraries tell.
func purposeOf(r *http.Request) purpose {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead:
	default:
		return notDocument
	}
	// Android's WebView sends the name of its app there, with documents too.
	if strings.EqualFold(r.Header.Get("X-Requested-With"), "XMLHttpRequest") {
		return fetched
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "":
		return unknown
	case "document", "iframe", "frame", "embed", "object":
		return document
	case "empty":
		// A link element that prefetches a page.
		if strings.HasPrefix(r.Header.Get("Sec-Purpose"), "prefetch") && r.Header.Get("Sec-Fetch-Mode") != "cors" {
			return unknown
		}
		return fetched
	default:
		return notDocument
	}
}

// decodable returns r, or a copy, that accepts no coding that we cannot decode (RFC
// 9110, section 12.5.3).
func decodable(r *http.Request) *http.Request {
	fields := r.Header[headerAcceptEncoding]
	if !slices.ContainsFunc(fields, hasUndecodable) {
		return r
	}
	var kept []string
	for _, field := range fields {
		for member := range strings.SplitSeq(field, ",") {
			if !hasUndecodable(member) {
				kept = append(kept, strings.TrimSpace(member))
			}
		}
	}
	if len(kept) == 0 {
		kept = append(kept, "identity")
	}
	c := *r
	c.Header = r.Header.Clone()
	c.Header[headerAcceptEncoding] = []string{strings.Join(kept, ", ")}
	return &c
}

// hasUndecodable reports whether a list has a coding, or "*", that may be one of others.
func hasUndecodable(list string) bool {
	for member := range strings.SplitSeq(list, ",") {
		name, _, _ := strings.Cut(member, ";")
		if name = strings.TrimSpace(name); codingOf(name) == none && name != "" && !strings.EqualFold(name, "identity") {
			return true
		}
	}
	return false
}

// judge decides by the response's headers, and sniffs where they name no media type:
// undecided means that the body decides.
func (w *responseWriter) judge() Result {
	header := w.Header()
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	if status < 200 || status == http.StatusNoContent || status == http.StatusResetContent ||
		status == http.StatusPartialContent || status >= 300 && status <= 399 {
		return NotHTML
	}
	types, typed := header[headerContentType]
	if !typed {
		// net/http looks at the body, unless it is coded (RFC 9110, section 8.3).
		if header.Get(headerContentEncoding) != "" || header.Get("Transfer-Encoding") != "" || w.request.Method == http.MethodHead {
			return NotHTML
		}
		w.mode = sniffing
		return undecided
	}
	if len(types) == 0 {
		return NotHTML
	}
	return w.judgeHTML(types[0])
}

func (w *responseWriter) judgeHTML(contentType string) Result {
	header := w.Header()
	const html = "text/html"
	contentType = strings.TrimLeft(contentType, " \t")
	if len(contentType) < len(html) || !strings.EqualFold(contentType[:len(html)], html) {
		return NotHTML
	}
	var charset string
	if len(contentType) > len(html) {
		media, parameters, err := mime.ParseMediaType(contentType)
		if media != html || err != nil && parameters == nil && media == "" {
			return NotHTML
		}
		charset = parameters["charset"]
	}
	disposition := strings.TrimSpace(header.Get("Content-Disposition"))
	if disposition, _, _ = strings.Cut(disposition, ";"); strings.EqualFold(strings.TrimSpace(disposition), "attachment") {
		return NotHTML
	}
	w.html = true
	switch {
	case w.purpose == fetched:
		return Fragment
	case header.Get(headerInjection) == Injected.String(), header.Get(headerInjection) == undecided.String():
		return AlreadyThere
	case hasDirective(header[headerCacheControl], "no-transform"), hasDirective(w.request.Header[headerCacheControl], "no-transform"):
		return NoTransform
	}
	if w.coding = codingOf(strings.Join(header[headerContentEncoding], ",")); w.coding == none && !isIdentity(header[headerContentEncoding]) {
		return UnknownCoding
	}
	if !hasASCII(charset) {
		return Charset
	}
	for _, field := range header[headerCSP] {
		w.policies.add(field, false)
	}
	w.scanner = scanner{
		candidate: -1,
		document:  w.purpose == document,
		labelled:  charset != "",
		script:    w.handler.script,
		policies:  &w.policies,
		located:   w.located,
	}
	if len(w.policies.list) == 0 {
		return undecided
	}
	return w.scanner.check()
}

// located resolves the script's and the beacons' URLs.
func (w *responseWriter) located() (at, beacons, page location) {
	at, page = locate(w.handler.script.url, w.request)
	beacons, _ = locate(w.handler.script.beacons, w.request)
	return at, beacons, page
}

func hasDirective(fields []string, name string) bool {
	for _, field := range fields {
		for directive := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(directive), name) {
				return true
			}
		}
	}
	return false
}

func isIdentity(fields []string) bool {
	for _, field := range fields {
		if field = strings.TrimSpace(field); field != "" && !strings.EqualFold(field, "identity") {
			return false
		}
	}
	return true
}

// hasASCII reports whether the bytes of ASCII mean in an encoding what they mean there.
// Browsers take names that they do not know for none, and UTF-7 for unknown; those that
// the Encoding standard replaces (section 14.1) show nothing at all.
func hasASCII(charset string) bool {
	charset = strings.ToLower(strings.TrimSpace(charset))
	for _, other := range [...]string{
		"utf-16", "utf16", "utf-32", "utf32", "utf-7", "ucs-", "csunicode", "unicodefe", "iso-10646",
		"iso-2022-cn", "iso-2022-kr", "csiso2022kr", "hz-gb-2312", "replacement",
	} {
		if strings.HasPrefix(charset, other) {
			return false
		}
	}
	return charset != "unicode"
}

// contentLength returns what the header declares, -1 where it does not.
func contentLength(header http.Header) int64 {
	n, err := strconv.ParseInt(header.Get(headerContentLength), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// varyByPurpose adds what purposeOf reads to Vary (RFC 9110, section 12.5.5): a cache
// must not answer a script with the page, nor a page without the agent.
func varyByPurpose(header http.Header) {
	const names = "Sec-Fetch-Dest, X-Requested-With"
	for _, field := range header[headerVary] {
		if strings.TrimSpace(field) == "*" || strings.Contains(field, names) {
			return
		}
	}
	header[headerVary] = append(header[headerVary], names)
}

// weaken makes an entity tag weak (RFC 9110, section 8.8.1): other bytes, the same page.
func weaken(header http.Header) {
	if tag := header.Get(headerETag); strings.HasPrefix(tag, `"`) {
		header[headerETag] = []string{"W/" + tag}
	}
}

// revalidated weakens the tag of a 304 for which the client asked by the weak one that
// it had from us.
func revalidated(header, request http.Header) {
	tag := header.Get(headerETag)
	if !strings.HasPrefix(tag, `"`) {
		return
	}
	for _, field := range request["If-None-Match"] {
		if strings.Contains(field, "W/"+tag) {
			weaken(header)
			return
		}
	}
}

// adapt changes the header fields that depend on the body's bytes, of which change more
// come; -1: that is not known. Digests go (RFC 9530, section 3): nobody has one of the
// new bytes.
func (w *responseWriter) adapt(change int) {
	header := w.Header()
	w.declared = contentLength(header)
	if w.declared >= 0 && change >= 0 {
		header[headerContentLength] = []string{strconv.FormatInt(w.declared+int64(change), 10)}
		w.declared = -1 // net/http counts
	} else {
		delete(header, headerContentLength)
	}
	weaken(header)
	dropDigests(header)
	if header[headerAcceptRanges] != nil {
		header[headerAcceptRanges] = []string{"none"}
	}
}

func dropDigests(header http.Header) {
	for _, name := range [...]string{"Content-Digest", "Repr-Digest", "Digest", "Content-Md5"} {
		delete(header, name)
		delete(header, http.TrailerPrefix+name)
	}
}

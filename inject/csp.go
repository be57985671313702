package inject

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

// maxPolicies is how many policies of a page are read. A page with more is left alone.
const maxPolicies = 32

// policy is what one serialized policy (CSP3, section 2.2.1) says about the agent: the
// source lists of the directives that govern its script and its beacons.
type policy struct {
	script, connect       string
	hasScript, hasConnect bool
	sandboxed             bool // without allow-scripts
}

// policies are all that a page has; what one of them forbids is forbidden.
type policies struct {
	list []policy
	more bool // than maxPolicies
}

// add reads a header field or the content of a meta element, where sandbox does not
// count (CSP3, section 3.3).
func (p *policies) add(field string, meta bool) {
	for serialized := range strings.SplitSeq(field, ",") {
		parsed, ok := parsePolicy(serialized)
		if meta {
			parsed.sandboxed = false
		}
		switch {
		case !ok:
		case len(p.list) == maxPolicies:
			p.more = true
			return
		default:
			p.list = append(p.list, parsed)
		}
	}
}

// parsePolicy reads a serialized policy (CSP3, section 2.2.1); ok is false where it has
// no directive. Of directives that come twice the first counts.
func parsePolicy(serialized string) (p policy, ok bool) {
	var scriptRank, connectRank int
	var sandbox bool
	for directive := range strings.SplitSeq(serialized, ";") {
		directive = strings.Trim(directive, whitespace)
		if directive == "" {
			continue
		}
		ok = true
		name, value := directive, ""
		if i := strings.IndexAny(directive, whitespace); i >= 0 {
			name, value = directive[:i], directive[i+1:]
		}
		// The fallback list of each (section 6.8.3), the nearest with the highest rank.
		script, connect := 0, 0
		switch strings.ToLower(name) {
		case "script-src-elem":
			script = 3
		case "script-src":
			script = 2
		case "connect-src":
			connect = 2
		case "default-src":
			script, connect = 1, 1
		case "sandbox":
			if !sandbox {
				sandbox = true
				p.sandboxed = !hasToken(value, "allow-scripts")
			}
		}
		if script > scriptRank {
			scriptRank, p.script, p.hasScript = script, value, true
		}
		if connect > connectRank {
			connectRank, p.connect, p.hasConnect = connect, value, true
		}
	}
	return p, ok
}

// whitespace is ASCII whitespace (Infra, section 4.6).
const whitespace = "\t\n\f\r "

func isSpace[C byte | rune](c C) bool { return c == ' ' || c >= '\t' && c <= '\r' && c != '\v' }

func tokens(list string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(list, isSpace[rune])
}

func hasToken(list, token string) bool {
	for t := range tokens(list) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}

// location is where a request goes, as far as source expressions look at it.
type location struct {
	scheme string // empty: http or https, whichever the page has
	host   string // lower case, without port
	port   string // empty: the scheme's own
	path   string
}

// locate resolves ref against the page that r asked for. Whether that came by TLS is not
// known behind another proxy.
func locate(ref *url.URL, r *http.Request) (at, page location) {
	own := url.URL{Host: r.Host}
	page = location{host: strings.ToLower(own.Hostname()), port: own.Port(), path: "/"}
	if r.TLS != nil {
		page.scheme = "https"
	}
	if page.port == "443" || page.port == "80" {
		page.port = ""
	}
	at = page
	if ref.Host != "" {
		at.host, at.port = strings.ToLower(ref.Hostname()), ref.Port()
		if ref.Scheme != "" {
			at.scheme = strings.ToLower(ref.Scheme)
		}
		if at.port == "443" && at.scheme == "https" || at.port == "80" && at.scheme == "http" {
			at.port = ""
		}
	}
	at.path = ref.Path
	if !strings.HasPrefix(at.path, "/") {
		at.path = r.URL.ResolveReference(&url.URL{Path: ref.Path}).Path
	}
	return at, page
}

// allowScript reports whether all policies let a parser-inserted script element run
// that has this source, this integrity metadata, and the nonce, if any, that is
// returned. Where a policy has a nonce that may be used, it is.
func (p *policies) allowScript(at, page location, integrity string) (nonce string, ok bool) {
	if p.more {
		return "", false
	}
	tried := 0
	for i := range p.list {
		for source := range tokens(p.list[i].script) {
			if n := nonceOf(source); n != "" && tried < maxPolicies {
				tried++
				if p.scriptRuns(at, page, integrity, n) {
					return n, true
				}
			}
		}
	}
	return "", p.scriptRuns(at, page, integrity, "")
}

// scriptRuns is the pre-request check of script directives (CSP3, section 6.7.1.1).
func (p *policies) scriptRuns(at, page location, integrity, nonce string) bool {
	for i := range p.list {
		d := &p.list[i]
		if d.sandboxed {
			return false
		}
		if !d.hasScript || nonce != "" && hasNonce(d.script, nonce) || hashesMatch(d.script, integrity) {
			continue
		}
		if hasToken(d.script, "'strict-dynamic'") || !listMatches(d.script, at, page) {
			return false
		}
	}
	return true
}

// allowConnect reports whether all policies let the page send to at.
func (p *policies) allowConnect(at, page location) bool {
	for i := range p.list {
		if d := &p.list[i]; d.hasConnect && !listMatches(d.connect, at, page) {
			return false
		}
	}
	return true
}

// maxNonce is the longest nonce that is put on the element.
const maxNonce = 256

// nonceOf returns the nonce of a nonce-source (CSP3, section 2.3.1), empty for others.
func nonceOf(source string) string {
	const prefix = "'nonce-"
	if len(source) <= len(prefix)+1 || len(source) > len(prefix)+maxNonce+1 ||
		!strings.EqualFold(source[:len(prefix)], prefix) || source[len(source)-1] != '\'' {
		return ""
	}
	if nonce := source[len(prefix) : len(source)-1]; isBase64(nonce) {
		return nonce
	}
	return ""
}

// isBase64 is the grammar base64-value: both alphabets, at most two "=" at the end.
func isBase64(s string) bool {
	body := strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	for i := range len(body) {
		c := body[i]
		if !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '/' && c != '-' && c != '_' {
			return false
		}
	}
	return body != ""
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func hasNonce(list, nonce string) bool {
	for source := range tokens(list) {
		if nonceOf(source) == nonce {
			return true
		}
	}
	return false
}

// hashesMatch reports whether the list allows every hash of the integrity metadata
// (CSP3, section 6.7.1.1, step 1.2).
func hashesMatch(list, integrity string) bool {
	n := 0
	for hash := range tokens(integrity) {
		hash, _, _ = strings.Cut(hash, "?") // options (SRI, section 3.5)
		if !hasHash(list, hash) {
			return false
		}
		n++
	}
	return n > 0
}

func hasHash(list, hash string) bool {
	algorithm, digest, _ := strings.Cut(hash, "-")
	for source := range tokens(list) {
		if len(source) < 2 || source[0] != '\'' || source[len(source)-1] != '\'' {
			continue
		}
		a, d, ok := strings.Cut(source[1:len(source)-1], "-")
		if ok && strings.EqualFold(a, algorithm) && standardBase64(d) == standardBase64(digest) && isBase64(d) {
			return strings.HasPrefix(strings.ToLower(a), "sha")
		}
	}
	return false
}

var toStandard = strings.NewReplacer("-", "+", "_", "/")

func standardBase64(s string) string { return toStandard.Replace(s) }

// listMatches reports whether a source list matches a URL (CSP3, section 6.7.2.7).
// 'none' and the other keywords match nothing.
func listMatches(list string, at, page location) bool {
	for source := range tokens(list) {
		if sourceMatches(source, at, page) {
			return true
		}
	}
	return false
}

// sourceMatches is CSP3, section 6.7.2.8, but for one thing: an address of IPv4 or IPv6
// matches itself, as it does in browsers.
func sourceMatches(source string, at, page location) bool {
	if source == "*" {
		return at.scheme == "" || at.scheme == "http" || at.scheme == "https"
	}
	if source[0] == '\'' {
		return strings.EqualFold(source, "'self'") && at.host == page.host && at.port == page.port &&
			(at.scheme != "http" || page.scheme != "https")
	}
	scheme, rest, hasScheme := strings.Cut(source, "://")
	if !hasScheme {
		if s, ok := strings.CutSuffix(source, ":"); ok && isScheme(s) {
			return schemeMatches(s, at.scheme)
		}
		scheme, rest = page.scheme, source
	}
	if !schemeMatches(scheme, at.scheme) {
		return false
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	return hostMatches(strings.Trim(host, "[]"), at.host) && portMatches(port, at) && pathMatches(path, at.path)
}

func isScheme(s string) bool {
	if s == "" || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// schemeMatches lets http stand for https as well (CSP3, section 6.7.2.9). An unknown
// scheme of ours is one of the two.
func schemeMatches(pattern, scheme string) bool {
	switch strings.ToLower(pattern) {
	case "", "http":
		return scheme == "" || scheme == "http" || scheme == "https"
	case "https":
		return scheme == "" || scheme == "https"
	default:
		return strings.EqualFold(pattern, scheme)
	}
}

// hostMatches is CSP3, section 6.7.2.10.
func hostMatches(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasPrefix(suffix, ".") && len(host) > len(suffix) && strings.EqualFold(host[len(host)-len(suffix):], suffix)
	}
	return pattern != "" && strings.EqualFold(pattern, host)
}

// portMatches is CSP3, section 6.7.2.11.
func portMatches(pattern string, at location) bool {
	switch pattern {
	case "*":
		return true
	case "":
		return at.port == ""
	case "443":
		return at.port == "" && at.scheme != "http"
	case "80":
		return at.port == "" // that of http, or of https in its place
	default:
		return pattern == at.port
	}
}

// pathMatches is CSP3, section 6.7.2.12.
func pathMatches(pattern, path string) bool {
	if pattern == "" || pattern == "/" {
		return true
	}
	decoded, err := url.PathUnescape(pattern)
	if err != nil {
		return false
	}
	if strings.HasSuffix(decoded, "/") {
		return strings.HasPrefix(path, decoded)
	}
	return path == decoded
}

// lowerEqual reports whether b is the lower-case ASCII name, in whatever case.
func lowerEqual(b []byte, name string) bool {
	return len(b) == len(name) && bytes.EqualFold(b, []byte(name))
}

package inject

// Result says what became of a response.
type Result uint8

// The results, in the order in which they are looked for.
const (
	// undecided: the document is not yet read so far.
	undecided Result = iota
	// Injected: the script element is in the document.
	Injected
	// NotHTML: the response is no HTML document that a browser shows: another media
	// type, status or method, a download, or a connection that was taken over.
	NotHTML
	// Fragment: HTML that a script fetched, or a body without anything that only a
	// document has, where the browser does not say what it is for.
	Fragment
	// AlreadyThere: the page has the script, or another injector put it in.
	AlreadyThere
	// NoTransform: Cache-Control forbids changes (RFC 9111, section 5.2.2.6).
	NoTransform
	// UnknownCoding: the content coding is none of gzip, br, zstd and deflate, or there
	// are several.
	UnknownCoding
	// Charset: the character encoding does not contain ASCII as it is, as UTF-16.
	Charset
	// CSPForbids: the page's content security policy does not let the script run.
	CSPForbids
	// CSPForbidsBeacons: the policy lets the script run, but not send what it saw.
	CSPForbidsBeacons
	// AMP: an AMP page, which must not have scripts of its own.
	AMP
	// Malformed: HTML in which browsers and authors may see different things.
	Malformed
	// NoPoint: the document ended, or 64 KB of it went by, without a place for the script.
	NoPoint
	// NoBody: there was no document to change, as in the response to HEAD.
	NoBody
	// Undecodable: the body is not what its Content-Encoding says.
	Undecodable
	// Aborted: the handler panicked before the decision.
	Aborted
)

var resultNames = [...]string{
	undecided:         "undecided",
	Injected:          "injected",
	NotHTML:           "not_html",
	Fragment:          "fragment",
	AlreadyThere:      "already_there",
	NoTransform:       "no_transform",
	UnknownCoding:     "unknown_coding",
	Charset:           "charset",
	CSPForbids:        "csp_forbids",
	CSPForbidsBeacons: "csp_forbids_beacons",
	AMP:               "amp",
	Malformed:         "malformed",
	NoPoint:           "no_point",
	NoBody:            "no_body",
	Undecodable:       "undecodable",
	Aborted:           "aborted",
}

// String returns the result's name in counters and in the header Throughline-Injection.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return "unknown"
}

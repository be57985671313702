package throughline

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrSessionCookie reports a [SessionCookie] that no browser would keep.
var ErrSessionCookie = errors.New("throughline: malformed session cookie")

// SessionCookie is the cookie in which the browser agent leaves the ids of the session,
// so that it is known on the requests of documents and sub-resources too. The agent
// alone writes it, with consent where that is asked for; a backend reads it. Its value
// is that of tracecontext.ParseSession. The zero value is no cookie.
type SessionCookie struct {
	// Name is a token (RFC 6265, section 4.1.1).
	Name string
	// Path is the path below which the browser sends it. Empty: "/".
	Path string
	// Domain is the host that gets it with all hosts below. Empty: the page's host alone.
	Domain string
}

// String returns what the agent's option sessionCookie takes: the name, and the
// attributes that are set, as in "shop-session; Path=/shop; Domain=shop.example".
func (c SessionCookie) String() string {
	if c.Name == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(c.Name)
	if c.Path != "" {
		b.WriteString("; Path=" + c.Path)
	}
	if c.Domain != "" {
		b.WriteString("; Domain=" + c.Domain)
	}
	return b.String()
}

// Validate reports whether a browser would keep the cookie; the error wraps
// [ErrSessionCookie].
func (c SessionCookie) Validate() error {
	if c == (SessionCookie{}) {
		return nil
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		return fmt.Errorf("%w: its path %q does not begin with a slash", ErrSessionCookie, c.Path)
	}
	cookie := http.Cookie{Name: c.Name, Path: c.Path, Domain: c.Domain} //nolint:gosec // it is looked at, and sent by nobody
	if err := cookie.Valid(); err != nil {
		return fmt.Errorf("%w: %w", ErrSessionCookie, err)
	}
	return nil
}

package firstparty

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/throughline-rum/throughline/browser"
)

// DefaultPrefix is the path below which pages find the agent where none is given.
const DefaultPrefix = "/.throughline/"

// Options are the settings of a [Handler]. Only Server must be set.
type Options struct {
	// Prefix is the path below which everything lies; it begins and ends with a slash.
	// Empty: DefaultPrefix.
	Prefix string
	// Server is the Throughline server that gets the beacons, as http://127.0.0.1:8318.
	Server *url.URL
	// TrustedProxies are the addresses that are believed when they say in X-Forwarded-For
	// for whom they ask; of others, the server is told their own address. The server must
	// list this program among its trusted proxies.
	TrustedProxies []netip.Prefix
	// CrossOrigin lets pages of other origins load the scripts and send beacons too, as far
	// as the server takes them. By default they get no CORS header.
	CrossOrigin bool
	// Transport asks the server. Nil: one of its own with time-outs.
	Transport http.RoundTripper
}

// Handler serves what lies below the prefix. It may be used by many goroutines at once.
// Requests to it are no part of what the page does: put it around what traces them.
type Handler struct {
	prefix    string
	folder    string // of the immutable names, with the prefix and a slash at the end
	integrity string
	files     map[string]*script
	cross     bool
	beacons   *forwarder
}

// New returns a handler. Its error wraps [browser.ErrNotBuilt] where the program was
// compiled without the agent.
func New(o Options) (*Handler, error) {
	prefix := o.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !isPrefix(prefix) {
		return nil, fmt.Errorf("firstparty: the prefix %q is no folder of URLs; write it as %s", prefix, DefaultPrefix)
	}
	if o.Server == nil || o.Server.Host == "" || o.Server.Scheme != "http" && o.Server.Scheme != "https" {
		return nil, errors.New("firstparty: Options.Server is no URL of a server; write it as http://127.0.0.1:8318")
	}
	h := &Handler{prefix: prefix, cross: o.CrossOrigin, files: make(map[string]*script), beacons: newForwarder(&o)}
	all := sha256.New()
	for _, name := range []string{browser.AgentFile, browser.IdleFile, browser.WorkerFile} {
		content, err := browser.File(name)
		if err != nil {
			return nil, err
		}
		all.Write(content)
		if name == browser.AgentFile {
			sum := sha512.Sum384(content)
			h.integrity = "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
		}
		if h.files[name], err = newScript(content); err != nil {
			return nil, err
		}
	}
	h.folder = prefix + hex.EncodeToString(all.Sum(nil)[:8]) + "/"
	return h, nil
}

// isPrefix reports whether a prefix is a path in its shortest form that needs no
// escaping, and is not the root.
func isPrefix(prefix string) bool {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	return len(prefix) > 1 && strings.Trim(prefix, plain) == "" && prefix[0] == '/' && path.Clean(prefix)+"/" == prefix
}

// Script returns the path of the agent's script under a name that never changes its
// content, and what the integrity attribute of its element takes.
func (h *Handler) Script() (src, integrity string) { return h.folder + browser.AgentFile, h.integrity }

// Endpoint returns the path that takes beacons: the agent's option endpoint.
func (h *Handler) Endpoint() string { return h.prefix + "beacon" }

// Wrap returns a handler that answers itself below the prefix, and elsewhere with next.
func (h *Handler) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, h.prefix) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP implements [http.Handler]. What does not lie below the prefix is not found.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == h.Endpoint() {
		h.beacons.serve(w, r, h.cross)
		return
	}
	name, immutable := strings.CutPrefix(r.URL.Path, h.folder)
	if !immutable {
		// The folder of another release, which a page of another instance names while both
		// run: its agent and ours speak to the same server, so a page is served what there is.
		_, name = path.Split(strings.TrimPrefix(r.URL.Path, h.prefix))
	}
	file := h.files[name]
	if file == nil || !strings.HasPrefix(r.URL.Path, h.prefix) || !immutable && !h.isFolder(r.URL.Path, name) {
		http.Error(w, "There is no such file of Throughline's agent.", http.StatusNotFound)
		return
	}
	file.serve(w, r, immutable, h.cross)
}

// isFolder reports whether a path is that of a script right below the prefix, or in the
// folder of a release.
func (h *Handler) isFolder(urlPath, name string) bool {
	folder := strings.TrimSuffix(strings.TrimPrefix(urlPath, h.prefix), name)
	return folder == "" || len(folder) == len(h.folder)-len(h.prefix) && strings.Trim(folder, "0123456789abcdef") == "/"
}

package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/browser"
	"github.com/throughline-rum/throughline/server/ui"
)

// AgentPath is where pages load the browser agent from.
const AgentPath = "/" + browser.AgentFile

// immutable tells caches to keep what is served under a name made from its content.
const immutable = "public, max-age=31536000, immutable"

// routeAgent serves the browser agent and, as far as they are built, the files that go with it.
func routeAgent(mux *routes, file func(name string) ([]byte, error)) error {
	for _, name := range []string{browser.AgentFile, browser.IdleFile, browser.WorkerFile} {
		script, err := file(name)
		switch {
		case errors.Is(err, browser.ErrNotBuilt) && name != browser.AgentFile:
		case err != nil:
			return fmt.Errorf("the browser agent's script: %w", err)
		default:
			routeScript(mux, name, script)
		}
	}
	return nil
}

// routeScript serves a script for pages under its plain name, which is checked
// again each time, and under a name made from its content, which never changes.
func routeScript(mux *routes, file string, script []byte) {
	sum := sha256.Sum256(script)
	name := hex.EncodeToString(sum[:6])
	serve := func(cacheControl string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Type", "text/javascript; charset=utf-8")
			h.Set("Cache-Control", cacheControl)
			h.Set("ETag", `"`+name+`"`)
			// Any page may carry the agent, also one that isolates itself.
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			h.Set("Timing-Allow-Origin", "*")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(script))
		}
	}
	mux.HandleFunc("GET /"+file, serve("no-cache"))
	mux.HandleFunc("GET /"+strings.TrimSuffix(file, ".js")+"."+name+".js", serve(immutable))
}

// routeUI serves the web UI: files by name, and the page itself for every other
// path, which the UI resolves.
func routeUI(mux *routes) {
	files := ui.Files()
	server := http.FileServerFS(files)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeJSON(w, http.StatusMethodNotAllowed, Error{Message: "this path can only be read", Hint: "use GET; data comes in at /beacon and by OTLP"})
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		if info, err := fs.Stat(files, name); name != "" && err == nil && !info.IsDir() {
			if strings.HasPrefix(name, "assets/") {
				w.Header().Set("Cache-Control", immutable)
			}
			server.ServeHTTP(w, r)
			return
		}
		otherAgent := strings.HasPrefix(name, "throughline") && strings.HasSuffix(name, ".js") // of another release, or not built
		if otherAgent || strings.HasPrefix(name, "api/") || strings.HasPrefix(name, "assets/") {
			writeJSON(w, http.StatusNotFound, Error{Message: "there is nothing at this path", Hint: "the API is described at /api/v1/openapi.json"})
			return
		}
		if !ui.Built() {
			http.Error(w, "The web UI is not part of this binary. Build it with: make build", http.StatusNotFound)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, "index.html")
	})
}

// secure adds the headers that keep a browser from being turned against the UI.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

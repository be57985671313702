// Package api is the HTTP face of the server: the JSON API under /api/v1, the
// web UI, the browser agent's script, health and metrics. It decides nothing
// about the data; package query does.
package api

import (
	"encoding/json"
	"net/http"

	"github.com/throughline-rum/throughline/browser"
	"github.com/throughline-rum/throughline/server/internal/query"
)

// Version is the version of the API that its OpenAPI document names.
const Version = "1.1.0"

// Config is what the handler is made of.
type Config struct {
	Query   *query.Engine
	Beacon  http.Handler    // takes POST /beacon
	Metrics http.Handler    // answers GET /metrics
	Checks  []Check         // answer GET /readyz
	OnError func(err error) // told of errors that are the server's own; must not block
	// Stopping is closed when the server begins to stop: live tails end then, since they would never
	// end by themselves. Nil: they end with their connections.
	Stopping <-chan struct{}
}

// New returns the handler for the main port.
func New(c Config) (http.Handler, error) {
	r := &routes{mux: http.NewServeMux()}
	if err := route(r, &c); err != nil {
		return nil, err
	}
	questions, err := answered(r)
	if err != nil {
		return nil, err
	}
	return secure(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if isAPI(req.URL.Path) {
			questions.ServeHTTP(w, req)
			return
		}
		r.ServeHTTP(w, req)
	})), nil
}

// route registers everything that the main port answers.
func route(r *routes, c *Config) error {
	routeAPI(r, c)
	r.Handle("/beacon", c.Beacon)
	r.Handle("GET /metrics", c.Metrics)
	r.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	r.Handle("GET /readyz", newReadiness(*c))
	if err := routeAgent(r, browser.File); err != nil {
		return err
	}
	routeUI(r)
	return nil
}

// routes is a mux that remembers its patterns, so that a test can hold them against the API's document.
type routes struct {
	mux      *http.ServeMux
	patterns []string
}

// Handle registers a handler.
func (r *routes) Handle(pattern string, h http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.mux.Handle(pattern, h)
}

// HandleFunc registers a handler.
func (r *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// ServeHTTP answers by the handler whose pattern fits best.
func (r *routes) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Error is the body of every answer that is not a success.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error" doc:"What is wrong"`
	Hint    string `json:"hint,omitempty" doc:"What to do about it"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// GetStatus returns the HTTP status code.
func (e *Error) GetStatus() int { return e.Status }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; there is nobody to tell
}

package demo

import (
	"errors"
	"net/http"
	"slices"
	"sync"
)

// partner is somebody else's backend: no tracing, no preflights, any origin may
// read it. It tells the trace context that it received, which should be none: an
// origin off the allow list must not learn of it.
type partner struct {
	mu       sync.Mutex
	received []partnerRequest // the last maxReceived, oldest first
}

// maxReceived bounds the requests that the partner remembers.
const maxReceived = 100

// partnerRequest is what reached the partner.
type partnerRequest struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers http.Header `json:"headers"`
}

// partnerEcho holds the trace context headers that the partner received; null
// where there was none.
type partnerEcho struct {
	Traceparent *string `json:"traceparent"`
	Tracestate  *string `json:"tracestate"`
}

func (p *partner) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /offer", p.offer)
	mux.HandleFunc("GET /received", p.list)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.remember(r)
		writeError(w, http.StatusNotFound, errors.New("only GET /offer and GET /received are here"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		mux.ServeHTTP(w, r)
	})
}

func (p *partner) offer(w http.ResponseWriter, r *http.Request) {
	p.remember(r)
	var seen partnerEcho
	if v := r.Header.Values("traceparent"); len(v) > 0 {
		seen.Traceparent = &v[0]
	}
	if v := r.Header.Values("tracestate"); len(v) > 0 {
		seen.Tracestate = &v[0]
	}
	writeJSON(w, http.StatusOK, seen)
}

// list tells what reached the partner, but for questions like this one.
func (p *partner) list(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	received := slices.Clone(p.received)
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, received)
}

func (p *partner) remember(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.received) == maxReceived {
		p.received = slices.Delete(p.received, 0, 1)
	}
	p.received = append(p.received, partnerRequest{r.Method, r.URL.Path, r.Header.Clone()})
}

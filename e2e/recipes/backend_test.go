package recipes

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// ownTiming is what the application itself tells by Server-Timing.
const ownTiming = `app;dur=12.5;desc="db, cache"`

// received is a request as it reached the application.
type received struct {
	host   string
	header http.Header
}

// application is the backend: it answers by the path, and keeps what it was asked.
type application struct {
	server *httptest.Server
	more   chan struct{} // lets a stream go on

	mu   sync.Mutex
	seen map[string]received // by trace id
}

func startApplication(t *testing.T) *application {
	t.Helper()
	a := &application{more: make(chan struct{}), seen: map[string]received{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *application) address() string { return a.server.Listener.Addr().String() }

func (a *application) request(traceID string) (received, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.seen[traceID]
	return r, ok
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if parts := strings.Split(r.Header.Get("Traceparent"), "-"); len(parts) == 4 {
		a.mu.Lock()
		a.seen[parts[1]] = received{r.Host, r.Header.Clone()}
		a.mu.Unlock()
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Server-Timing", ownTiming)
	switch r.URL.Path {
	case "/":
		header.Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>shop</title>")
	case "/image.png":
		header.Set("Content-Type", "image/png")
		header.Set("Timing-Allow-Origin", "https://shop.example")
		_, _ = io.WriteString(w, "\x89PNG")
	case "/stock.json":
		header.Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"quantity":3}`)
	case "/document":
		header.Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "document")
	case "/large":
		header.Set("Content-Security-Policy", strings.Repeat("x", 6000))
	case "/chunks":
		for range 3 {
			fmt.Fprint(w, strings.Repeat("chunk", 1000))
			_ = http.NewResponseController(w).Flush()
		}
	case "/failure":
		http.Error(w, "failure", http.StatusInternalServerError)
	case "/gone": // the application dies
		panic(http.ErrAbortHandler)
	case "/events":
		a.stream(w, r)
	case "/socket":
		a.socket(w, r)
	case "/assets/style.css":
		header.Set("Cache-Control", "max-age=3600")
		header.Set("Content-Type", "text/css")
		header.Set("Etag", `"1"`)
		if r.URL.RawQuery == "plain" {
			header.Del("Server-Timing")
		}
		fmt.Fprint(w, "body{}")
	default:
		http.NotFound(w, r)
	}
}

// stream sends an event, and the second one when the first has been read.
func (a *application) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: one\n\n")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-a.more:
		fmt.Fprint(w, "data: two\n\n")
	case <-r.Context().Done():
	}
}

// webSocketAccept answers Sec-WebSocket-Key (RFC 6455, section 4.2.2).
func webSocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// socket opens a WebSocket and sends back what comes.
func (a *application) socket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no WebSocket", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		webSocketAccept(r.Header.Get("Sec-WebSocket-Key")))
	if rw.Flush() == nil {
		_, _ = io.Copy(conn, rw)
	}
}

// spans are those that the proxy sent.
type spans struct {
	server *httptest.Server
	more   chan struct{} // some have come

	mu      sync.Mutex
	clients map[string]string // span id of CLIENT spans -> trace id
}

func startSpans(t *testing.T) *spans {
	t.Helper()
	s := &spans{more: make(chan struct{}, 1), clients: map[string]string{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	request := ptraceotlp.NewExportRequest()
	if err == nil {
		err = request.UnmarshalProto(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.Traces().ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if span.Kind() == ptrace.SpanKindClient {
					s.clients[span.SpanID().String()] = span.TraceID().String()
				}
			}
		}
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *spans) client(spanID string) (traceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[spanID]
}

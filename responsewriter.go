package throughline

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/attribute"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// Header names in canonical form, as keys of http.Header.
const (
	headerServerTiming      = "Server-Timing"
	headerTimingAllowOrigin = "Timing-Allow-Origin"
	headerVary              = "Vary"
)

// responseWriter adds the headers to a response at the moment they go out.
type responseWriter struct {
	http.ResponseWriter
	handler *handler
	request *http.Request
	entry   entrySpan
	later   *laterEntry // where the entry span is still to come; else nil
	done    bool        // headers are added, or never will be

	// Room for values, which spares an allocation each.
	serverTiming, allowOrigin [1]string
	text                      [servertiming.MaxValueLen]byte
}

// addHeaders adds the headers to the response, the first time that it is called.
func (w *responseWriter) addHeaders() {
	if w.done {
		return
	}
	w.done = true
	if w.later != nil {
		entry := w.later.entry.Load()
		if entry == nil {
			w.handler.warnOnce(w.request, &w.handler.warnedNoSpan, ErrNoSpan)
			return
		}
		w.entry = *entry
	}
	header := w.Header()
	decision := w.handler.origins.decide(w.request)
	if decision.VaryOrigin {
		varyByOrigin(header)
	}
	if decision.ServerTiming {
		w.addServerTiming(header)
	}
	if _, set := header[headerTimingAllowOrigin]; !set && decision.AllowOrigin != "" {
		w.allowOrigin[0] = decision.AllowOrigin
		header[headerTimingAllowOrigin] = w.allowOrigin[:]
	}
}

// isCandidate is the attribute of spans that Server-Timing may link. Who gets it reads
// it alone.
var isCandidate = []attribute.KeyValue{attribute.Bool("frontend.link.is_linking_candidate", true)}

// addServerTiming adds our metrics beside those that are there.
func (w *responseWriter) addServerTiming(header http.Header) {
	text := w.handler.entries.AppendTo(w.text[:0], servertiming.Response{
		TraceID:    w.entry.traceID,
		SpanID:     w.entry.spanID,
		Flags:      w.entry.flags,
		ResponseID: newResponseID(),
		Now:        time.Now(),
	})
	if len(text) == 0 {
		return
	}
	value := unsafe.String(&text[0], len(text)) //nolint:gosec // w.text is written once, and lives as long as the string
	if values := header[headerServerTiming]; len(values) > 0 {
		header[headerServerTiming] = append(values, value)
	} else {
		w.serverTiming[0] = value
		header[headerServerTiming] = w.serverTiming[:]
	}
	if w.entry.candidate != nil {
		w.entry.candidate.SetAttributes(isCandidate...)
	}
}

// varyByOrigin adds Origin to Vary where it is not there (RFC 9110, section 12.5.5).
func varyByOrigin(header http.Header) {
	for _, field := range header[headerVary] {
		for name := range strings.SplitSeq(field, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Origin") {
				return
			}
		}
	}
	header[headerVary] = append(header[headerVary], "Origin")
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the headers. Interim responses go out without ours, and the final
// one is still to come; 101 is the last that HTTP sends on the connection.
func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status == http.StatusSwitchingProtocols:
		w.done = true
	case status < 100 || status > 199:
		w.addHeaders()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.addHeaders()
	return w.ResponseWriter.Write(p)
}

// WriteString implements io.StringWriter.
func (w *responseWriter) WriteString(s string) (int, error) {
	w.addHeaders()
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom implements io.ReaderFrom, and so keeps sendfile where the writer below has
// it.
func (w *responseWriter) ReadFrom(src io.Reader) (int64, error) {
	w.addHeaders()
	return io.Copy(w.ResponseWriter, src)
}

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	if !canFlush(w.ResponseWriter) {
		return http.ErrNotSupported
	}
	w.addHeaders()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// canFlush reports whether http.ResponseController finds a way to flush w.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

func (w *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.done = true
	}
	return conn, rw, err
}

func (w *responseWriter) push(target string, opts *http.PushOptions) error {
	pusher, ok := w.ResponseWriter.(http.Pusher)
	if !ok {
		return http.ErrNotSupported
	}
	return pusher.Push(target, opts)
}

// expose returns w with exactly those of Flush, Hijack and Push that the writer below
// has: programs find out by a type assertion what a connection can do. Each type is
// one pointer, which an interface holds without an allocation.
func (w *responseWriter) expose() http.ResponseWriter {
	_, f := w.ResponseWriter.(http.Flusher)
	_, h := w.ResponseWriter.(http.Hijacker)
	_, p := w.ResponseWriter.(http.Pusher)
	switch {
	case f && h && p:
		return flushHijackPush{flushHijack{flush{w}}}
	case f && h:
		return flushHijack{flush{w}}
	case f && p:
		return flushPush{flush{w}}
	case h && p:
		return hijackPush{hijack{w}}
	case f:
		return flush{w}
	case h:
		return hijack{w}
	case p:
		return push{w}
	default:
		return w
	}
}

type (
	flush           struct{ *responseWriter }
	hijack          struct{ *responseWriter }
	push            struct{ *responseWriter }
	flushHijack     struct{ flush }
	flushPush       struct{ flush }
	hijackPush      struct{ hijack }
	flushHijackPush struct{ flushHijack }
)

func (w flush) Flush()                                                  { _ = w.FlushError() }
func (w hijack) Hijack() (net.Conn, *bufio.ReadWriter, error)           { return w.hijack() }
func (w flushHijack) Hijack() (net.Conn, *bufio.ReadWriter, error)      { return w.hijack() }
func (w push) Push(target string, o *http.PushOptions) error            { return w.push(target, o) }
func (w flushPush) Push(target string, o *http.PushOptions) error       { return w.push(target, o) }
func (w hijackPush) Push(target string, o *http.PushOptions) error      { return w.push(target, o) }
func (w flushHijackPush) Push(target string, o *http.PushOptions) error { return w.push(target, o) }

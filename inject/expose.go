package inject

import (
	"bufio"
	"net"
	"net/http"
)

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

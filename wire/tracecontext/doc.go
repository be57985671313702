// Package tracecontext reads and writes the W3C Trace Context headers
// traceparent and tracestate, and the tracestate entry dtr that carries the
// context of a real user's session, and the cookie that names the session alone. It
// starts no spans and makes no decisions.
package tracecontext

package proxy

import (
	"cmp"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// schemeH2C is the scheme of upstreams that speak HTTP/2 without TLS.
const schemeH2C = "h2c"

// The limits of an upstream's connections and answers.
const (
	maxIdlePerUpstream = 256
	maxHeaderBytes     = 1 << 20
)

// NewTransport returns a transport for one upstream: bodies pass as they are coded, and
// its time-outs hold for what comes before a body, not for the body. For an h2c upstream use
// [NewH2CTransport].
func NewTransport(t Timeouts) *http.Transport {
	dialer := &net.Dialer{Timeout: cmp.Or(t.Connect, 10*time.Second), KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialer.Timeout,
		ResponseHeaderTimeout:  cmp.Or(t.Answer, time.Minute),
		IdleConnTimeout:        cmp.Or(t.Idle, 90*time.Second),
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    maxIdlePerUpstream,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// NewH2CTransport is NewTransport for an upstream that speaks HTTP/2 without TLS.
func NewH2CTransport(t Timeouts) *http.Transport {
	transport := NewTransport(t)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetUnencryptedHTTP2(true)
	return transport
}

// transport starts the CLIENT span and puts its context on the request.
type transport struct {
	http.RoundTripper
	tracer   trace.Tracer
	upstream []attribute.KeyValue
}

// RoundTrip implements [http.RoundTripper]. The exchange ends the span, when the answer
// is through.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	attributes := make([]attribute.KeyValue, 0, len(t.upstream)+2)
	attributes = append(attributes, t.upstream...)
	attributes = append(attributes,
		methodAttribute(r.Method),
		attribute.String("url.full", bounded(r.URL.Scheme+"://"+r.URL.Host+r.URL.EscapedPath())),
	)
	ctx, span := t.tracer.Start(r.Context(), spanName(r.Method),
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	exchangeOf(ctx).client = span
	putContext(r.Header, span.SpanContext())
	return t.RoundTripper.RoundTrip(r)
}

// putContext replaces the trace context of a request.
func putContext(header http.Header, sc trace.SpanContext) {
	var text [tracecontext.TraceparentLen]byte
	header["Traceparent"] = []string{string(tracecontext.Traceparent{
		TraceID:  tracecontext.TraceID(sc.TraceID()),
		ParentID: tracecontext.SpanID(sc.SpanID()),
		Flags:    tracecontext.Flags(sc.TraceFlags()),
	}.AppendTo(text[:0]))}
	if state := sc.TraceState(); state.Len() > 0 {
		header["Tracestate"] = []string{state.String()}
	} else {
		delete(header, "Tracestate")
	}
}

// copySize is that of httputil.ReverseProxy.
const copySize = 32 << 10

// buffers lends those through which bodies are copied.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[copySize]byte); ok {
		return buffer[:]
	}
	return new([copySize]byte)[:]
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[copySize]byte)(buffer)) }

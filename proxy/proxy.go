package proxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
)

// ScopeName is the instrumentation scope of the spans.
const ScopeName = "github.com/throughline-rum/throughline/proxy"

// ErrUpstream reports an Upstream that cannot be asked.
var ErrUpstream = errors.New("proxy: the upstream is no URL of a server; write it as http://127.0.0.1:8080")

// Options are the settings of a proxy. Only Upstream and TracerProvider must be set.
type Options struct {
	// Upstream is the backend: an absolute URL with the scheme http, https, or h2c (HTTP/2
	// without TLS). Its path, if any, is put before that of every request.
	Upstream *url.URL
	// TracerProvider makes the spans: one of kind SERVER for every request, and one of kind
	// CLIENT beneath it.
	TracerProvider trace.TracerProvider
	// Middleware says what pages are told, and how; its Origins may be replaced while the
	// proxy serves.
	Middleware throughline.Middleware
	// Wrap, if it is set, goes around the answers of the upstream, inside of the span: it
	// may change them, as by an inject.Injector.
	Wrap func(http.Handler) http.Handler
	// Trust says whose trace context is continued.
	Trust Trust
	// TrustedPeers are the addresses whose trace context is continued with TrustAgent,
	// though it names no session of ours: gateways that trace themselves.
	TrustedPeers []netip.Prefix
	// TrustedProxies are the addresses that are believed when they say in X-Forwarded-For
	// and its kin for whom they ask. Of all others these headers are dropped.
	TrustedProxies []netip.Prefix
	// RewriteHost sends the upstream its own host in Host. By default it gets that of the
	// request, of which applications make their absolute URLs.
	RewriteHost bool
	// Via is the name by which the proxy calls itself in the header Via (RFC 9110, section
	// 7.6.3), a token. Empty: it does not.
	Via string
	// Transport asks the upstream. Nil: NewTransport(Timeouts{}).
	Transport http.RoundTripper
	// OnFailure is told why a request was answered with 502 or 504. It may be called by
	// several goroutines at once. Nil: the span alone tells.
	OnFailure func(error)
	// ErrorLog gets what net/http/httputil says of answers that broke off. Nil: the
	// standard logger.
	ErrorLog *log.Logger
}

// Proxy is a handler that passes requests on to one upstream. It may serve many at once.
type Proxy struct {
	tracer  trace.Tracer
	inbound inbound
	chain   http.Handler
}

// New returns a proxy. Its error wraps [ErrUpstream], or tells which option is missing.
func New(o Options) (*Proxy, error) {
	if o.Upstream == nil || o.Upstream.Host == "" {
		return nil, ErrUpstream
	}
	switch o.Upstream.Scheme {
	case "http", "https", schemeH2C:
	default:
		return nil, fmt.Errorf("%w: its scheme is %q", ErrUpstream, o.Upstream.Scheme)
	}
	if o.TracerProvider == nil {
		return nil, errors.New("proxy: Options.TracerProvider is not set, so no trace could be named")
	}
	if !isToken(o.Via) && o.Via != "" {
		return nil, fmt.Errorf("proxy: Options.Via is no token: %q", o.Via)
	}
	if o.Transport == nil {
		o.Transport = NewTransport(Timeouts{})
	}
	tracer := o.TracerProvider.Tracer(ScopeName)
	reverse := &httputil.ReverseProxy{
		Rewrite:        newRewriter(&o).rewrite,
		Transport:      &transport{RoundTripper: o.Transport, tracer: tracer, upstream: upstreamAttributes(o.Upstream)},
		ModifyResponse: newAnswer(o.Via).modify,
		ErrorHandler:   newFailures(o.OnFailure).answer,
		ErrorLog:       o.ErrorLog,
		BufferPool:     new(buffers),
	}
	var inner http.Handler = reverse
	if o.Wrap != nil {
		inner = o.Wrap(inner)
	}
	p := &Proxy{
		tracer:  tracer,
		inbound: inbound{trust: o.Trust, peers: o.TrustedPeers, tenant: o.Middleware.Tenant},
		chain:   o.Middleware.Wrap(inner),
	}
	return p, nil
}

// exchange is what the spans of one request have to say.
type exchange struct {
	client trace.Span // nil where the upstream was not asked
	status int        // what the client was answered; 0: nothing
	err    string     // error.type; empty: none
}

// exchangeKey is the key of a request's exchange in its context.
type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	e, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return new(exchange) // a handler in between has replaced the context; nobody reads it
	}
	return e
}

// statusClientClosed is what the span says of a request that its client gave up; nobody
// is answered by it.
const statusClientClosed = 499

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	remote, links := p.inbound.context(r)
	options := [...]trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(requestAttributes(r)...),
		trace.WithNewRoot(), // which the last two replace
	}
	start := options[:2]
	switch {
	case remote.IsValid():
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
	case links != nil:
		options[2] = trace.WithLinks(links...)
		start = options[:]
	}
	ctx, span := p.tracer.Start(ctx, spanName(r.Method), start...)
	e := new(exchange)
	finished := false
	defer func() {
		if !finished && e.err == "" {
			e.err = "aborted" // the answer, or the connection, ended early
		}
		if ctx.Err() != nil && e.status == 0 {
			e.status = statusClientClosed
		}
		e.end(span)
	}()
	p.chain.ServeHTTP(w, r.WithContext(context.WithValue(ctx, exchangeKey{}, e)))
	finished = true
}

// end ends the spans.
func (e *exchange) end(server trace.Span) {
	if e.client != nil {
		e.finish(e.client, http.StatusBadRequest)
	}
	e.finish(server, http.StatusInternalServerError)
}

// finish ends a span, for which statuses from failed on are errors (OpenTelemetry
// semantic conventions for HTTP spans, Status).
func (e *exchange) finish(span trace.Span, failed int) {
	if span.IsRecording() {
		if e.status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", e.status))
		}
		if cause := e.cause(failed); cause != "" {
			span.SetAttributes(attribute.String("error.type", cause))
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

// cause returns the error.type of a span; empty where it has none.
func (e *exchange) cause(failed int) string {
	if e.err == "" && e.status >= failed && e.status != statusClientClosed {
		return strconv.Itoa(e.status)
	}
	return e.err
}

// Timeouts bound what an upstream may take. Zero of each: its default.
type Timeouts struct {
	// Connect bounds the connection, TLS included. Default: 10 s.
	Connect time.Duration
	// Answer bounds the wait for the headers of the answer, from the end of the request on.
	// Default: 60 s. The body may take as long as it likes.
	Answer time.Duration
	// Idle is how long a connection without a request is kept. Default: 90 s.
	Idle time.Duration
}

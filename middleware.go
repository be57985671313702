// Package throughline links the traces of a Go HTTP server to the real users whose
// browsers and apps called it. It joins the OpenTelemetry tracing that the program
// already has, and starts no spans of its own.
package throughline

import (
	"context"
	"errors"
	"log"
	"math/rand/v2"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// ErrNoSpan reports a request for which no span of this process was found. The usual
// cause is the order of the handlers: the tracing one must be the outer one, or tell of
// its spans by [TracerProvider].
var ErrNoSpan = errors.New("throughline: no active span in the request's context, so responses name no trace; " +
	"put the middleware inside the tracing one, as in otelhttp.NewHandler(throughline.Wrap(mux), \"server\"), " +
	"or give the tracing one throughline.TracerProvider(provider)")

// Middleware tells the page which trace answered it, by the response headers
// Server-Timing and Timing-Allow-Origin, and the trace which session called it, or that
// Server-Timing may link it, by attributes of the active span. The zero value is ready
// to use. It must not be changed while Wrap runs; the handlers that Wrap makes keep of
// it no more than Origins and the functions, and may serve many requests at once.
type Middleware struct {
	// Tenant is the deployment whose dtr entries in tracestate are taken; those of
	// others are ignored. Zero: tracecontext.DefaultTenant.
	Tenant tracecontext.Tenant
	// Entries are the metrics that Server-Timing gets. Zero: servertiming.DefaultEntries.
	Entries servertiming.Entries
	// Origins are the rules for the pages of other origins that may see the two headers
	// (linking contract, section 4). They may be replaced while handlers serve. Nil: no
	// rules, every origin may.
	Origins *OriginRules
	// SessionCookie is the cookie that names the session of documents and sub-resources,
	// which no script can give headers. Zero: none is read.
	SessionCookie SessionCookie
	// Skip says which requests are left alone: their responses get no header of ours, their
	// spans no attribute. It may be called by several goroutines at once. Nil: none are.
	Skip func(*http.Request) bool
	// OnWarning is told why a link is missing: an error that wraps [ErrNoSpan],
	// tracecontext.ErrDtr or tracecontext.ErrDtrVersion, each at most once for a handler
	// that Wrap made, whatever clients send. Requests are served all the same. It may
	// be called by several goroutines at once. Nil: the ErrorLog of the [http.Server], to
	// which net/http too reports the mistakes of handlers; a missing link is easily
	// overlooked, so that by default it is not passed over in silence.
	OnWarning func(error)
}

// Wrap returns new(Middleware).Wrap(next).
func Wrap(next http.Handler) http.Handler { return new(Middleware).Wrap(next) }

// Wrap returns a handler that serves with next and needs the request's span: the active
// one of its context, where it is inside the tracing middleware, else the one that next
// starts with a [TracerProvider]. Without one it adds nothing, and says so once. It panics
// where Tenant or SessionCookie is malformed.
//
// At the moment the headers go out, Server-Timing is added beside whatever next has
// put there, and Timing-Allow-Origin is set unless next has set it: to "*", or with
// rules to the origin that asks, if they let it, and the response varies by Origin.
// Interim (1xx) responses and hijacked connections get neither.
//
// The [http.ResponseWriter] that next sees has Flush, Hijack and Push exactly where the
// one below has them, and works with [http.ResponseController].
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	if m.Tenant != "" {
		if _, err := tracecontext.ParseTenant(string(m.Tenant)); err != nil {
			panic(err)
		}
	}
	if err := m.SessionCookie.Validate(); err != nil {
		panic(err)
	}
	return &handler{
		next:      next,
		dtrKey:    m.Tenant.Key(),
		entries:   m.Entries,
		origins:   m.Origins,
		cookie:    m.SessionCookie.Name,
		skip:      m.Skip,
		onWarning: m.OnWarning,
	}
}

// handler is a wrapped handler.
type handler struct {
	next      http.Handler
	dtrKey    string
	entries   servertiming.Entries
	origins   *OriginRules
	cookie    string
	skip      func(*http.Request) bool
	onWarning func(error)

	warnedNoSpan, warnedDtr, warnedVersion atomic.Bool
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.skip != nil && h.skip(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	rw := &responseWriter{ResponseWriter: w, handler: h, request: r}
	span := trace.SpanFromContext(r.Context())
	if sc := span.SpanContext(); sc.IsValid() && !sc.IsRemote() {
		h.link(&rw.entry, r, span, &sc)
	} else {
		rw.later = new(laterEntry)
		rw.later.handler, rw.later.request = h, r
		r = r.WithContext(context.WithValue(r.Context(), laterEntryKey{}, rw.later))
	}
	// The server sends the headers of a handler that wrote nothing after its return; a
	// handler further out may answer for one that panicked.
	defer rw.addHeaders()
	h.next.ServeHTTP(rw.expose(), r)
}

// entrySpan is what a response says of its entry span.
type entrySpan struct {
	traceID tracecontext.TraceID
	spanID  tracecontext.SpanID
	flags   tracecontext.Flags
	// candidate is the span where Server-Timing may link it; nil where nothing records it,
	// or the trace context links it.
	candidate trace.Span
}

// link fills in entry, and puts the session that called on the span: the TraceContext
// variant of frontend.link where its trace state holds the tenant's dtr entry, else what
// is common to both Cookie variants (linking contract, section 5).
func (h *handler) link(entry *entrySpan, r *http.Request, span trace.Span, sc *trace.SpanContext) {
	entry.traceID = tracecontext.TraceID(sc.TraceID())
	entry.spanID = tracecontext.SpanID(sc.SpanID())
	entry.flags = tracecontext.Flags(sc.TraceFlags())
	if h.linkByTraceState(r, span, sc.TraceState().Get(h.dtrKey)) || !span.IsRecording() {
		return
	}
	entry.candidate = span
	if h.cookie != "" {
		for _, cookie := range r.CookiesNamed(h.cookie) { // of several, the browser sends the one of the longest path first
			session, err := tracecontext.ParseSession(cookie.Value)
			if err != nil {
				continue
			}
			span.SetAttributes(
				attribute.String("frontend.link.session.id", session.SessionID),
				attribute.String("frontend.link.rum.instance.id", session.InstanceID),
			)
			break
		}
	}
}

// linkByTraceState puts the TraceContext variant on the span, and reports whether value,
// of the trace state's dtr entry, can be read.
func (h *handler) linkByTraceState(r *http.Request, span trace.Span, value string) bool {
	if value == "" {
		return false
	}
	d, err := tracecontext.ParseDtr(value)
	if errors.Is(err, tracecontext.ErrDtrVersion) {
		h.warnOnce(r, &h.warnedVersion, err)
		return false
	}
	if err != nil {
		h.warnOnce(r, &h.warnedDtr, err)
		return false
	}
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("frontend.link.session.id", d.SessionID),
			attribute.String("frontend.link.rum.instance.id", d.InstanceID),
			attribute.String("frontend.link.span.id", d.SpanID.String()),
		)
	}
	return true
}

// warnOnce reports err unless warned says that its kind was reported before.
func (h *handler) warnOnce(r *http.Request, warned *atomic.Bool, err error) {
	if warned.Load() || !warned.CompareAndSwap(false, true) {
		return
	}
	if h.onWarning != nil {
		h.onWarning(err)
		return
	}
	logger := log.Default()
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
		logger = server.ErrorLog
	}
	logger.Print(err)
}

// newResponseID draws the id of a response. It names a response and guards nothing,
// so that a predictable source would do as well.
func newResponseID() int32 {
	return int32(rand.Uint32()) //nolint:gosec // all 32 bits are wanted, and no secrecy
}

// Package throughline links the traces of a Go HTTP server to the real users whose
// browsers and apps called it. It joins the OpenTelemetry tracing that the program
// already has, and starts no spans of its own.
package throughline

import (
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

// ErrNoSpan reports a request whose context holds no span of this process. The usual
// cause is the order of the handlers: the tracing one must be the outer one.
var ErrNoSpan = errors.New("throughline: no active span in the request's context, so responses name no trace; " +
	"put the middleware inside the tracing one, as in otelhttp.NewHandler(throughline.Wrap(mux), \"server\")")

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

// Wrap returns a handler that serves with next and needs an active span in the
// request's context, so it belongs inside the tracing middleware. Without one
// it adds nothing, and says so once. It panics where Tenant is malformed.
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
	return &handler{
		next:      next,
		dtrKey:    m.Tenant.Key(),
		entries:   m.Entries,
		origins:   m.Origins,
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
	span := trace.SpanFromContext(r.Context())
	sc := span.SpanContext()
	if !sc.IsValid() || sc.IsRemote() {
		h.warnOnce(r, &h.warnedNoSpan, ErrNoSpan)
		h.next.ServeHTTP(w, r)
		return
	}
	linked := h.link(r, span, sc)
	rw := &responseWriter{
		ResponseWriter: w,
		handler:        h,
		request:        r,
		traceID:        tracecontext.TraceID(sc.TraceID()),
		spanID:         tracecontext.SpanID(sc.SpanID()),
		flags:          tracecontext.Flags(sc.TraceFlags()),
	}
	if !linked && span.IsRecording() {
		rw.candidate = span
	}
	// The server sends the headers of a handler that wrote nothing after its return; a
	// handler further out may answer for one that panicked.
	defer rw.addHeaders()
	h.next.ServeHTTP(rw.expose(), r)
}

// link puts the TraceContext variant of frontend.link on the span where its trace
// state holds the tenant's dtr entry (linking contract, section 5), and reports whether
// it holds one that can be read.
func (h *handler) link(r *http.Request, span trace.Span, sc trace.SpanContext) bool {
	value := sc.TraceState().Get(h.dtrKey)
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

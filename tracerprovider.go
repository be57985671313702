package throughline

import (
	"context"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// TracerProvider returns a provider whose tracers tell the middleware of the entry
// span, for tracing that goes on inside of it: the middleware of a framework that wraps
// a whole router, as otelgin or otelecho. What it makes is otherwise provider's own.
//
//	router.Use(otelgin.Middleware("shop", otelgin.WithTracerProvider(throughline.TracerProvider(provider))))
//	http.ListenAndServe(address, throughline.Wrap(router))
//
// The entry span of a request is the first of kind SERVER that is started with its
// context; it must be started before the response's headers go out.
func TracerProvider(provider trace.TracerProvider) trace.TracerProvider {
	return tracerProvider{provider}
}

type tracerProvider struct{ trace.TracerProvider }

// Tracer implements [trace.TracerProvider].
func (p tracerProvider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return tracer{p.TracerProvider.Tracer(name, options...)}
}

type tracer struct{ trace.Tracer }

// Start implements [trace.Tracer].
func (t tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	later, _ := ctx.Value(laterEntryKey{}).(*laterEntry)
	ctx, span := t.Tracer.Start(ctx, name, options...)
	if later != nil {
		later.take(span, options)
	}
	return ctx, span
}

// laterEntryKey is the key of a request's laterEntry in its context.
type laterEntryKey struct{}

// laterEntry waits for the entry span of a request that had none when it came.
type laterEntry struct {
	handler *handler
	request *http.Request
	taken   atomic.Bool
	entry   atomic.Pointer[entrySpan]
}

// take takes the span that was started with these options for the entry span, if it is
// the first of its kind.
func (l *laterEntry) take(span trace.Span, options []trace.SpanStartOption) {
	if l.taken.Load() {
		return
	}
	config := trace.NewSpanStartConfig(options...)
	sc := span.SpanContext()
	if config.SpanKind() != trace.SpanKindServer || !sc.IsValid() || !l.taken.CompareAndSwap(false, true) {
		return
	}
	entry := new(entrySpan)
	l.handler.link(entry, l.request, span, &sc)
	if h := l.handler; entry.candidate != nil && h.entries != servertiming.NoEntries && h.origins.decide(l.request).ServerTiming {
		// The span may end before the headers go out, as in gin for a path without a handler.
		span.SetAttributes(isCandidate...)
		entry.candidate = nil
	}
	l.entry.Store(entry)
}

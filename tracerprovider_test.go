package throughline_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
)

// spans is a provider whose tracers give out one span.
type spans struct {
	noop.TracerProvider
	span trace.Span
}

func (s spans) Tracer(string, ...trace.TracerOption) trace.Tracer { return spansTracer{span: s.span} }

type spansTracer struct {
	noop.Tracer
	span trace.Span
}

func (t spansTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return trace.ContextWithSpan(ctx, t.span), t.span
}

// server stands for the middleware of a framework: it starts the span of a request
// inside of what is around the whole router.
func server(provider trace.TracerProvider, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := provider.Tracer("router").Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Around a tracing handler that tells of its spans the middleware does what it does inside.
func TestOutsideOfTheTracingHandler(t *testing.T) {
	for _, tt := range paths {
		t.Run(tt.name, func(t *testing.T) {
			span := &testSpan{sc: spanContext(t, trace.FlagsSampled, dtrMember)}
			provider := throughline.TracerProvider(spans{span: span})
			s, client := serve(t, throughline.Wrap(server(provider, tt.serve)), false)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			response := get(t, client, cmp.Or(tt.method, http.MethodGet), s.URL)
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != tt.body {
				t.Errorf("body = %q, %v; want %q", body, err, tt.body)
			}
			wantOurs(t, response.Header)
			if got := span.recorded()["frontend.link.session.id"]; got != sessionID {
				t.Errorf("frontend.link.session.id = %q", got)
			}
		})
	}
}

// A span that is not recorded is named all the same, so that the link says why the
// trace is missing.
func TestOutsideNotSampled(t *testing.T) {
	provider := throughline.TracerProvider(spans{span: &testSpan{sc: spanContext(t, 0, "")}})
	w := httptest.NewRecorder()
	throughline.Wrap(server(provider, hello)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	info := servertiming.Read(w.Header().Values("Server-Timing")...)
	if info.SpanID.String() != spanID || info.Sampled == nil || *info.Sampled {
		t.Errorf("Server-Timing = %q", w.Header().Values("Server-Timing"))
	}
}

// What says that Server-Timing may link a span is on it before it ends, though the
// router ends it before the headers go out; and not where none goes out.
func TestOutsideCandidate(t *testing.T) {
	none := new(throughline.OriginRules)
	if err := none.Replace(servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		middleware throughline.Middleware
		tracestate string
		want       string
	}{
		"by default":     {want: "true"},
		"trace context":  {tracestate: dtrMember},
		"no entries":     {middleware: throughline.Middleware{Entries: servertiming.NoEntries}},
		"another origin": {middleware: throughline.Middleware{Origins: none}},
	} {
		t.Run(name, func(t *testing.T) {
			span := &testSpan{sc: spanContext(t, trace.FlagsSampled, tt.tracestate)}
			h := tt.middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				server(throughline.TracerProvider(spans{span: span}), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).
					ServeHTTP(httptest.NewRecorder(), r)
				if got := span.recorded()["frontend.link.is_linking_candidate"]; got != tt.want {
					t.Errorf("is_linking_candidate = %q, want %q", got, tt.want)
				}
			}))
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set("Origin", "https://evil.example")
			h.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}

// The entry span is the first of kind SERVER, whatever else starts before or after.
func TestEntrySpanIsTheFirstServerSpan(t *testing.T) {
	entry := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	other := &testSpan{sc: entry.sc.WithSpanID(trace.SpanID{7: 1})}
	invalid := &testSpan{}
	start := func(ctx context.Context, span trace.Span, kind trace.SpanKind) {
		throughline.TracerProvider(spans{span: span}).Tracer("").Start(ctx, "", trace.WithSpanKind(kind))
	}
	h := throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start(r.Context(), other, trace.SpanKindInternal)
		start(r.Context(), other, trace.SpanKindClient)
		start(r.Context(), invalid, trace.SpanKindServer)
		start(r.Context(), entry, trace.SpanKindServer)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { start(r.Context(), other, trace.SpanKindServer) })
		}
		w.WriteHeader(http.StatusOK)
		all.Wait()
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	wantOurs(t, w.Header())
}

// A span that starts after the headers went out comes too late, and that is said.
func TestEntrySpanTooLate(t *testing.T) {
	var told warnings
	m := throughline.Middleware{OnWarning: told.add}
	provider := throughline.TracerProvider(spans{span: &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}})
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		server(provider, hello).ServeHTTP(httptest.NewRecorder(), r)
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if len(w.Header()) != 0 || len(told.all) != 1 || !errors.Is(told.all[0], throughline.ErrNoSpan) {
		t.Errorf("headers %v, warnings %v", w.Header(), told.all)
	}
}

// Requests that did not come through the middleware are traced as without it.
func TestTracerProviderAlone(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	ctx, got := throughline.TracerProvider(spans{span: span}).Tracer("").Start(t.Context(), "")
	if got != trace.Span(span) || trace.SpanFromContext(ctx) != trace.Span(span) {
		t.Errorf("got span %v", got)
	}
}

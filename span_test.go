package throughline_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

const (
	traceID   = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID    = "00f067aa0ba902b7"
	dtrMember = "7468726f-75676800@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;" +
		"1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
)

// testSpan is a recording span of this process, as an SDK would make one.
type testSpan struct {
	noop.Span
	sc trace.SpanContext

	mu         sync.Mutex
	attributes []attribute.KeyValue
}

func (s *testSpan) SpanContext() trace.SpanContext { return s.sc }
func (s *testSpan) IsRecording() bool              { return s.sc.IsSampled() }
func (s *testSpan) SetAttributes(kv ...attribute.KeyValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attributes = append(s.attributes, kv...)
}

// recorded returns the attributes set so far.
func (s *testSpan) recorded() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[string]string)
	for _, kv := range s.attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

func spanContext(tb testing.TB, flags trace.TraceFlags, tracestate string) trace.SpanContext {
	tb.Helper()
	tid, err := trace.TraceIDFromHex(traceID)
	if err != nil {
		tb.Fatal(err)
	}
	sid, err := trace.SpanIDFromHex(spanID)
	if err != nil {
		tb.Fatal(err)
	}
	ts, err := trace.ParseTraceState(tracestate)
	if err != nil {
		tb.Fatal(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: tid, SpanID: sid, TraceFlags: flags, TraceState: ts})
}

// traced stands for the tracing middleware: it puts span into the context.
func traced(span trace.Span, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(trace.ContextWithSpan(r.Context(), span)))
	})
}

var _ trace.Span = (*testSpan)(nil)

// remoteOnly is a context as a propagator leaves it where no span was started.
func remoteOnly(ctx context.Context, sc trace.SpanContext) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, sc)
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

// The goals of the middleware, over a bare handler with an active span.
const (
	goalAllocations = 1
	goalNanoseconds = 400
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// activeSpan is a sampled span of this process that takes attributes and forgets them.
type activeSpan struct {
	tracenoop.Span
	context trace.SpanContext
}

func (s activeSpan) SpanContext() trace.SpanContext    { return s.context }
func (activeSpan) IsRecording() bool                   { return true }
func (activeSpan) SetAttributes(...attribute.KeyValue) {}

// measureMiddleware times handlers that answer nothing.
func measureMiddleware(o options) (*table.Table, error) {
	testing.Init()
	span := activeSpan{context: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 1}, TraceFlags: trace.FlagsSampled})}
	active := trace.ContextWithSpan(context.Background(), span)
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(forget{}))
	defer provider.Shutdown(context.Background()) //nolint:errcheck // nothing is sent anywhere
	traced := func(next http.Handler) http.Handler {
		return otelhttp.NewHandler(next, "server", otelhttp.WithTracerProvider(provider),
			otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithMeterProvider(noop.NewMeterProvider()))
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	t := &table.Table{
		Title: "Middleware",
		Notes: []string{fmt.Sprintf("One request of a handler that writes nothing. Goal: at most %d allocation and %d ns over the bare handler with an active span.", goalAllocations, goalNanoseconds)},
		Head:  []string{"handler", "ns", "allocations", "ns added", "goal"},
	}
	var base int64
	for _, h := range []struct {
		name    string
		ctx     context.Context
		handler http.Handler
		judged  bool
	}{
		{"bare, with an active span", active, bare, false},
		{"Throughline", active, throughline.Wrap(bare), true},
		{"otelhttp with the SDK", context.Background(), traced(bare), false},
		{"Throughline inside otelhttp", context.Background(), traced(throughline.Wrap(bare)), false},
	} {
		ns, allocations := timeHandler(h.ctx, h.handler, o.rounds)
		if base == 0 {
			base = ns
		}
		goal := ""
		if h.judged {
			goal = table.Mark(ns-base <= goalNanoseconds && allocations <= goalAllocations)
		}
		t.Add(h.name, table.Count(float64(ns)), strconv.FormatInt(allocations, 10), table.Count(float64(ns-base)), goal)
	}
	return t, nil
}

// timeHandler returns the medians of several runs.
func timeHandler(ctx context.Context, h http.Handler, rounds int) (ns, allocations int64) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example/", http.NoBody)
	if err != nil {
		panic(err) // all of it is constant
	}
	w := &sink{header: make(http.Header)}
	var times, allocated []int64
	for range max(rounds, 3) {
		result := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
		times, allocated = append(times, result.NsPerOp()), append(allocated, result.AllocsPerOp())
	}
	slices.Sort(times)
	slices.Sort(allocated)
	return times[len(times)/2], allocated[len(allocated)/2]
}

// forget is an exporter of spans.
type forget struct{}

func (forget) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (forget) Shutdown(context.Context) error                             { return nil }

package throughline_test

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusOK)
})

// idleSpan records nothing, so that its cost does not count.
type idleSpan struct{ testSpan }

func (*idleSpan) SetAttributes(...attribute.KeyValue) {}

// served returns a function that serves one request, as often as it is called.
func served(tb testing.TB, h http.Handler, tracestate string) func() {
	tb.Helper()
	span := &idleSpan{testSpan{sc: spanContext(tb, trace.FlagsSampled, tracestate)}}
	r, err := http.NewRequestWithContext(trace.ContextWithSpan(context.Background(), span), http.MethodGet, "/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	w := &sink{header: make(http.Header)}
	return func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	for _, bb := range []struct {
		name       string
		handler    http.Handler
		tracestate string
	}{
		{"bare handler", hello, ""},
		{"wrapped", throughline.Wrap(hello), ""},
		{"wrapped, with dtr", throughline.Wrap(hello), dtrMember},
	} {
		b.Run(bb.name, func(b *testing.B) {
			serve := served(b, bb.handler, bb.tracestate)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

// One allocation for the wrapper, which has room for the header's value.
func TestAllocations(t *testing.T) {
	serve := served(t, throughline.Wrap(hello), "")
	if n := testing.AllocsPerRun(100, serve); n > 1 {
		t.Errorf("a response costs %v allocations, want at most 1", n)
	}
}

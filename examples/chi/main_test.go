package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

const (
	traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-97039bf817c8584a-03"
	session     = "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
	tracestate  = "7468726f-75676800@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;" + session
)

// The answer names the span that was exported for it, and the span the session that called.
func TestLinks(t *testing.T) {
	exported := tracetest.NewInMemoryExporter()
	handler := newHandler(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exported)))
	for name, sent := range map[string]bool{"document": false, "fetch": true} {
		for path, status := range map[string]int{"/hello": http.StatusOK, "/missing": http.StatusNotFound} {
			t.Run(name+" "+path, func(t *testing.T) {
				exported.Reset()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				if sent {
					r.Header.Set("traceparent", traceparent)
					r.Header.Set("tracestate", tracestate)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != status {
					t.Errorf("status = %d, want %d", w.Code, status)
				}
				spans := exported.GetSpans()
				if len(spans) != 1 {
					t.Fatalf("%d spans, want 1", len(spans))
				}
				span := spans[0]
				info := servertiming.Read(w.Header().Values("Server-Timing")...)
				if info.SpanID.String() != span.SpanContext.SpanID().String() || info.TraceID.String() != span.SpanContext.TraceID().String() {
					t.Errorf("Server-Timing = %q, the span is %v of %v", w.Header().Values("Server-Timing"), span.SpanContext.SpanID(), span.SpanContext.TraceID())
				}
				got := make(map[string]string)
				for _, kv := range span.Attributes {
					got[string(kv.Key)] = kv.Value.String()
				}
				if want := "true"; !sent && got["frontend.link.is_linking_candidate"] != want {
					t.Errorf("attributes = %v", got)
				}
				if sent && got["frontend.link.session.id"] != session {
					t.Errorf("attributes = %v", got)
				}
			})
		}
	}
}

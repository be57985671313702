// Package telemetry sets up the OpenTelemetry SDK of what this program itself traces: the
// proxy and the demo's services. Nothing of it is global, so several may share a process.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Options say whose spans go where.
type Options struct {
	Service   string // service.name
	Namespace string // service.namespace; empty: none
	Endpoint  string // of OTLP/HTTP, without /v1/traces
	Token     string // of the Authorization header; empty: none
	// Transport sends the spans. Who gives it closes it.
	Transport http.RoundTripper
	// Delay is how long a span may wait for company before it is sent.
	Delay   time.Duration
	Sampler sdktrace.Sampler
	Log     *slog.Logger
}

// The bounds of sending.
const (
	sendTimeout = 10 * time.Second
	maxQueued   = 16 << 10 // spans; beyond it they are dropped
)

// NewProvider returns a provider that sends spans by OTLP/HTTP. Its Shutdown sends what
// is left.
func NewProvider(ctx context.Context, o Options) (*sdktrace.TracerProvider, error) {
	log := o.Log.With("service", o.Service)
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(o.Endpoint + "/v1/traces"),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: o.Transport, Timeout: sendTimeout}),
	}
	if o.Token != "" {
		options = append(options, otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + o.Token}))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("OTLP exporter of %s: %w", o.Service, err)
	}
	attributes := resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName(o.Service))
	if o.Namespace != "" {
		attributes = resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName(o.Service), semconv.ServiceNamespace(o.Namespace))
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&loggingExporter{SpanExporter: exporter, log: log},
			sdktrace.WithBatchTimeout(o.Delay), sdktrace.WithMaxQueueSize(maxQueued)),
		sdktrace.WithSampler(o.Sampler),
		sdktrace.WithResource(attributes),
	), nil
}

// loggingExporter logs what could not be sent, where the SDK would hand the
// error to a process-wide handler.
type loggingExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

func (e *loggingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil && !errors.Is(err, context.Canceled) {
		e.log.Warn("spans were not sent; is the OTLP endpoint up?", "spans", len(spans), "error", err)
	}
	return nil
}

package demo

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	sdk "github.com/throughline-rum/throughline/server/internal/telemetry"
)

// batchTimeout is how long a span may wait for company before it is sent: short,
// because somebody watches.
const batchTimeout = 200 * time.Millisecond

// telemetry is the OpenTelemetry of one service, set up as a user's program
// would, except that nothing of it is global: several services share the process.
type telemetry struct {
	provider  *sdktrace.TracerProvider
	tracer    trace.Tracer
	transport *http.Transport
	log       *slog.Logger
}

func newTelemetry(ctx context.Context, service, endpoint string, log *slog.Logger) (*telemetry, error) {
	t := &telemetry{transport: newTransport(), log: log.With("service", service)}
	var err error
	t.provider, err = sdk.NewProvider(ctx, sdk.Options{
		Service: service, Namespace: "throughline-demo", Endpoint: endpoint, Transport: t.transport,
		Delay: batchTimeout, Sampler: sdktrace.ParentBased(sdktrace.AlwaysSample()), Log: log,
	})
	if err != nil {
		return nil, err
	}
	t.tracer = t.provider.Tracer("github.com/throughline-rum/throughline/server/internal/demo")
	return t, nil
}

// shutdown sends what is left and stops the exporter.
func (t *telemetry) shutdown(ctx context.Context) error {
	err := t.provider.Shutdown(ctx)
	t.transport.CloseIdleConnections()
	return err
}

func (t *telemetry) options() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
	}
}

// instrument starts a SERVER span, named after its route, for every request.
func (t *telemetry) instrument(h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, "", t.options()...)
}

// instrumentLinked does the same, and joins the spans to the browsers that caused
// them. It stands inside the tracing, which it needs.
func (t *telemetry) instrumentLinked(h http.Handler) http.Handler {
	m := throughline.Middleware{OnWarning: func(err error) { t.log.Warn("frontend link", "error", err) }}
	return t.instrument(m.Wrap(h))
}

// client returns a client that starts a CLIENT span for, and puts the trace
// context on, every request.
func (t *telemetry) client(base http.RoundTripper) *http.Client {
	return &http.Client{Transport: otelhttp.NewTransport(base, t.options()...), Timeout: 10 * time.Second}
}

// wait passes the time that real work would take; it ends early with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

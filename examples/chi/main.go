// Command chi is a server with a chi router: the middleware is one of the router's, after
// otelhttp.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
)

func newHandler(provider trace.TracerProvider) http.Handler {
	router := chi.NewRouter()
	router.Use(
		otelhttp.NewMiddleware("server", otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{})),
		throughline.Wrap,
	)
	router.Get("/hello", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	return router
}

// newProvider returns a provider of spans that go out by OTLP/HTTP, by default to
// http://localhost:4318; OTEL_EXPORTER_OTLP_ENDPOINT and its kin say otherwise.
func newProvider(ctx context.Context) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter)), nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	provider, err := newProvider(ctx)
	if err != nil {
		return err
	}
	server := http.Server{Addr: "127.0.0.1:8080", Handler: newHandler(provider), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	log.Printf("http://%s/", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return provider.Shutdown(context.WithoutCancel(ctx)) // sends the last spans
}

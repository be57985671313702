package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/net/netutil"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/telemetry"
)

type proxyCommand struct {
	config.Proxy `embed:""`
}

// The bounds of a proxy's connections, and of its stopping.
const (
	proxyReadHeader  = 10 * time.Second
	proxyIdle        = 2 * time.Minute
	proxyHeaderBytes = 128 << 10
	proxyConnections = 20_000
	proxyStopSpans   = 10 * time.Second
	proxySpanDelay   = time.Second
	proxyFailureLog  = 10 * time.Second
	proxyReady       = 2 * time.Second // for an upstream to take a connection
)

// Go's GOGC and GOMEMLIMIT where the operator sets none: what is live is a few MB, so that
// with Go's own 100 the collector would run all the time, for a tenth of the processor's.
const (
	proxyGCPercent = 800
	proxyGCMemory  = 256 << 20
)

// Run proxies until ctx ends.
func (c *proxyCommand) Run(ctx context.Context, line *kong.Context, s streams) (err error) {
	given := givenFlags(line)
	load := func() (*config.Proxy, error) { return config.LoadProxy(c.Proxy, given) }
	loaded, err := load()
	if err != nil {
		return err
	}
	if s.getenv("GOGC") == "" {
		debug.SetGCPercent(proxyGCPercent)
	}
	if s.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(proxyGCMemory)
	}
	log := slog.New(slog.NewTextHandler(s.stderr, nil))
	p := newProxyServer(log)
	defer func() { err = errors.Join(err, p.stopSpans(ctx)) }()
	if err := p.use(ctx, loaded); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", loaded.Listen)
	if err != nil {
		return &listenError{"listen", err}
	}
	metrics := "none"
	if loaded.Metrics != "" {
		var stop func()
		if metrics, stop, err = p.serveMetrics(ctx, loaded.Metrics); err != nil {
			return errors.Join(err, listener.Close())
		}
		defer stop()
	}
	scheme := "http"
	server := &http.Server{
		Handler:           http.HandlerFunc(p.serve),
		ReadHeaderTimeout: proxyReadHeader,
		IdleTimeout:       proxyIdle,
		MaxHeaderBytes:    proxyHeaderBytes,
		Protocols:         new(http.Protocols),
		ErrorLog:          stdlog.New(panicLog{log}, "", 0),
	}
	server.Protocols.SetHTTP1(true)
	listener = netutil.LimitListener(listener, proxyConnections)
	if p.certificate.Load() != nil {
		scheme = "https"
		server.Protocols.SetHTTP2(true)
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12,
			NextProtos: []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return p.certificate.Load(), nil
			},
		})
	} else {
		server.Protocols.SetUnencryptedHTTP2(true)
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("ready", "proxy", scheme+"://"+listener.Addr().String(), "routes", len(loaded.Routes), "otlp", loaded.OTLP, "metrics", metrics)
	for {
		select {
		case err := <-failed:
			return err
		case <-reload:
			again, err := load()
			if err == nil {
				err = p.use(ctx, again)
			}
			if err != nil {
				log.Error("the configuration stays as it was", "error", err)
				continue
			}
			if again.Listen != loaded.Listen {
				log.Warn("the address changes only with a restart", "listen", loaded.Listen)
			}
			log.Info("the configuration was read again", "routes", len(again.Routes))
		case <-ctx.Done():
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), loaded.Drain)
			defer cancel()
			if err := server.Shutdown(drain); err != nil {
				log.Warn("requests were still running", "after", loaded.Drain)
				return server.Close()
			}
			return nil
		}
	}
}

// proxyServer serves with the routes of the configuration that was read last.
type proxyServer struct {
	log         *slog.Logger
	routes      atomic.Pointer[routeTable]
	certificate atomic.Pointer[tls.Certificate]
	// What outlives a change of the configuration.
	providers map[string]*sdktrace.TracerProvider // by service and endpoint
	spans     *http.Transport
	metrics   *prometheus.Registry
	// What became of the responses that may be documents, by service and result.
	injections *prometheus.CounterVec
	// Requests that an upstream did not answer, by service.
	failures *prometheus.CounterVec
}

func newProxyServer(log *slog.Logger) *proxyServer {
	p := &proxyServer{
		log:       log,
		providers: map[string]*sdktrace.TracerProvider{},
		spans:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		metrics:   prometheus.NewRegistry(),
		injections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "throughline_proxy_injections_total",
			Help: "Responses that may be documents, by what became of the agent's script in them.",
		}, []string{"service", "result"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "throughline_proxy_upstream_failures_total",
			Help: "Requests that were answered with 502 or 504, since the upstream did not answer.",
		}, []string{"service"}),
	}
	p.metrics.MustRegister(p.injections, p.failures, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return p
}

// serveMetrics serves Prometheus metrics, and whether the proxy and its upstreams are up,
// until stop is called.
func (p *proxyServer) serveMetrics(ctx context.Context, address string) (url string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, &listenError{"metrics", err}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { p.routes.Load().tellReady(w, r) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: proxyReadHeader, ErrorLog: stdlog.New(panicLog{p.log}, "", 0)}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String() + "/metrics", func() { _ = server.Close() }, nil
}

func (p *proxyServer) serve(w http.ResponseWriter, r *http.Request) {
	p.routes.Load().handler.ServeHTTP(w, r)
}

// use makes the handlers of a configuration and serves with them from now on; requests
// that are under way end with those that they began with.
func (p *proxyServer) use(ctx context.Context, c *config.Proxy) error {
	var certificate *tls.Certificate
	if c.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return fmt.Errorf("the certificate: %w (give its files in PEM with tls.cert and tls.key)", err)
		}
		certificate = &pair
	}
	table, err := p.newRoutes(ctx, c)
	if err != nil {
		return err
	}
	p.certificate.Store(certificate)
	if old := p.routes.Swap(table); old != nil {
		old.closeIdle()
	}
	return nil
}

// provider returns the tracer provider of a service.
func (p *proxyServer) provider(ctx context.Context, c *config.Proxy, service string) (*sdktrace.TracerProvider, error) {
	var token string
	if len(c.OTLPToken) > 0 {
		token = c.OTLPToken[0]
	}
	key := service + "\n" + c.OTLP + "\n" + token
	if have := p.providers[key]; have != nil {
		return have, nil
	}
	provider, err := telemetry.NewProvider(ctx, telemetry.Options{
		Service: service, Endpoint: c.OTLP, Token: token, Transport: p.spans, Delay: proxySpanDelay, Log: p.log,
		// Flags from outside are data, not an order: what is continued is recorded.
		Sampler: sdktrace.AlwaysSample(),
	})
	if err != nil {
		return nil, err
	}
	p.providers[key] = provider
	return provider, nil
}

// stopSpans sends what is left.
func (p *proxyServer) stopSpans(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proxyStopSpans)
	defer cancel()
	var all error
	for _, provider := range p.providers {
		all = errors.Join(all, provider.Shutdown(ctx))
	}
	p.spans.CloseIdleConnections()
	return all
}

// Package demo is a small web shop with real backends, a driver that walks a
// browser through it, and the table of what became of each of its requests. It
// shows the product at work; the server itself does not depend on it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Config is what the shop needs to run.
type Config struct {
	// ServerURL is the server that the pages load the agent from and send their
	// beacons to, without a path: http://127.0.0.1:8318.
	ServerURL string
	// OTLPEndpoint is where the backends send their spans by OTLP/HTTP, without
	// the /v1/traces: http://127.0.0.1:4318.
	OTLPEndpoint string
	// ApplicationID is the shop's rum.application.id, 16 hexadecimal digits.
	ApplicationID string

	// ShopAddr, CatalogAddr, PaymentsAddr and PartnerAddr are the addresses to
	// listen on, as for net.Listen. Empty: any free port of 127.0.0.1.
	ShopAddr, CatalogAddr, PaymentsAddr, PartnerAddr string

	// Logger gets what went wrong while the shop runs, such as spans that could
	// not be sent. Nil: nobody does.
	Logger *slog.Logger
}

// URLs are the origins that the shop answers on, without a path.
type URLs struct {
	Shop     string // the pages
	Catalog  string // called by the shop's backend alone
	Payments string // another origin, on the agent's allow list
	Partner  string // another origin, off the agent's allow list
}

// Shop is a running shop: four servers, three of which send spans. Its methods
// may be called from several goroutines.
type Shop struct {
	URLs URLs

	servers   []*http.Server // in the order in which they stop
	serving   sync.WaitGroup
	telemetry []*telemetry
	transport *http.Transport // from shop to the other backends

	shutdown    sync.Once
	shutdownErr error
}

// shutdownGrace bounds the wait for connections that never sent a request, which
// browsers open ahead of need and http.Server.Shutdown would wait 5 seconds for.
const shutdownGrace = time.Second

// Start opens the listeners and serves the shop until Shutdown. ctx bounds the
// start alone. Where it fails, nothing is left running.
func Start(ctx context.Context, cfg Config) (*Shop, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}

	s := &Shop{transport: newTransport()}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	return s, nil
}

func (s *Shop) start(ctx context.Context, cfg Config) error {
	addrs := []struct {
		name, addr string
		url        *string
	}{
		{"shop", cfg.ShopAddr, &s.URLs.Shop},
		{"payments", cfg.PaymentsAddr, &s.URLs.Payments},
		{"partner", cfg.PartnerAddr, &s.URLs.Partner},
		{"catalog", cfg.CatalogAddr, &s.URLs.Catalog},
	}
	var listeners []net.Listener
	closeListeners := func() {
		for _, l := range listeners {
			l.Close() //nolint:errcheck // nothing was served on it
		}
	}
	for _, a := range addrs {
		if a.addr == "" {
			a.addr = "127.0.0.1:0"
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.addr)
		if err != nil {
			closeListeners()
			return fmt.Errorf("demo: %s cannot listen: %w", a.name, err)
		}
		listeners = append(listeners, l)
		*a.url = "http://" + l.Addr().String()
	}

	var services [3]*telemetry
	for i, name := range []string{"shop", "payments", "catalog"} {
		t, err := newTelemetry(ctx, name, cfg.OTLPEndpoint, cfg.Logger)
		if err != nil {
			closeListeners()
			return fmt.Errorf("demo: %w", err)
		}
		services[i] = t
		s.telemetry = append(s.telemetry, t)
	}

	shop, err := newStorefront(services[0], s.transport, cfg, s.URLs)
	if err != nil {
		closeListeners()
		return fmt.Errorf("demo: %w", err)
	}
	handlers := []http.Handler{
		shop.handler(),
		(&payments{telemetry: services[1], origin: s.URLs.Shop}).handler(),
		new(partner).handler(),
		(&catalog{telemetry: services[2]}).handler(),
	}
	for i, l := range listeners {
		srv := &http.Server{
			Handler:           handlers[i],
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
		}
		s.servers = append(s.servers, srv)
		s.serving.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cfg.Logger.Error("demo server stopped", "server", addrs[i].name, "error", err)
			}
		})
	}
	return nil
}

// Shutdown lets requests under way end, stops the servers and sends the spans
// that are still held. It returns when that is done or ctx ends. Further calls
// do nothing and return what the first one did.
func (s *Shop) Shutdown(ctx context.Context) error {
	s.shutdown.Do(func() {
		var errs []error
		for _, srv := range s.servers {
			errs = append(errs, stop(ctx, srv))
		}
		s.serving.Wait()
		s.transport.CloseIdleConnections()
		for _, t := range s.telemetry {
			errs = append(errs, t.shutdown(ctx))
		}
		if err := errors.Join(errs...); err != nil {
			s.shutdownErr = fmt.Errorf("demo: stop the shop: %w", err)
		}
	})
	return s.shutdownErr
}

func stop(ctx context.Context, srv *http.Server) error {
	grace, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	}
	return errors.Join(err, srv.Close())
}

// hostPort is what may stand in a Content-Security-Policy: a header that a
// stray character would tear apart.
var (
	hostPort      = regexp.MustCompile(`^[A-Za-z0-9.\-\[\]:]+$`)
	applicationID = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

func (c *Config) check() error {
	var err error
	if c.ServerURL, err = origin(c.ServerURL); err != nil {
		return fmt.Errorf("demo: server URL: %w", err)
	}
	if c.OTLPEndpoint, err = origin(c.OTLPEndpoint); err != nil {
		return fmt.Errorf("demo: OTLP endpoint: %w", err)
	}
	if !applicationID.MatchString(c.ApplicationID) {
		return fmt.Errorf("demo: application id %q is not 16 lower-case hexadecimal digits", c.ApplicationID)
	}
	return nil
}

// origin checks that raw is an http or https URL without path, query and
// user-info, and returns it without a trailing slash.
func origin(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || !hostPort.MatchString(u.Host) ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%q is not of the form http://host:port", raw)
	}
	return u.Scheme + "://" + u.Host, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: 10 * time.Second,
	}
}

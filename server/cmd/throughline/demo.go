package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/demo"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The demo's addresses, so that its pages have the same ones each time.
const (
	demoMain     = "127.0.0.1:8318"
	demoOTLPHTTP = "127.0.0.1:4318"
	demoOTLPGRPC = "127.0.0.1:4317"
	demoShop     = "127.0.0.1:8401"
	demoCatalog  = "127.0.0.1:8402"
	demoPayments = "127.0.0.1:8403"
	demoPartner  = "127.0.0.1:8404"
	anyPort      = "127.0.0.1:0"
)

// demoApplication is the shop's rum.application.id.
const demoApplication = "745a78fe5b6e57f6"

// demoLinkWait is short, because the demo's spans come within a second and
// somebody watches.
const demoLinkWait = 5 * time.Second

// demoBudget is more than a person at a shop can fill, in MiB.
const demoBudget = 256

// demoStop bounds the shop's stopping, its last spans included.
const demoStop = 10 * time.Second

type demoCommand struct {
	Drive       bool `help:"Let headless Chromium click through the shop, then print a table of the verdicts."`
	Once        bool `help:"As --drive, and end then; fails where a request has no verdict, or another event of the visit is missing."`
	JSON        bool `name:"json" help:"Print JSON: with --once one object, else one with the addresses and one with the verdicts."`
	RandomPorts bool `help:"Listen on any free ports (always with --once)."`
}

// Run starts a server on a temporary store, and the shop.
func (c *demoCommand) Run(ctx context.Context, s streams) (err error) {
	var chromium string
	if c.Drive || c.Once {
		if chromium, err = demo.FindChromium(s.getenv); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	dir, err := os.MkdirTemp("", "throughline-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	srv, err := startServer(ctx, c.serverConfig(dir), log, nil)
	if err != nil {
		return portHint(err)
	}
	defer func() { err = errors.Join(err, srv.stop(context.WithoutCancel(ctx))) }()
	shop, err := demo.Start(ctx, c.shopConfig(srv, log))
	if err != nil {
		return portHint(err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoStop)
		defer cancel()
		err = errors.Join(err, shop.Shutdown(stopping))
	}()

	if !c.Once {
		if err := c.printAddresses(s, srv, shop); err != nil {
			return err
		}
	}
	if c.Drive || c.Once {
		if err := c.drive(ctx, s, srv, shop, chromium); err != nil {
			return err
		}
	}
	if c.Once {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-srv.failed: // stopping the server tells why
	}
	return nil
}

// portHint says what to do where one of the demo's addresses is in use.
func portHint(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	if l, ok := errors.AsType[*listenError](err); ok {
		err = l.err // whose hint is for serve
	}
	return fmt.Errorf("%w (stop the program that uses it, or add --random-ports)", err)
}

// port returns the address of the demo's own choice, or any free port.
func (c *demoCommand) port(fixed string) string {
	if c.Once || c.RandomPorts {
		return anyPort
	}
	return fixed
}

func (c *demoCommand) serverConfig(dir string) config.Serve {
	return config.Serve{
		Listen:       c.port(demoMain),
		OTLPHTTP:     c.port(demoOTLPHTTP),
		OTLPGRPC:     c.port(demoOTLPGRPC),
		Data:         dir,
		MemoryLimit:  512,
		Tenant:       string(tracecontext.DefaultTenant),
		Journal:      config.Journal{Budget: demoBudget},
		LinkWait:     demoLinkWait,
		LinkInterval: 250 * time.Millisecond,
	}
}

func (c *demoCommand) shopConfig(srv *server, log *slog.Logger) demo.Config {
	return demo.Config{
		ServerURL:     srv.mainURL(),
		OTLPEndpoint:  srv.otlpURL(),
		ApplicationID: demoApplication,
		ShopAddr:      c.port(demoShop),
		CatalogAddr:   c.port(demoCatalog),
		PaymentsAddr:  c.port(demoPayments),
		PartnerAddr:   c.port(demoPartner),
		Logger:        log,
	}
}

func (c *demoCommand) printAddresses(s streams, srv *server, shop *demo.Shop) error {
	if c.JSON {
		return json.NewEncoder(s.stdout).Encode(map[string]string{
			"server": srv.mainURL(), "shop": shop.URLs.Shop, "catalog": shop.URLs.Catalog, "payments": shop.URLs.Payments, "partner": shop.URLs.Partner,
		})
	}
	_, err := fmt.Fprintf(s.stdout, `
  The shop:     %s/   open it and click around
  Throughline:  %s/   see what became of every request

Press Ctrl-C to end.

`, shop.URLs.Shop, srv.mainURL())
	return err
}

// errVerdicts reports a drive after which some request had no verdict.
var errVerdicts = errors.New("not every request got a verdict")

// drive has a browser visit the shop and prints what became of its requests.
func (c *demoCommand) drive(ctx context.Context, s streams, srv *server, shop *demo.Shop, chromium string) error {
	profile, err := os.MkdirTemp("", "throughline-chromium-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(profile) }() // Chromium may still be writing to it
	var requests []query.Request
	var events demo.Events
	visit, err := demo.Drive(ctx, demo.DriveConfig{
		URLs:         shop.URLs,
		ServerURL:    srv.mainURL(),
		ChromiumPath: chromium,
		UserDataDir:  profile,
		Progress:     func(step string) { fmt.Fprintln(s.stderr, "demo:", step) },
		BeforeClose: func(ctx context.Context, v demo.Visit) (err error) {
			fmt.Fprintln(s.stderr, "demo: waiting for the verdicts")
			cfg := demo.VerdictsConfig{APIURL: srv.mainURL(), Visit: v}
			if requests, err = demo.WaitForVerdicts(ctx, cfg); err != nil {
				return err
			}
			fmt.Fprintln(s.stderr, "demo: waiting for the other events")
			events, err = demo.WaitForEvents(ctx, cfg, requests)
			return err
		},
	})
	summary := demo.Summarize(requests, events)
	write := summary.WriteTable
	if c.JSON {
		write = func(w io.Writer) error { return json.NewEncoder(w).Encode(summary) }
	}
	if err := errors.Join(err, write(s.stdout)); err != nil {
		return err
	}
	if n := summary.ByStatus["pending"] + summary.ByReason["unknown"]; n > 0 || len(requests) < len(visit.Seen) {
		return fmt.Errorf("%w: %d of %d", errVerdicts, n, summary.Requests)
	}
	return nil
}

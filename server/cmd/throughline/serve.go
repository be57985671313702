package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/client"
	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/guard"
	"github.com/throughline-rum/throughline/server/internal/ingest"
	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/link"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/duckdb"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

type serveCommand struct {
	config.Serve `embed:""`
}

// Run serves until ctx ends or a part fails.
func (c *serveCommand) Run(ctx context.Context, line *kong.Context, s streams) error {
	loaded, err := loadConfig(c.Serve, line)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.stderr, nil))
	srv, err := startServer(ctx, loaded.Serve, log, gate(s.getenv("THROUGHLINE_DEBUG_STORE_GATE")))
	if err != nil {
		return err
	}
	log.Info("ready", "ui", srv.mainURL(), "otlp_http", srv.otlpURL(), "otlp_grpc", srv.otlpGRPC.Addr().String(), "data", loaded.Data)
	if s.getenv("GOGC") == "" {
		sizing, stop := context.WithCancel(ctx)
		var heap sync.WaitGroup
		heap.Go(func() { sizeHeap(sizing, srv.store.DirectoryBytes) })
		defer heap.Wait()
		defer stop()
	}
	return srv.serveUntilDone(ctx, log)
}

// The deadlines of stopping, one a step.
const (
	stopListeners = 10 * time.Second
	stopLoader    = 10 * time.Second
	stopStore     = 30 * time.Second
)

// server is a running server.
type server struct {
	main, otlpHTTP, otlpGRPC net.Listener

	mainServer, otlpServer *http.Server
	grpcServer             *grpc.Server
	store                  *duckdb.Store
	dataFolder             string
	guard                  *guard.Guard
	clients                *client.Describer
	journal                *journal.Journal
	intake                 *journalWriter
	loader                 *ingest.Loader
	pass                   *link.Pass
	started                time.Time
	stopLoader, stopLink   context.CancelFunc
	stopping               chan struct{} // closed when the server begins to stop, by stopOnce
	stopOnce               sync.Once
	group                  *errgroup.Group
	failed                 <-chan struct{} // closed when a part fails; group knows why
}

func (s *server) mainURL() string { return "http://" + s.main.Addr().String() }
func (s *server) otlpURL() string { return "http://" + s.otlpHTTP.Addr().String() }

// listenError is an address that cannot be listened on.
type listenError struct {
	setting string // the flag that names it
	err     error
}

func (e *listenError) Error() string {
	return fmt.Sprintf("%v (another program may be using it; choose another address with --%s)", e.err, e.setting)
}

func (e *listenError) Unwrap() error { return e.err }

// startServer opens the listeners and the store and starts every part. The
// server takes data when it returns. On an error nothing is left running.
func startServer(ctx context.Context, c config.Serve, log *slog.Logger, gate func() bool) (_ *server, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	tenant, err := tracecontext.ParseTenant(c.Tenant)
	if err != nil {
		return nil, err
	}
	warnOfExposure(log, &c)
	s := &server{stopping: make(chan struct{}), dataFolder: c.Data, started: time.Now()}
	if s.guard, err = newGuard(&c); err != nil {
		return nil, err
	}
	if s.clients, err = client.NewDescriber(c.GeoIPFile); err != nil {
		return nil, fmt.Errorf("%w (name a file in the MaxMind DB format with --geoip-file, or none)", err)
	}
	defer func() {
		if err != nil {
			s.abandon(context.WithoutCancel(ctx))
		}
	}()
	for _, l := range []struct {
		listener      *net.Listener
		setting, addr string
	}{{&s.main, "listen", c.Listen}, {&s.otlpHTTP, "otlp-http", c.OTLPHTTP}, {&s.otlpGRPC, "otlp-grpc", c.OTLPGRPC}} {
		open, err := new(net.ListenConfig).Listen(ctx, "tcp", l.addr)
		if err != nil {
			return nil, &listenError{l.setting, err}
		}
		*l.listener = netutil.LimitListener(open, maxConnections)
	}
	if s.store, err = openStore(ctx, &c); err != nil {
		return nil, err
	}
	if s.journal, err = openJournal(ctx, &c, s.store); err != nil {
		return nil, err
	}
	faults := newFaultLogs(log)
	s.intake = &journalWriter{Journal: s.journal, faults: &faults.intake}

	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := s.guard.Register(metrics); err != nil {
		return nil, err
	}
	receiver, err := ingest.New(ingest.Config{
		Journal: s.intake, IsFull: isFull, Registerer: metrics, Beacons: s.guard, Traces: s.guard,
		Client: s.describe, OnError: faults.intake.report,
	})
	if err != nil {
		return nil, err
	}
	s.loader, err = ingest.NewLoader(ingest.LoaderConfig{
		Open: func(after store.Position) (ingest.RecordReader, error) {
			r, err := s.journal.Reader(journal.Position(after))
			return journalReader{r}, err
		},
		Trim:   func(upTo store.Position) error { return s.journal.Trim(journal.Position(upTo)) },
		Writer: storeWriter{s.store, &faults.loader}, Rejects: ingest.RejectFolder(c.RejectedPath()), Registerer: metrics,
		Tenant: tenant, Gate: gate, OnError: faults.loader.report,
	})
	if err != nil {
		return nil, err
	}
	verdicts := newVerdictCounter(s.store, &faults.links)
	s.pass = &link.Pass{
		Store: verdicts, Wait: c.LinkWait, Interval: c.LinkInterval, Now: time.Now,
		OnError: faults.links.report,
	}
	sweep := &janitor{store: s.store, keep: c.Retention, log: log}
	if err := errors.Join(
		metrics.Register(&journalCollector{s.journal, func() store.Position { return s.loader.State().Stored }}),
		metrics.Register(&linkCollector{s.linkLag, s.pass.Stats}), metrics.Register(verdicts.counted),
		metrics.Register(&usageCollector{store: s.store, faults: &faults.usage}), sweep.register(metrics),
	); err != nil {
		return nil, err
	}
	handler, err := api.New(api.Config{
		Query: query.New(query.Config{
			Reader: s.store, Annotator: s.store, Explain: explain, Explanations: allExplanations(), ApplicationNames: applicationNames(&c),
		}),
		Beacon:   receiver.Beacon(),
		Metrics:  promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}),
		Checks:   s.checks(),
		OnError:  faults.questions.report,
		Stopping: s.stopping,
	})
	if err != nil {
		return nil, err
	}
	s.mainServer = newHTTPServer(s.guard.API(handler), log)
	s.otlpServer = newHTTPServer(receiver.OTLP(), log)
	s.grpcServer = receiver.GRPCServer()

	var loaderContext, linkContext context.Context
	loaderContext, s.stopLoader = context.WithCancel(context.WithoutCancel(ctx))
	linkContext, s.stopLink = context.WithCancel(context.WithoutCancel(ctx))

	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	s.group, s.failed = group, failed.Done()
	s.group.Go(func() error { return serveHTTP(s.mainServer, s.main) })
	s.group.Go(func() error { return serveHTTP(s.otlpServer, s.otlpHTTP) })
	s.group.Go(func() error { return serveGRPC(s.grpcServer, s.otlpGRPC) })
	s.group.Go(func() error { return s.loader.Run(loaderContext) })
	s.group.Go(func() error { return s.pass.Run(linkContext) })
	s.group.Go(func() error { return sweep.Run(linkContext) })
	return s, nil
}

// warnOfExposure says once what the operator has accepted with --insecure-no-auth.
func warnOfExposure(log *slog.Logger, c *config.Serve) {
	var open []string
	for _, e := range c.Exposed() {
		open = append(open, e.Err.Error())
	}
	if open != nil {
		log.Warn("no token is asked for, as --insecure-no-auth says", "exposed", strings.Join(open, "; "))
	}
}

// maxConnections bounds the connections that are open at once to each of the server's addresses; the next wait until one of them
// is closed, as each is that says nothing for some time.
const maxConnections = 8192

// newHTTPServer bounds the time and the memory that one connection may take.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       30 * time.Second, // a page that has sent its beacon leaves a connection behind
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(panicLog{log}, "", 0),
	}
}

// panicLog passes on what net/http says of a handler that panicked, which is a bug, without the address that it names. All
// else that net/http says is of senders that broke off.
type panicLog struct{ log *slog.Logger }

// Write implements io.Writer.
func (p panicLog) Write(line []byte) (int, error) {
	if rest, found := bytes.CutPrefix(line, []byte("http: panic serving ")); found {
		_, fault, _ := bytes.Cut(rest, []byte(": "))
		p.log.Error("a handler panicked; please report it", "fault", string(fault))
	} else {
		p.log.Debug("a connection failed", "error", string(line))
	}
	return len(line), nil
}

func serveHTTP(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveGRPC serves until the server is stopped, which may come before it serves.
func serveGRPC(s *grpc.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// serveUntilDone waits for ctx or a failure, then stops everything.
func (s *server) serveUntilDone(ctx context.Context, log *slog.Logger) error {
	select {
	case <-ctx.Done():
		log.Info("stopping; a second signal ends the server at once")
	case <-s.failed:
	}
	return s.stop(context.WithoutCancel(ctx))
}

// stop ends the server in the order of the data: listeners, what is under way,
// the journal's last records, the link pass, the store. What does not reach the store in
// time waits in the journal for the next start.
func (s *server) stop(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stopping) })
	listeners, cancel := context.WithTimeout(ctx, stopListeners)
	defer cancel()
	var errs []error
	var stopping errgroup.Group
	for _, server := range []*http.Server{s.mainServer, s.otlpServer} {
		stopping.Go(func() error {
			err := server.Shutdown(listeners)
			if errors.Is(err, context.DeadlineExceeded) { // a sender that stalls is no failure of ours
				return server.Close()
			}
			return err
		})
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.grpcServer.GracefulStop()
	}()
	select {
	case <-drained:
	case <-listeners.Done():
		s.grpcServer.Stop()
	}
	errs = append(errs, stopping.Wait())
	loading, cancel := context.WithTimeout(ctx, stopLoader)
	defer cancel()
	select {
	case <-s.failed: // it may be the loader that failed
	default:
		_ = s.loader.Await(loading, store.Position(s.journal.Stats().Last))
	}
	s.stopLoader()
	s.stopLink()
	errs = append(errs, s.group.Wait(), s.journal.Close())
	closing, cancel := context.WithTimeout(ctx, stopStore)
	defer cancel()
	errs = append(errs, s.store.Close(closing), s.clients.Close())
	return errors.Join(errs...)
}

// abandon releases what a start that failed had opened.
func (s *server) abandon(ctx context.Context) {
	for _, l := range []net.Listener{s.main, s.otlpHTTP, s.otlpGRPC} {
		if l != nil {
			_ = l.Close() // nothing was served on it
		}
	}
	if s.journal != nil {
		_ = s.journal.Close() // nothing was appended
	}
	if s.store != nil {
		_ = s.store.Close(ctx) // the start's own error is what the user needs
	}
	if s.clients != nil {
		_ = s.clients.Close() // it was only read
	}
}

// describe says of a request's sender what may be kept.
func (s *server) describe(r *http.Request) model.Client {
	c := s.clients.Describe(s.guard.ClientAddress(r), r.UserAgent())
	m := model.Client{
		Browser: c.UserAgentName, BrowserVersion: c.UserAgentVersion, OS: c.OSName, Device: c.DeviceType, Country: c.CountryISOCode,
	}
	if c.Address.IsValid() {
		m.Address = c.Address.String()
	}
	return m
}

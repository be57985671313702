// Package subject knows the servers under test: how each is built, started and
// asked whether it has what it was sent.
package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The deadlines of a server's life.
const (
	startTimeout = 2 * time.Minute
	stopGrace    = 2 * time.Minute
	askTimeout   = 35 * time.Second // of one question
)

// Server is a server that can be measured. Its fields say how to run it.
type Server struct {
	Name       string
	Version    string
	Durability string // what its answer to a sender promises, for the reader of the table
	Binary     string
	Missing    string   // why there is no Binary; empty where there is
	Extra      []string // arguments beside those that it needs
	ExtraEnv   []string // the same, of its environment

	ports      int // how many addresses it listens on
	configure  func(folder string, addresses []string) (setup, error)
	countSpans func(ctx context.Context, r *Running, id tracecontext.TraceID) (int, error)
}

// setup is what a server is started with and where it then is.
type setup struct {
	args, env          []string
	ready, query       string // URLs: answers when it is ready; where to ask
	traceURL, eventURL string // where to send OTLP/HTTP and beacons
}

// Running is a server that runs.
type Running struct {
	*process.Process

	Server    *Server
	Folder    string // of its data
	TraceURL  string // takes OTLP/HTTP
	EventURL  string // takes beacons; empty where it takes none
	QueryURL  string
	StartTime time.Duration // from its start until it was ready
	Client    *http.Client
}

// Start starts the server on the data in folder and waits until it is ready.
func (s *Server) Start(ctx context.Context, folder string) (*Running, error) {
	data := filepath.Join(folder, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, err
	}
	addresses, err := freeAddresses(ctx, s.ports)
	if err != nil {
		return nil, err
	}
	c, err := s.configure(folder, addresses)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	began := time.Now()
	p, err := process.Start(ctx, filepath.Join(folder, "log"), append(c.env, s.ExtraEnv...), s.Binary, append(c.args, s.Extra...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	r := &Running{
		Process: p, Server: s, Folder: data, TraceURL: c.traceURL, EventURL: c.eventURL, QueryURL: c.query,
		Client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := r.awaitReady(ctx, c.ready); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s did not become ready: %w; it printed: %s", s.Name, err, p.LogTail())
	}
	r.StartTime = time.Since(began)
	return r, nil
}

// awaitReady polls the URL until it answers without an error of its own. Not every
// program has a page that says so; one that refuses the question is up, too.
func (r *Running) awaitReady(ctx context.Context, url string) error {
	return Poll(ctx, 10*time.Millisecond, func() (bool, error) {
		select {
		case <-r.Done():
			return false, errors.New("it ended")
		default:
		}
		status, _, err := r.Get(ctx, url)
		return err == nil && status < http.StatusInternalServerError, nil
	})
}

// Spans returns how many spans of a trace the server has; 0 where it does not know it.
func (r *Running) Spans(ctx context.Context, id tracecontext.TraceID) (int, error) {
	return r.Server.countSpans(ctx, r, id)
}

// Stop stops the server in its own order and returns the processor time of its whole life.
func (r *Running) Stop() (time.Duration, error) {
	r.Client.CloseIdleConnections()
	cpu, err := r.Process.Stop(stopGrace)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.Server.Name, err)
	}
	return cpu, nil
}

// Poll calls done every interval until it is true, fails, or ctx ends.
func Poll(ctx context.Context, interval time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeAddresses returns loopback addresses on which nobody listens. All are held
// until the last is known, so that they differ.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // nothing was served on it
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// Package ingest takes in what agents and backends send, beacons and OTLP
// traces: bytes from strangers are checked, put into the journal and answered; the
// Loader brings them from there to the store. It judges nothing about the data.
package ingest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// The limits of what is under way at once. A body is read only once it has its
// place, so they bound the memory that senders can make the server take.
const (
	MaxBeaconsInFlight = 128 // of at most beacon.MaxBytes each
	MaxTracesInFlight  = 16  // of at most MaxTraceBytes each
	MaxBeaconsOfOne    = 32  // of the senders of one masked address, who must not keep all others out
)

// The deadlines of one request's steps.
const (
	placeTimeout  = 2 * time.Second  // for a place among those in flight
	bodyTimeout   = 20 * time.Second // for the body to arrive
	appendTimeout = 30 * time.Second // for the journal
)

// retryAfter is what a sender that came at a bad time is told to wait.
const retryAfter = 5 * time.Second

// Journal is where what was taken is safe.
type Journal interface {
	// Append returns once the record is on disk, whose payload is given in pieces and is the
	// caller's again. When ctx ends first, the record may or may not be there.
	Append(ctx context.Context, kind byte, payload ...[]byte) (store.Position, error)
}

// Config is what a Receiver is made of.
type Config struct {
	Journal    Journal                          // required
	IsFull     func(error) bool                 // whether an error of the journal says that it has no room now; nil: none does
	Registerer prometheus.Registerer            // required; takes the counters
	Beacons    BeaconGate                       // who may send beacons; nil: everybody
	Traces     TraceGate                        // who may send traces; nil: everybody
	Client     func(*http.Request) model.Client // what is known of a beacon's sender; nil: nothing
	Now        func() time.Time                 // the server's clock; nil: time.Now
	OnError    func(err error)                  // told of the journal's errors; nil: nobody. Must not block
}

// Receiver takes beacons and OTLP traces. Its handlers may serve many
// requests at once. Success is answered only once the journal has taken the data.
type Receiver struct {
	Config
	metrics         *metrics
	crowd           crowd
	beacons, traces places
	bodies          sync.Pool // of *bodyReader
}

// New returns a Receiver. It fails where a counter of the same name is
// registered already.
func New(c Config) (*Receiver, error) {
	if c.Journal == nil || c.Registerer == nil {
		return nil, errors.New("ingest: a Journal and a Registerer are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	if c.IsFull == nil {
		c.IsFull = func(error) bool { return false }
	}
	if c.Client == nil {
		c.Client = func(*http.Request) model.Client { return model.Client{} }
	}
	if c.Beacons == nil {
		c.Beacons = openGate{}
	}
	if c.Traces == nil {
		c.Traces = openGate{}
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	return &Receiver{
		Config: c, metrics: m, crowd: crowd{of: map[string]int{}},
		beacons: make(places, MaxBeaconsInFlight), traces: make(places, MaxTracesInFlight),
	}, nil
}

// places bounds how many bodies are held at once.
type places chan struct{}

// take waits for a place; free must be called where it returns nil.
func (p places) take(ctx context.Context) *refusal {
	select {
	case p <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(placeTimeout)
	defer patience.Stop()
	select {
	case p <- struct{}{}:
		return nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return refuseUnavailable("too many requests are under way")
}

func (p places) free() { <-p }

// crowd counts what is under way of each sender.
type crowd struct {
	mu sync.Mutex
	of map[string]int
}

// enter counts a sender in; leave must be called where it returns nil. Who is not known is not counted.
func (c *crowd) enter(sender string) *refusal {
	if sender == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[sender] >= MaxBeaconsOfOne {
		return refuseUnavailable("too many requests of this sender are under way")
	}
	c.of[sender]++
	return nil
}

func (c *crowd) leave(sender string) {
	if sender == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[sender]--; c.of[sender] == 0 {
		delete(c.of, sender)
	}
}

// keep puts a body into the journal. It outlives the sender's connection: a page
// that closes right after its beacon has no second chance.
func (r *Receiver) keep(ctx context.Context, kind byte, h *recordHeader, body []byte) *refusal {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	_, err := r.Journal.Append(ctx, kind, appendRecord(make([]byte, 0, 64), h), body)
	switch {
	case err == nil:
		return nil
	case r.IsFull(err):
		r.OnError(err)
		return refuseFull()
	default:
		r.OnError(err)
		return refuseUnavailable("the journal cannot take it now")
	}
}

// boundBody makes sure that a sender which stalls loses its place.
func boundBody(w http.ResponseWriter, now time.Time) {
	// Not every ResponseWriter can; the server's own ReadTimeout is then the bound.
	_ = http.NewResponseController(w).SetReadDeadline(now.Add(bodyTimeout))
}

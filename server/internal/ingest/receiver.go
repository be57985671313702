// Package ingest takes in what agents and backends send, beacons and OTLP
// traces: bytes from strangers become validated batches for the store, or are
// refused with a reason. It judges nothing about the data.
package ingest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The limits of what is under way at once. A body is read only once it has its
// place, so they bound the memory that senders can make the server take.
const (
	MaxBeaconsInFlight = 128 // of at most beacon.MaxBytes each
	MaxTracesInFlight  = 16  // of at most MaxTraceBytes each
)

// The deadlines of one request's steps.
const (
	placeTimeout = 2 * time.Second  // for a place among those in flight
	bodyTimeout  = 20 * time.Second // for the body to arrive
	writeTimeout = 30 * time.Second // for the store
)

// retryAfter is what a sender that came at a bad time is told to wait.
const retryAfter = 5 * time.Second

// Config is what a Receiver is made of.
type Config struct {
	Writer     store.Writer          // required
	Registerer prometheus.Registerer // required; takes the counters
	Tenant     tracecontext.Tenant   // whose dtr entries are read; zero: the default
	Beacons    BeaconGate            // who may send beacons; nil: everybody
	Traces     TraceGate             // who may send traces; nil: everybody
	Now        func() time.Time      // the server's clock; nil: time.Now
	OnError    func(err error)       // told of the store's errors; nil: nobody. Must not block
}

// Receiver takes beacons and OTLP traces. Its handlers may serve many
// requests at once. Success is answered only once the store has taken the data.
type Receiver struct {
	Config
	metrics         *metrics
	beacons, traces places
}

// New returns a Receiver. It fails where a counter of the same name is
// registered already.
func New(c Config) (*Receiver, error) {
	if c.Writer == nil || c.Registerer == nil {
		return nil, errors.New("ingest: a Writer and a Registerer are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
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
		Config: c, metrics: m,
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

// write hands a batch to the store. It outlives the sender's connection: a page
// that closes right after its beacon has no second chance.
func (r *Receiver) write(ctx context.Context, b store.Batch) *refusal {
	if b.Len() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := r.Writer.Write(ctx, b); err != nil {
		r.OnError(err)
		return refuseUnavailable("the store cannot take it now")
	}
	return nil
}

// boundBody makes sure that a sender which stalls loses its place.
func boundBody(w http.ResponseWriter, now time.Time) {
	// Not every ResponseWriter can; the server's own ReadTimeout is then the bound.
	_ = http.NewResponseController(w).SetReadDeadline(now.Add(bodyTimeout))
}

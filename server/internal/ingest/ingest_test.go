package ingest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/throughline-rum/throughline/server/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store that keeps batches, or fails by err.
type memory struct {
	mu      sync.Mutex
	batches []store.Batch
	err     error
	entered chan struct{} // where set, told of each write
	release chan struct{} // where set, writes wait for it
}

var _ store.Writer = (*memory)(nil)

func (m *memory) Write(ctx context.Context, b store.Batch) error {
	if m.release != nil {
		m.entered <- struct{}{}
		select {
		case <-m.release:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.batches = append(m.batches, b)
	return nil
}

// stored returns everything written so far as one batch.
func (m *memory) stored() store.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all store.Batch
	for _, b := range m.batches {
		all.Requests = append(all.Requests, b.Requests...)
		all.Navigations = append(all.Navigations, b.Navigations...)
		all.WebVitals = append(all.WebVitals, b.WebVitals...)
		all.Spans = append(all.Spans, b.Spans...)
	}
	return all
}

// received is the server's time in the tests.
var received = time.Date(2026, 4, 27, 6, 7, 26, 500_000_000, time.UTC)

var errStore = errors.New("disk is full at /secret/path")

func newReceiver(t testing.TB, w store.Writer) *Receiver {
	t.Helper()
	r, err := New(Config{Writer: w, Registerer: prometheus.NewPedanticRegistry(), Now: func() time.Time { return received }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counted checks one counter of a vector.
func counted(t *testing.T, v *prometheus.CounterVec, label string, want float64) {
	t.Helper()
	if got := testutil.ToFloat64(v.WithLabelValues(label)); got != want {
		t.Errorf("counter %s is %v, want %v", label, got, want)
	}
}

func TestNewWantsItsParts(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := New(Config{Registerer: registry}); err == nil {
		t.Error("no error without a Writer")
	}
	if _, err := New(Config{Writer: &memory{}}); err == nil {
		t.Error("no error without a Registerer")
	}
	if _, err := New(Config{Writer: &memory{}, Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Writer: &memory{}, Registerer: registry}); err == nil {
		t.Error("no error where the counters are registered already")
	}
}

// discard is a store that forgets.
type discard struct{}

func (discard) Write(context.Context, store.Batch) error { return nil }

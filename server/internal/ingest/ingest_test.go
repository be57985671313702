package ingest

import (
	"bytes"
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

// memory is a journal that keeps records and the values in them, or fails by err.
type memory struct {
	mu      sync.Mutex
	records []Record
	batch   store.Batch
	dropped int
	err     error
	entered chan struct{} // where set, told of each record
	release chan struct{} // where set, records wait for it
}

var _ Journal = (*memory)(nil)

func (m *memory) Append(ctx context.Context, kind byte, payload ...[]byte) (store.Position, error) {
	if m.release != nil {
		m.entered <- struct{}{}
		select {
		case <-m.release:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return 0, m.err
	}
	record := Record{Position: store.Position(len(m.records) + 1), Kind: kind, Payload: bytes.Join(payload, nil)}
	m.records = append(m.records, record)
	d := newDecoder("")
	if _, err := d.decode(&m.batch, record); err != nil {
		panic("what was taken cannot be read: " + err.Error())
	}
	m.dropped += d.dropped()
	return record.Position, nil
}

// stored returns everything taken so far as one batch.
func (m *memory) stored() store.Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.batch
}

// received is the server's time in the tests.
var received = time.Date(2026, 4, 27, 6, 7, 26, 500_000_000, time.UTC)

var (
	errJournal = errors.New("disk is broken at /secret/path")
	errFull    = errors.New("journal is full at /secret/path")
)

func newReceiver(t testing.TB, j Journal) *Receiver {
	t.Helper()
	r, err := New(Config{
		Journal: j, IsFull: func(err error) bool { return errors.Is(err, errFull) },
		Registerer: prometheus.NewPedanticRegistry(), Now: func() time.Time { return received },
	})
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
		t.Error("no error without a Journal")
	}
	if _, err := New(Config{Journal: &memory{}}); err == nil {
		t.Error("no error without a Registerer")
	}
	if _, err := New(Config{Journal: &memory{}, Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Journal: &memory{}, Registerer: registry}); err == nil {
		t.Error("no error where the counters are registered already")
	}
}

// discard is a journal that forgets.
type discard struct{}

func (discard) Append(context.Context, byte, ...[]byte) (store.Position, error) { return 1, nil }

package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// expirer notes what it is told to let go of, and when.
type expirer struct {
	mu   sync.Mutex
	at   []time.Time
	last store.Retention
	err  error
}

func (e *expirer) Expire(_ context.Context, before store.Retention) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at, e.last = append(e.at, time.Now()), before
	return e.err
}

func newTestJanitor(t *testing.T, e *expirer, keep config.Retention) (*janitor, *syncBuffer) {
	t.Helper()
	buf := &syncBuffer{}
	j := &janitor{store: e, keep: keep, log: slog.New(slog.NewTextHandler(buf, nil))}
	if err := j.register(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	return j, buf
}

func TestOldDataGoesEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e expirer
		const day = config.Period(24 * time.Hour)
		j, _ := newTestJanitor(t, &e, config.Retention{Requests: 30 * day, Spans: day})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		start := time.Now()
		go func() { done <- j.Run(ctx) }()
		<-time.After(2*expireEvery + time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(e.at) != 3 || !e.at[0].Equal(start) || !e.at[2].Equal(start.Add(2*expireEvery)) {
			t.Errorf("old data was let go of at %v", e.at)
		}
		want := store.Retention{Requests: e.at[2].Add(-30 * 24 * time.Hour), Spans: e.at[2].Add(-24 * time.Hour)}
		if e.last != want {
			t.Errorf("what is older than %+v was let go of, want %+v", e.last, want)
		}
		if n := testutil.ToFloat64(j.succeeded); n != 3 || testutil.ToFloat64(j.last) != float64(e.at[2].Unix()) {
			t.Errorf("%v runs are counted", n)
		}
	})
}

func TestExpiryThatFailsIsLoggedOnceAndTriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := expirer{err: errors.New("the disk is full")}
		j, buf := newTestJanitor(t, &e, config.Retention{Errors: config.Period(time.Hour)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- j.Run(ctx) }()
		<-time.After(3*expireAgain + time.Second)
		e.mu.Lock()
		e.err = nil
		e.mu.Unlock()
		<-time.After(expireAgain)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		got := buf.lines()
		if len(e.at) != 5 || len(got) != 2 || !strings.Contains(got[0], "the disk is full") || !strings.Contains(got[1], "again") {
			t.Errorf("%d runs, logged %q", len(e.at), got)
		}
		if n := testutil.ToFloat64(j.failed); n != 4 {
			t.Errorf("%v failures are counted", n)
		}
	})
}

func TestWithoutRetentionNothingIsAsked(t *testing.T) {
	var e expirer
	j, _ := newTestJanitor(t, &e, config.Retention{})
	if err := j.Run(t.Context()); err != nil || len(e.at) != 0 {
		t.Errorf("asked %d times, error %v", len(e.at), err)
	}
}

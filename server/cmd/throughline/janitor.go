package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/store"
)

const (
	expireEvery = time.Hour
	expireAgain = 5 * time.Minute // after a failure
)

// janitor lets data go that is older than it is to be kept: at the start, and every hour.
type janitor struct {
	store interface {
		Expire(ctx context.Context, before store.Retention) error
	}
	keep config.Retention
	log  *slog.Logger

	succeeded, failed prometheus.Counter
	last              prometheus.Gauge
	fault             string // what the last run failed with; empty: nothing
}

// register makes the counters of runs.
func (j *janitor) register(r prometheus.Registerer) error {
	runs := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "throughline", Subsystem: "janitor", Name: "runs_total", Help: "Times that old data was let go of, by result.",
	}, []string{"result"})
	j.succeeded, j.failed = runs.WithLabelValues("succeeded"), runs.WithLabelValues("failed")
	j.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "throughline", Subsystem: "janitor", Name: "last_success_timestamp_seconds", Help: "When old data was last let go of, in Unix time; 0: not since the start.",
	})
	for _, c := range []prometheus.Collector{runs, j.last} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("counters of the janitor: %w", err)
		}
	}
	return nil
}

// Run expires until ctx ends, which is no error.
func (j *janitor) Run(ctx context.Context) error {
	if j.keep == (config.Retention{}) {
		return nil // everything is kept for ever
	}
	for {
		wait := j.expire(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// expire runs once and returns how long to wait for the next time.
func (j *janitor) expire(ctx context.Context) time.Duration {
	now := time.Now()
	err := j.store.Expire(ctx, retention(j.keep, now))
	switch {
	case err == nil:
		j.succeeded.Inc()
		j.last.Set(float64(now.UnixMilli()) / 1000)
		if j.fault != "" {
			j.log.Info("old data is let go of again")
		}
		j.fault = ""
		return expireEvery
	case ctx.Err() != nil:
		return 0
	}
	j.failed.Inc()
	if err.Error() != j.fault {
		j.log.Error("old data could not be let go of; trying again", "error", err)
	}
	j.fault = err.Error()
	return expireAgain
}

// retention returns the times before which data may go.
func retention(keep config.Retention, now time.Time) store.Retention {
	before := func(p config.Period) time.Time {
		if p == 0 {
			return time.Time{}
		}
		return now.Add(-time.Duration(p))
	}
	return store.Retention{
		Requests: before(keep.Requests), Navigations: before(keep.Navigations), Errors: before(keep.Errors), Spans: before(keep.Spans),
	}
}

package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/link"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// linkCollector tells how far the link pass is.
type linkCollector struct {
	lag   func() time.Duration
	stats func() link.Stats
}

// Describe implements prometheus.Collector: what Collect sends has no other labels.
func (c *linkCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *linkCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for _, m := range []struct {
		name, help string
		kind       prometheus.ValueType
		value      float64
	}{
		{"lag_seconds", "Time since all that was written had been judged.", prometheus.GaugeValue, c.lag().Seconds()},
		{"judged_total", "Verdicts that were given.", prometheus.CounterValue, float64(s.Judged)},
		{"failures_total", "Tries of the link pass that failed and were made again.", prometheus.CounterValue, float64(s.Failures)},
	} {
		desc := prometheus.NewDesc(prometheus.BuildFQName("throughline", "link", m.name), m.help, nil, nil)
		ch <- prometheus.MustNewConstMetric(desc, m.kind, m.value)
	}
}

// verdictCounter counts the verdicts that a link pass stores. A verdict that changes counts again.
type verdictCounter struct {
	store.Linker
	faults  *logOnChange
	counted *prometheus.CounterVec
}

func newVerdictCounter(l store.Linker, faults *logOnChange) *verdictCounter {
	return &verdictCounter{l, faults, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "throughline", Subsystem: "link", Name: "verdicts_stored_total", Help: "Verdicts that were new or other than the one before, by status and reason.",
	}, []string{"status", "reason"})}
}

// PutLinks implements store.Linker.
func (c *verdictCounter) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	err := c.Linker.PutLinks(ctx, links, next)
	if err == nil {
		c.faults.success()
		for i := range links {
			c.counted.WithLabelValues(string(links[i].Status), string(links[i].Reason)).Inc()
		}
	}
	return err
}

package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/store"
)

const (
	usageEvery = time.Minute     // between two counts, which read the store
	usageLimit = 2 * time.Second // for one
)

// usageCollector tells what the store holds. Nothing is told while that cannot be counted.
type usageCollector struct {
	store interface {
		Usage(ctx context.Context) (store.Usage, error)
	}
	faults *logOnChange

	mu      sync.Mutex
	last    store.Usage
	asked   time.Time
	counted bool // the last time
}

// Describe implements prometheus.Collector. What it holds is unknown before it is asked.
func (c *usageCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descRows()
	ch <- descBytes()
}

func descRows() *prometheus.Desc {
	return prometheus.NewDesc("throughline_store_rows", "Rows that the store holds, by kind; counted once a minute.", []string{"kind"}, nil)
}

func descBytes() *prometheus.Desc {
	return prometheus.NewDesc("throughline_store_bytes", "Size of the store's files, with what is free within them.", nil, nil)
}

// Collect implements prometheus.Collector.
func (c *usageCollector) Collect(ch chan<- prometheus.Metric) {
	u, ok := c.usage()
	if !ok {
		return
	}
	for kind, n := range map[string]int64{
		"requests": u.Requests, "navigations": u.Navigations, "web_vitals": u.WebVitals, "errors": u.Errors, "actions": u.Actions, "page_events": u.PageEvents,
		"spans": u.Spans,
	} {
		ch <- prometheus.MustNewConstMetric(descRows(), prometheus.GaugeValue, float64(n), kind)
	}
	ch <- prometheus.MustNewConstMetric(descBytes(), prometheus.GaugeValue, float64(u.Bytes))
}

// usage asks the store where the last answer is old.
func (c *usageCollector) usage() (store.Usage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.asked.IsZero() || now.Sub(c.asked) >= usageEvery {
		ctx, cancel := context.WithTimeout(context.Background(), usageLimit)
		defer cancel()
		u, err := c.store.Usage(ctx)
		if err == nil {
			c.faults.success()
		} else {
			c.faults.report(err)
		}
		c.last, c.asked, c.counted = u, now, err == nil
	}
	return c.last, c.counted
}

package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// journalCollector tells what is in the journal.
type journalCollector struct {
	journal interface{ Stats() journal.Stats }
	stored  func() store.Position // what the store has committed
}

// Describe implements prometheus.Collector: what Collect sends has no other labels.
func (c *journalCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *journalCollector) Collect(ch chan<- prometheus.Metric) {
	stored := c.stored() // first, since it is never ahead
	s := c.journal.Stats()
	failed := 0.0
	if s.Err != nil {
		failed = 1
	}
	for _, m := range []struct {
		name, help string
		kind       prometheus.ValueType
		value      float64
	}{
		{"bytes", "Size of the journal's files, without what is reserved.", prometheus.GaugeValue, float64(s.Bytes)},
		{"budget_bytes", "Size that the journal's files may grow to.", prometheus.GaugeValue, float64(s.Budget)},
		{"segments", "Files of the journal.", prometheus.GaugeValue, float64(s.Segments)},
		{"unread_bytes", "Records that were acknowledged and are not in the store yet.", prometheus.GaugeValue, float64(s.Unread(journal.Position(stored)))},
		{"failed", "1 when the disk has failed and nothing more is taken until a restart.", prometheus.GaugeValue, failed},
		{"records_total", "Records that were put on disk.", prometheus.CounterValue, float64(s.Records)},
		{"groups_total", "Groups of records that shared one fsync.", prometheus.CounterValue, float64(s.Groups)},
		{"torn_bytes", "Bytes of records that were never acknowledged, cut off when the journal was opened after a crash.", prometheus.GaugeValue, float64(s.Torn)},
		{"skipped_bytes_total", "Bytes of damaged files that were passed over.", prometheus.CounterValue, float64(s.Skipped)},
	} {
		desc := prometheus.NewDesc(prometheus.BuildFQName("throughline", "journal", m.name), m.help, nil, nil)
		ch <- prometheus.MustNewConstMetric(desc, m.kind, m.value)
	}
}

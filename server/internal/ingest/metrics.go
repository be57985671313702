package ingest

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// metrics counts what came in. Labels have fixed values only, never a sender's.
type metrics struct {
	beacons           prometheus.Counter
	beaconsRejected   *prometheus.CounterVec // by reason
	events            *prometheus.CounterVec // by type
	eventsRejected    *prometheus.CounterVec // by reason
	eventsLost        prometheus.Counter
	traces            prometheus.Counter
	tracesRejected    *prometheus.CounterVec // by reason
	spans             prometheus.Counter
	spansRejected     *prometheus.CounterVec // by reason
	attributesDropped *prometheus.CounterVec // by source
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "throughline", Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "throughline", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		beacons:           counter("beacons_accepted_total", "Beacons that were taken into the journal."),
		beaconsRejected:   vector("beacons_rejected_total", "Beacons of which nothing was taken, by reason.", "reason"),
		events:            vector("events_accepted_total", "Frontend events that were taken into the journal, by type.", "type"),
		eventsRejected:    vector("events_rejected_total", "Frontend events that were left out of a beacon that was taken, by reason.", "reason"),
		eventsLost:        counter("events_lost_by_agents_total", "Frontend events that agents say they lost before sending."),
		traces:            counter("otlp_requests_accepted_total", "OTLP trace exports that were taken into the journal."),
		tracesRejected:    vector("otlp_requests_rejected_total", "OTLP trace exports of which nothing was taken, by reason.", "reason"),
		spans:             counter("spans_accepted_total", "Spans that were taken into the journal."),
		spansRejected:     vector("spans_rejected_total", "Spans that were left out of an export that was taken, by reason.", "reason"),
		attributesDropped: vector("attributes_dropped_total", "Attributes and span events beyond the limits, cut or left out, by source.", "source"),
	}
	for _, c := range []prometheus.Collector{
		m.beacons, m.beaconsRejected, m.events, m.eventsRejected, m.eventsLost,
		m.traces, m.tracesRejected, m.spans, m.spansRejected, m.attributesDropped,
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("ingest: counters: %w", err)
		}
	}
	m.begin()
	return m, nil
}

// begin shows every reason from the start: a rate over a counter that appears with its first refusal misses that one.
func (m *metrics) begin() {
	both := []string{"malformed", "too_large", "unavailable", "journal_full", "unsupported_media_type", "method_not_allowed"}
	for _, reason := range both {
		m.beaconsRejected.WithLabelValues(reason)
		m.tracesRejected.WithLabelValues(reason)
	}
	for _, reason := range []string{"not_found", "unauthenticated"} { // the second is of a TraceGate
		m.tracesRejected.WithLabelValues(reason)
	}
	for _, reason := range []string{ // the last three are of a BeaconGate
		string(beacon.UnknownVersion), string(beacon.BadEnvelope), "rate_limited", "unknown_application", "origin_not_allowed",
	} {
		m.beaconsRejected.WithLabelValues(reason)
	}
	for _, reason := range []beacon.Reason{
		beacon.BadEvent, beacon.UnknownType, beacon.BadID, beacon.BadTime, beacon.BadURL, beacon.BadHint, beacon.BadTrace, beacon.BadField, beacon.TooLarge,
	} {
		m.eventsRejected.WithLabelValues(string(reason))
	}
	for reason := spanGood + 1; reason < spanReasons; reason++ {
		m.spansRejected.WithLabelValues(reason.String())
	}
	for _, kind := range []string{"request", "navigation", "web_vital", "error", "action", "custom", "long_frame", "visibility"} {
		m.events.WithLabelValues(kind)
	}
}

// loaderMetrics counts what goes from the journal to the store.
type loaderMetrics struct {
	records, rows, batches, failures, rejected, attributesDropped prometheus.Counter
	patternsOther, hostsForgotten                                 prometheus.Counter
}

func newLoaderMetrics(r prometheus.Registerer, l *Loader) (*loaderMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "throughline", Subsystem: "loader", Name: name, Help: help})
	}
	m := &loaderMetrics{
		records:           counter("records_total", "Records of the journal that were stored or rejected."),
		rows:              counter("rows_total", "Events and spans that were given to the store."),
		batches:           counter("batches_total", "Batches that were given to the store."),
		failures:          counter("failures_total", "Attempts that failed and are made again."),
		rejected:          counter("records_rejected_total", "Records that cannot be decoded or stored, and were kept aside."),
		attributesDropped: counter("attributes_dropped_total", "Attributes and events of spans beyond the limits, cut or left out."),
		patternsOther:     counter("url_patterns_other_total", "URL patterns that end in {other}, since the URL or what is learned of its host is beyond the limits."),
		hostsForgotten:    counter("url_hosts_forgotten_total", "Hosts whose URLs' patterns were forgotten for those of others."),
	}
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "throughline", Subsystem: "loader", Name: "lag_seconds", Help: "Age of the oldest record that is being stored; 0 for none.",
	}, func() float64 {
		if oldest := l.State().Oldest; !oldest.IsZero() {
			return max(0, time.Since(oldest).Seconds())
		}
		return 0
	})
	for _, c := range []prometheus.Collector{m.records, m.rows, m.batches, m.failures, m.rejected, m.attributesDropped, m.patternsOther, m.hostsForgotten, lag} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("ingest: counters: %w", err)
		}
	}
	return m, nil
}

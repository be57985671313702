package ingest

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
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
		beacons:           counter("beacons_accepted_total", "Beacons that were stored."),
		beaconsRejected:   vector("beacons_rejected_total", "Beacons of which nothing was taken, by reason.", "reason"),
		events:            vector("events_accepted_total", "Frontend events that were stored, by type.", "type"),
		eventsRejected:    vector("events_rejected_total", "Frontend events that were left out of a stored beacon, by reason.", "reason"),
		eventsLost:        counter("events_lost_by_agents_total", "Frontend events that agents say they lost before sending."),
		traces:            counter("otlp_requests_accepted_total", "OTLP trace exports that were stored."),
		tracesRejected:    vector("otlp_requests_rejected_total", "OTLP trace exports of which nothing was taken, by reason.", "reason"),
		spans:             counter("spans_accepted_total", "Spans that were stored."),
		spansRejected:     vector("spans_rejected_total", "Spans that were left out of a stored export, by reason.", "reason"),
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
	return m, nil
}

package ingest

import (
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/urlpattern"
	"github.com/throughline-rum/throughline/wire/beacon"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// decoder turns records into values. The same record always gives the same ones, but for
// URL patterns, which are learned. It is for one goroutine.
type decoder struct {
	traces   traceDecoder
	events   eventsCodec
	beacon   beacon.Beacon // as events reads it
	patterns urlpattern.Learner
	hosts    hostMemo
}

func newDecoder(tenant tracecontext.Tenant) decoder {
	return decoder{traces: traceDecoder{tenant: tenant}}
}

// decode appends the values of a record to a batch, and returns when it was received. On
// an error the batch may hold some of them.
func (d *decoder) decode(b *store.Batch, r Record) (received time.Time, err error) {
	d.traces.dropped, d.traces.copied = 0, 0
	defer func() {
		// One record must not keep all later ones back for ever, not even by a bug.
		if fault := recover(); fault != nil {
			err = fmt.Errorf("a bug in reading it: %v", fault)
		}
	}()
	h, body, err := parseRecord(r.Payload)
	if err != nil {
		return received, err
	}
	switch r.Kind {
	case RecordBeacon:
		decoded, err := beacon.Decode(body)
		if err == nil {
			d.append(b, &decoded, &h)
		}
		return h.received, err
	case RecordEvents:
		err := d.events.decode(&d.beacon, body)
		if err == nil {
			d.append(b, &d.beacon, &h)
		}
		return h.received, err
	case RecordTraces:
		b.Spans, err = d.traces.decode(b.Spans, body, h.received)
		return h.received, err
	default:
		return h.received, kindError(r.Kind)
	}
}

// append appends the events of a beacon to a batch.
func (d *decoder) append(b *store.Batch, decoded *beacon.Beacon, h *recordHeader) {
	before := endsOf(b)
	appendBeacon(b, decoded, h, &d.hosts)
	d.learn(b, before)
}

// learn fills in the patterns of what stands in the batch after before.
func (d *decoder) learn(b *store.Batch, before batchEnds) {
	for i := before.requests; i < len(b.Requests); i++ {
		b.Requests[i].URLPattern = d.patterns.Pattern(b.Requests[i].URL)
	}
	for i := before.navigations; i < len(b.Navigations); i++ {
		b.Navigations[i].URLPattern = d.patterns.Pattern(b.Navigations[i].URL)
	}
}

// dropped returns how many attributes the last record's spans lost.
func (d *decoder) dropped() int { return d.traces.dropped }

// copied returns how many bytes the resources of the last record's spans take beside them.
func (d *decoder) copied() int { return min(d.traces.copied, maxResourceCopies) }

// batchEnds are the lengths of a batch's lists.
type batchEnds struct{ requests, navigations, webVitals, errors, actions, pageEvents, spans int }

func endsOf(b *store.Batch) batchEnds {
	return batchEnds{len(b.Requests), len(b.Navigations), len(b.WebVitals), len(b.Errors), len(b.Actions), len(b.PageEvents), len(b.Spans)}
}

// cut takes everything after the ends out of a batch.
func (e batchEnds) cut(b *store.Batch) {
	position := b.Position
	*b = e.since(b, batchEnds{})
	b.Position = position
}

// since returns what lies between two ends.
func (e batchEnds) since(b *store.Batch, before batchEnds) store.Batch {
	return store.Batch{
		Requests:    b.Requests[before.requests:e.requests],
		Navigations: b.Navigations[before.navigations:e.navigations],
		WebVitals:   b.WebVitals[before.webVitals:e.webVitals],
		Errors:      b.Errors[before.errors:e.errors],
		Actions:     b.Actions[before.actions:e.actions],
		PageEvents:  b.PageEvents[before.pageEvents:e.pageEvents],
		Spans:       b.Spans[before.spans:e.spans],
	}
}

// emptied returns a batch that uses a batch's memory again, as far as it is not large.
func emptied(b *store.Batch) store.Batch {
	return store.Batch{
		Requests: reused(b.Requests), Navigations: reused(b.Navigations), WebVitals: reused(b.WebVitals),
		Errors: reused(b.Errors), Actions: reused(b.Actions), PageEvents: reused(b.PageEvents), Spans: reused(b.Spans),
	}
}

func reused[T any](list []T) []T {
	if cap(list) > 2*maxBatchRows {
		return nil
	}
	clear(list) // lets go of the texts
	return list[:0]
}

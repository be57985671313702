package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Memory is the contract of package store in its simplest form: plain slices
// and full scans under one lock. The zero value is an empty store; methods may be
// called from many goroutines. A portion of Work is whole writes, so it may be
// larger than its limit.
type Memory struct {
	mu       sync.Mutex
	position store.Position
	writes   store.Watermark // how many writes there were
	places   uint64          // how many requests were ever stored

	requests    []*requestRow // in the order of writing, as all that follow
	navigations []model.NavigationEvent
	webVitals   []model.WebVital
	errors      []model.ErrorEvent
	actions     []model.ActionEvent
	pageEvents  []model.PageEvent
	spans       []*spanRow
	annotations []store.Annotation

	hosts     map[string]*host // what spans ever told
	services  map[string]*service
	watermark store.Watermark

	index index
}

// requestRow is a request with its verdict, the write that brought it, and its
// place in the order of all requests.
type requestRow struct {
	model.LinkedRequest
	write store.Watermark
	place uint64
}

// spanRow is a span with the write that brought it.
type spanRow struct {
	model.Span
	write store.Watermark
}

// host is what spans told of a host: the first write that named it, and its services.
type host struct {
	first    store.Watermark
	services map[string]bool
}

// service is what is known of a service that ever sent spans.
type service struct {
	hosts     map[string]bool
	firstSeen time.Time
}

// index finds values by their ids. It holds nothing that the slices do not.
type index struct {
	requests    map[model.EventID]*requestRow
	navigations map[model.EventID]bool
	webVitals   map[model.EventID]bool
	errors      map[model.EventID]bool
	actions     map[model.EventID]bool
	pageEvents  map[model.EventID]bool
	spans       map[model.SpanContext]bool

	byTrace     map[tracecontext.TraceID][]*spanRow
	byDtr       map[tracecontext.SpanID][]*spanRow // SERVER spans by the span id that a valid dtr entry names
	byAnswer    map[tracecontext.TraceID][]*requestRow
	byResponse  map[int32][]*requestRow
	initialised bool
}

var (
	_ store.Writer    = (*Memory)(nil)
	_ store.Reader    = (*Memory)(nil)
	_ store.Linker    = (*Memory)(nil)
	_ store.Annotator = (*Memory)(nil)
	_ store.Janitor   = (*Memory)(nil)
)

// Close does nothing; a Memory stays usable.
func (*Memory) Close(context.Context) error { return nil }

// enter takes the lock, unless ctx has ended.
func (m *Memory) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if !m.index.initialised {
		m.reindex()
		m.hosts, m.services = map[string]*host{}, map[string]*service{}
	}
	return nil
}

// Position implements store.Writer.
func (m *Memory) Position(ctx context.Context) (store.Position, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.position, nil
}

// Write implements store.Writer.
func (m *Memory) Write(ctx context.Context, b store.Batch) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if b.Position != 0 {
		if b.Position <= m.position {
			return nil
		}
		m.position = b.Position
	}
	m.writes++
	for _, e := range b.Requests {
		if m.index.requests[e.ID] != nil {
			continue
		}
		m.places++
		r := &requestRow{LinkedRequest: model.LinkedRequest{RequestEvent: cloneRequest(e)}, write: m.writes, place: m.places}
		r.Link.RequestID, r.Link.Status = e.ID, model.Pending
		m.requests = append(m.requests, r)
		m.index.addRequest(r)
	}
	m.navigations = appendNew(m.navigations, b.Navigations, m.index.navigations, navigationID)
	m.webVitals = appendNew(m.webVitals, b.WebVitals, m.index.webVitals, webVitalID)
	m.errors = appendNew(m.errors, b.Errors, m.index.errors, errorID)
	m.actions = appendNew(m.actions, b.Actions, m.index.actions, actionID)
	m.pageEvents = appendNew(m.pageEvents, b.PageEvents, m.index.pageEvents, pageEventID)
	for i := range b.Spans {
		s := &spanRow{cloneSpan(b.Spans[i]), m.writes}
		if m.index.spans[contextOf(&s.Span)] {
			continue
		}
		m.spans = append(m.spans, s)
		m.index.addSpan(s)
		m.learn(s)
	}
	return nil
}

func appendNew[T any](to, values []T, known map[model.EventID]bool, id func(*T) model.EventID) []T {
	for i := range values {
		if !known[id(&values[i])] {
			known[id(&values[i])] = true
			to = append(to, values[i])
		}
	}
	return to
}

func navigationID(e *model.NavigationEvent) model.EventID { return e.ID }
func webVitalID(e *model.WebVital) model.EventID          { return e.ID }
func errorID(e *model.ErrorEvent) model.EventID           { return e.ID }
func actionID(e *model.ActionEvent) model.EventID         { return e.ID }
func pageEventID(e *model.PageEvent) model.EventID        { return e.ID }

func contextOf(s *model.Span) model.SpanContext {
	return model.SpanContext{TraceID: s.TraceID, SpanID: s.SpanID}
}

// learn keeps what a span tells of its host and its service, which outlives the span.
func (m *Memory) learn(s *spanRow) {
	if s.Host != "" {
		if m.hosts[s.Host] == nil {
			m.hosts[s.Host] = &host{first: s.write, services: map[string]bool{}}
		}
		if s.Service != "" {
			m.hosts[s.Host].services[s.Service] = true
		}
	}
	if s.Service != "" {
		known := m.services[s.Service]
		if known == nil {
			known = &service{hosts: map[string]bool{}, firstSeen: s.Received}
			m.services[s.Service] = known
		}
		if s.Host != "" {
			known.hosts[s.Host] = true
		}
	}
}

// reindex builds the index from the slices.
func (m *Memory) reindex() {
	x := &m.index
	*x = index{
		requests:    map[model.EventID]*requestRow{},
		navigations: map[model.EventID]bool{},
		webVitals:   map[model.EventID]bool{},
		errors:      map[model.EventID]bool{},
		actions:     map[model.EventID]bool{},
		pageEvents:  map[model.EventID]bool{},
		spans:       map[model.SpanContext]bool{},
		byTrace:     map[tracecontext.TraceID][]*spanRow{},
		byDtr:       map[tracecontext.SpanID][]*spanRow{},
		byAnswer:    map[tracecontext.TraceID][]*requestRow{},
		byResponse:  map[int32][]*requestRow{},
		initialised: true,
	}
	for _, r := range m.requests {
		x.addRequest(r)
	}
	for i := range m.navigations {
		x.navigations[m.navigations[i].ID] = true
	}
	for i := range m.webVitals {
		x.webVitals[m.webVitals[i].ID] = true
	}
	for i := range m.errors {
		x.errors[m.errors[i].ID] = true
	}
	for i := range m.actions {
		x.actions[m.actions[i].ID] = true
	}
	for i := range m.pageEvents {
		x.pageEvents[m.pageEvents[i].ID] = true
	}
	for _, s := range m.spans {
		x.addSpan(s)
	}
}

func (x *index) addRequest(r *requestRow) {
	x.requests[r.ID] = r
	if id := r.Answer.TraceID; !id.IsZero() {
		x.byAnswer[id] = append(x.byAnswer[id], r)
	}
	if id := r.Answer.ResponseID; id != nil {
		x.byResponse[*id] = append(x.byResponse[*id], r)
	}
}

func (x *index) addSpan(s *spanRow) {
	x.spans[contextOf(&s.Span)] = true
	if !s.TraceID.IsZero() {
		x.byTrace[s.TraceID] = append(x.byTrace[s.TraceID], s)
	}
	if s.Kind == model.SpanServer && s.DtrState == model.DtrValid && !s.Dtr.SpanID.IsZero() {
		x.byDtr[s.Dtr.SpanID] = append(x.byDtr[s.Dtr.SpanID], s)
	}
}

// Expire implements store.Janitor; it keeps nothing back. An id that has gone may be
// stored again.
func (m *Memory) Expire(ctx context.Context, before store.Retention) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.requests = slices.DeleteFunc(m.requests, func(r *requestRow) bool { return r.Start.Before(before.Requests) })
	m.navigations = slices.DeleteFunc(m.navigations, func(e model.NavigationEvent) bool { return e.Start.Before(before.Navigations) })
	m.webVitals = slices.DeleteFunc(m.webVitals, func(e model.WebVital) bool { return e.Time.Before(before.Navigations) })
	m.actions = slices.DeleteFunc(m.actions, func(e model.ActionEvent) bool { return e.Start.Before(before.Navigations) })
	m.pageEvents = slices.DeleteFunc(m.pageEvents, func(e model.PageEvent) bool { return e.Start.Before(before.Navigations) })
	m.errors = slices.DeleteFunc(m.errors, func(e model.ErrorEvent) bool { return e.Time.Before(before.Errors) })
	m.spans = slices.DeleteFunc(m.spans, func(s *spanRow) bool { return s.Start.Before(before.Spans) })
	m.reindex()
	return nil
}

// Usage implements store.Janitor; nothing is on disk.
func (m *Memory) Usage(ctx context.Context) (store.Usage, error) {
	if err := m.enter(ctx); err != nil {
		return store.Usage{}, err
	}
	defer m.mu.Unlock()
	return store.Usage{
		Requests: int64(len(m.requests)), Navigations: int64(len(m.navigations)), WebVitals: int64(len(m.webVitals)),
		Errors: int64(len(m.errors)), Actions: int64(len(m.actions)), PageEvents: int64(len(m.pageEvents)), Spans: int64(len(m.spans)),
	}, nil
}

func cloneRequest(e model.RequestEvent) model.RequestEvent {
	e.Answer.Sampled = clonePointer(e.Answer.Sampled)
	e.Answer.ResponseID = clonePointer(e.Answer.ResponseID)
	return e
}

func cloneSpan(s model.Span) model.Span {
	s.Events = slices.Clone(s.Events)
	return s
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

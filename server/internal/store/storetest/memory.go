package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	mu          sync.Mutex
	writes      store.Watermark // how many writes there were
	requests    []stored[model.RequestEvent]
	navigations []model.NavigationEvent
	webVitals   []model.WebVital
	spans       []stored[model.Span]
	seen        map[any]bool               // by key type: event ids of each kind, span keys
	hosts       map[string]store.Watermark // the write that first told of the host
	links       map[model.EventID]model.Link
	watermark   store.Watermark
}

// stored is a value with the write that brought it.
type stored[T any] struct {
	value T
	write store.Watermark
}

type (
	requestKey    model.EventID
	navigationKey model.EventID
	webVitalKey   model.EventID
)

var (
	_ store.Writer = (*Memory)(nil)
	_ store.Reader = (*Memory)(nil)
	_ store.Linker = (*Memory)(nil)
)

// Close does nothing; a Memory stays usable.
func (*Memory) Close(context.Context) error { return nil }

// Write implements store.Writer.
func (m *Memory) Write(ctx context.Context, b store.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = map[any]bool{}
		m.hosts = map[string]store.Watermark{}
		m.links = map[model.EventID]model.Link{}
	}
	m.writes++
	for _, e := range b.Requests {
		if m.first(requestKey(e.ID)) {
			m.requests = append(m.requests, stored[model.RequestEvent]{cloneRequest(e), m.writes})
		}
	}
	for _, e := range b.Navigations {
		if m.first(navigationKey(e.ID)) {
			e.Attributes = cloneMap(e.Attributes)
			m.navigations = append(m.navigations, e)
		}
	}
	for _, e := range b.WebVitals {
		if m.first(webVitalKey(e.ID)) {
			m.webVitals = append(m.webVitals, e)
		}
	}
	for _, s := range b.Spans {
		if !m.first(model.SpanContext{TraceID: s.TraceID, SpanID: s.SpanID}) {
			continue
		}
		m.spans = append(m.spans, stored[model.Span]{cloneSpan(s), m.writes})
		if _, ok := m.hosts[s.Host]; !ok && s.Host != "" {
			m.hosts[s.Host] = m.writes
		}
	}
	return nil
}

func (m *Memory) first(key any) bool {
	if m.seen[key] {
		return false
	}
	m.seen[key] = true
	return true
}

// Navigations returns the navigation events in the order of writing.
func (m *Memory) Navigations() []model.NavigationEvent {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.navigations)
	for i := range all {
		all[i].Attributes = cloneMap(all[i].Attributes)
	}
	return all
}

// WebVitals returns the web vitals in the order of writing.
func (m *Memory) WebVitals() []model.WebVital {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.webVitals)
}

// Requests implements store.Reader.
func (m *Memory) Requests(ctx context.Context, f store.RequestFilter) ([]model.LinkedRequest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Limit < 1 || f.Limit > store.MaxLimit {
		return nil, fmt.Errorf("storetest: limit %d is not in 1 to %d", f.Limit, store.MaxLimit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []model.LinkedRequest
	for _, r := range m.requests {
		if lr := m.linked(r.value); matches(f, lr) {
			found = append(found, lr)
		}
	}
	slices.SortFunc(found, func(a, b model.LinkedRequest) int {
		return comparePositions(position(b), position(a))
	})
	found = slices.Clone(found[:min(len(found), f.Limit)])
	for i := range found {
		found[i].RequestEvent = cloneRequest(found[i].RequestEvent)
	}
	return found, nil
}

// matches reports whether the filter selects the request.
func matches(f store.RequestFilter, r model.LinkedRequest) bool {
	return (f.From.IsZero() || !r.Start.Before(f.From)) &&
		(f.To.IsZero() || r.Start.Before(f.To)) &&
		(f.ApplicationID == "" || f.ApplicationID == r.ApplicationID) &&
		(f.SessionID == "" || f.SessionID == r.SessionID) &&
		(f.Status == "" || f.Status == r.Link.Status) &&
		(f.Reason == "" || f.Reason == r.Link.Reason) &&
		strings.Contains(strings.ToLower(r.URL), strings.ToLower(f.URLPart)) &&
		(f.Method == "" || f.Method == r.Method) &&
		(f.Kind == "" || f.Kind == r.Kind) &&
		(f.TraceID.IsZero() || f.TraceID == r.Sent.TraceID || f.TraceID == r.Answer.TraceID || f.TraceID == r.Link.Joined.TraceID) &&
		(f.Before == nil || comparePositions(position(r), *f.Before) < 0)
}

func position(r model.LinkedRequest) store.Position {
	return store.Position{Start: r.Start, ID: r.ID}
}

func comparePositions(a, b store.Position) int {
	return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
}

// Request implements store.Reader.
func (m *Memory) Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error) {
	if err := ctx.Err(); err != nil {
		return model.LinkedRequest{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.requests {
		if r.value.ID == id {
			return m.linked(cloneRequest(r.value)), nil
		}
	}
	return model.LinkedRequest{}, store.ErrNotFound
}

func (m *Memory) linked(e model.RequestEvent) model.LinkedRequest {
	l, ok := m.links[e.ID]
	if !ok {
		l = model.Link{RequestID: e.ID, Verdict: model.Verdict{Status: model.Pending}}
	}
	return model.LinkedRequest{RequestEvent: e, Link: l}
}

// Trace implements store.Reader.
func (m *Memory) Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.spansWhere(limit, func(s *model.Span) bool { return s.TraceID == id })
	for i := range found {
		found[i] = cloneSpan(found[i])
	}
	return found, nil
}

// spansWhere returns the first spans that match by ascending start, then id.
func (m *Memory) spansWhere(limit int, match func(*model.Span) bool) []model.Span {
	var found []model.Span
	for i := range m.spans {
		if match(&m.spans[i].value) {
			found = append(found, m.spans[i].value)
		}
	}
	slices.SortFunc(found, func(a, b model.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.SpanID[:], b.SpanID[:]))
	})
	return found[:max(0, min(len(found), limit))]
}

// Watermark implements store.Linker.
func (m *Memory) Watermark(ctx context.Context) (store.Watermark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.watermark, ctx.Err()
}

// Work implements store.Linker.
func (m *Memory) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	if err := ctx.Err(); err != nil {
		return store.Work{}, err
	}
	if limit < 1 || maxSpans < 0 {
		return store.Work{}, errors.New("storetest: the limit of a portion is at least 1")
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	// Each request goes with the last write that concerns it, those that are due
	// with a write yet to come.
	due := m.writes + 1
	byWrite := map[store.Watermark][]model.RequestEvent{}
	for _, r := range m.requests {
		cause := m.lastCause(r, after)
		if l := m.links[r.value.ID]; cause == 0 && !l.Final && !l.Due.IsZero() && !l.Due.After(now) {
			cause = due
		}
		if cause > 0 {
			byWrite[cause] = append(byWrite[cause], r.value)
		}
	}

	w := store.Work{Next: max(after, m.writes)}
	for _, cause := range slices.Sorted(maps.Keys(byWrite)) {
		requests := byWrite[cause]
		if cause == due {
			w.More = len(requests) > limit-len(w.Evidence)
			requests = requests[:min(len(requests), limit-len(w.Evidence))]
		} else if len(w.Evidence) > 0 && len(w.Evidence)+len(requests) > limit {
			w.More = true
			return w, nil
		}
		for _, r := range requests {
			w.Evidence = append(w.Evidence, m.evidence(r, maxSpans))
		}
		if cause != due {
			w.Next = cause
		}
		limit = max(limit, len(w.Evidence))
	}
	w.Next = max(after, m.writes)
	return w, nil
}

// lastCause returns the last write after the watermark that makes the request
// want a verdict; zero where there is none.
func (m *Memory) lastCause(r stored[model.RequestEvent], after store.Watermark) (cause store.Watermark) {
	if r.write > after {
		cause = r.write
	}
	l := m.links[r.value.ID]
	if l.Final {
		return cause
	}
	for i := range m.spans {
		if s := &m.spans[i]; s.write > max(cause, after) && concerns(&s.value, &r.value, l) {
			cause = s.write
		}
	}
	if first := m.hosts[r.value.Host]; first > max(cause, after) && l.Reason == model.BackendNotInstrumented {
		cause = first
	}
	return cause
}

func concerns(s *model.Span, r *model.RequestEvent, l model.Link) bool {
	return s.TraceID == r.Sent.TraceID || s.TraceID == r.Answer.TraceID || s.TraceID == l.Joined.TraceID || named(s, r)
}

// named reports whether a SERVER span's dtr entry names the request.
func named(s *model.Span, r *model.RequestEvent) bool {
	return s.Kind == model.SpanServer && s.DtrState == model.DtrValid && !s.Dtr.SpanID.IsZero() && s.Dtr.SpanID == r.Sent.SpanID
}

// factsOf returns what a verdict needs to know of a span.
func factsOf(s *model.Span) model.SpanFacts {
	return model.SpanFacts{
		SpanContext:  model.SpanContext{TraceID: s.TraceID, SpanID: s.SpanID},
		ParentSpanID: s.ParentSpanID,
		Kind:         s.Kind,
		Flags:        s.Flags,
		Start:        s.Start,
		Service:      s.Service,
		DtrState:     s.DtrState,
		Dtr:          s.Dtr,
	}
}

func (m *Memory) evidence(r model.RequestEvent, maxSpans int) model.Evidence {
	facts := func(match func(*model.Span) bool) []model.SpanFacts {
		var all []model.SpanFacts
		for _, s := range m.spansWhere(maxSpans, match) {
			all = append(all, factsOf(&s))
		}
		return all
	}
	own := r.TraceContext().TraceID
	e := model.Evidence{
		Request: cloneRequest(r), JudgedAt: m.links[r.ID].JudgedAt,
		Trace: facts(func(s *model.Span) bool { return s.TraceID == own }),
		ByDtr: facts(func(s *model.Span) bool { return s.TraceID != own && named(s, &r) }),
	}
	if answer := r.Answer.TraceID; answer != own {
		e.AnswerTrace = facts(func(s *model.Span) bool { return s.TraceID == answer })
	}
	_, e.HostSeen = m.hosts[r.Host]
	return e
}

// PutLinks implements store.Linker.
func (m *Memory) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range links {
		if m.seen[requestKey(l.RequestID)] && !l.JudgedAt.Before(m.links[l.RequestID].JudgedAt) {
			m.links[l.RequestID] = l
		}
	}
	m.watermark = next
	return nil
}

func cloneRequest(e model.RequestEvent) model.RequestEvent {
	e.Answer.Sampled = clonePointer(e.Answer.Sampled)
	e.Answer.ResponseID = clonePointer(e.Answer.ResponseID)
	e.Attributes = cloneMap(e.Attributes)
	return e
}

func cloneSpan(s model.Span) model.Span {
	s.Attributes = cloneMap(s.Attributes)
	s.Resource = cloneMap(s.Resource)
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		s.Events[i].Attributes = cloneMap(s.Events[i].Attributes)
	}
	return s
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func cloneMap(m map[string]any) map[string]any {
	c := maps.Clone(m)
	for k, v := range c {
		c[k] = cloneValue(v)
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		c := slices.Clone(v)
		for i := range c {
			c[i] = cloneValue(c[i])
		}
		return c
	default:
		return v
	}
}

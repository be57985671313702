package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// compareSpans orders spans by start, then span id, then trace id.
func compareSpans(a, b *spanRow) int {
	return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.SpanID[:], b.SpanID[:]), bytes.Compare(a.TraceID[:], b.TraceID[:]))
}

// names returns the first names of a set, in order.
func names(set map[string]bool, limit int) []string {
	all := slices.Sorted(maps.Keys(set))
	return all[:min(len(all), limit)]
}

// isFailed reports whether a span has the status error.
func isFailed(s *spanRow) bool { return s.StatusCode == store.StatusError }

// Trace implements store.Reader.
func (m *Memory) Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error) {
	if err := store.CheckAtLeast(limit, 0); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []model.Span
	for _, s := range slices.SortedFunc(slices.Values(m.index.byTrace[id]), compareSpans) {
		if len(all) == limit {
			break
		}
		all = append(all, cloneSpan(s.Span))
	}
	return all, nil
}

// Traces implements store.Reader.
func (m *Memory) Traces(ctx context.Context, q store.TraceQuery) ([]store.TraceSummary, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []store.TraceSummary
	for id, spans := range m.index.byTrace {
		var first *spanRow
		for _, s := range spans {
			if entersBy(&q, s) && (first == nil || compareSpans(s, first) < 0) {
				first = s
			}
		}
		if first == nil || q.Before != nil && compareTraces(store.TracePlace{Start: first.Start, ID: id}, *q.Before) >= 0 {
			continue
		}
		services := map[string]bool{}
		for _, s := range spans {
			if s.Service != "" {
				services[s.Service] = true
			}
		}
		all = append(all, store.TraceSummary{
			TraceID: id, Start: first.Start, Duration: first.Duration, SpanID: first.SpanID, Service: first.Service,
			Name: first.Name, Route: first.Route, Error: isFailed(first),
			Spans: int64(len(spans)), Errors: count(spans, isFailed), Services: names(services, store.MaxNames),
		})
	}
	slices.SortFunc(all, func(a, b store.TraceSummary) int { return compareTraces(tracePlace(&b), tracePlace(&a)) })
	return all[:min(len(all), q.Limit)], nil
}

func tracePlace(t *store.TraceSummary) store.TracePlace {
	return store.TracePlace{Start: t.Start, ID: t.TraceID}
}

func compareTraces(a, b store.TracePlace) int {
	return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
}

// entersBy reports whether a span is an entry span that a query selects.
func entersBy(q *store.TraceQuery, s *spanRow) bool {
	return s.Entry && within(s.Start, q.From, q.To) &&
		(q.Service == "" || q.Service == s.Service) &&
		(store.ContainsFold(s.Name, q.Name) || store.ContainsFold(s.Route, q.Name)) &&
		(q.MinDuration <= 0 || s.Duration >= q.MinDuration) &&
		(!q.Error || isFailed(s))
}

// ServiceMap implements store.Reader.
func (m *Memory) ServiceMap(ctx context.Context, q store.ServiceMapQuery) (store.ServiceMap, error) {
	if err := q.Check(); err != nil {
		return store.ServiceMap{}, err
	}
	if err := m.enter(ctx); err != nil {
		return store.ServiceMap{}, err
	}
	defer m.mu.Unlock()
	var result store.ServiceMap
	edges := map[store.ServiceEdge]*store.ServiceEdge{} // by the edge without sums
	add := func(key store.ServiceEdge, fails bool, call store.ServiceEdge) {
		e := edges[key]
		if e == nil {
			e = &store.ServiceEdge{FromApplication: key.FromApplication, FromService: key.FromService, ToService: key.ToService}
			edges[key] = e
		}
		e.Count++
		e.Duration += call.Duration
		if fails {
			e.Errors++
		}
	}

	f := store.Filter{From: q.From, To: q.To}
	if q.ApplicationID != "" {
		f.Terms = []store.Term{{Field: store.FieldApplication, Values: []string{q.ApplicationID}}}
	}
	requests := m.selected(&f)
	slices.SortFunc(requests, func(a, b *requestRow) int { return comparePlaces(requestPlace(&b), requestPlace(&a)) })
	result.Sampled = len(requests) > q.MaxSpans
	for _, r := range requests[:min(len(requests), q.MaxSpans)] {
		if to := r.Link.Entry.Service; to != "" {
			add(store.ServiceEdge{FromApplication: r.ApplicationID, ToService: to}, failed(r), store.ServiceEdge{Duration: r.Duration})
		}
	}

	spans := slices.DeleteFunc(slices.Clone(m.spans), func(s *spanRow) bool { return !within(s.Start, q.From, q.To) })
	slices.SortFunc(spans, func(a, b *spanRow) int { return compareSpans(b, a) })
	result.Sampled = result.Sampled || len(spans) > q.MaxSpans
	spans = spans[:min(len(spans), q.MaxSpans)]
	byID := map[model.SpanContext]*spanRow{}
	for _, s := range spans {
		byID[contextOf(&s.Span)] = s
	}
	for _, s := range spans {
		parent := byID[model.SpanContext{TraceID: s.TraceID, SpanID: s.ParentSpanID}]
		if s.Entry && parent != nil && parent.Service != "" && s.Service != "" && parent.Service != s.Service {
			add(store.ServiceEdge{FromService: parent.Service, ToService: s.Service}, isFailed(s), store.ServiceEdge{Duration: s.Duration})
		}
	}

	for _, e := range edges {
		result.Edges = append(result.Edges, *e)
	}
	slices.SortFunc(result.Edges, func(a, b store.ServiceEdge) int {
		return cmp.Or(cmp.Compare(a.FromApplication, b.FromApplication),
			cmp.Compare(a.FromService, b.FromService), cmp.Compare(a.ToService, b.ToService))
	})
	return result, nil
}

// Services implements store.Reader.
func (m *Memory) Services(ctx context.Context, limit int) ([]store.Service, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var all []store.Service
	for _, name := range slices.Sorted(maps.Keys(m.services)) {
		if len(all) < limit {
			s := m.services[name]
			all = append(all, store.Service{Name: name, Hosts: names(s.hosts, store.MaxNames), FirstSeen: s.firstSeen})
		}
	}
	return all, nil
}

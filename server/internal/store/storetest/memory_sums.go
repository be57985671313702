package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// groups divides values by a key, in the order in which the keys first occur.
func groups[K comparable, T any](values []T, key func(T) K) (keys []K, by map[K][]T) {
	by = map[K][]T{}
	for _, v := range values {
		k := key(v)
		if _, ok := by[k]; !ok {
			keys = append(keys, k)
		}
		by[k] = append(by[k], v)
	}
	return keys, by
}

// count returns how many values hold.
func count[T any](values []T, holds func(T) bool) int64 {
	var n int64
	for _, v := range values {
		if holds(v) {
			n++
		}
	}
	return n
}

func failed(r *requestRow) bool { return store.Failed(&r.RequestEvent) }

func hasStatus(s model.LinkStatus) func(*requestRow) bool {
	return func(r *requestRow) bool { return r.Link.Status == s }
}

// spread counts requests by the values of a field, the most frequent first, equal counts by value.
func spread(requests []*requestRow, field store.Field) []store.FacetValue {
	values, by := groups(requests, func(r *requestRow) string { return requestFields{&r.LinkedRequest}.text(field) })
	var all []store.FacetValue
	for _, v := range values {
		all = append(all, store.FacetValue{Value: v, Count: int64(len(by[v]))})
	}
	slices.SortFunc(all, func(a, b store.FacetValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return all
}

// Facets implements store.Reader.
func (m *Memory) Facets(ctx context.Context, f store.Filter, fields []store.Field, limit int) ([]store.Facet, error) {
	if err := store.CheckFacets(&f, fields, limit); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	found := m.selected(&f)
	var all []store.Facet
	for _, field := range fields {
		values := spread(found, field)
		all = append(all, store.Facet{Field: field, Values: values[:min(len(values), limit)]})
	}
	return all, nil
}

// Coverage implements store.Reader.
func (m *Memory) Coverage(ctx context.Context, q store.CoverageQuery) ([]store.CoverageCount, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	found := m.selected(&q.Filter)

	alone := map[string]bool{}
	if q.By != "" {
		values := spread(found, q.By)
		for _, v := range values[:min(len(values), store.MaxCoverageValues)] {
			alone[v.Value] = true
		}
	}
	// The key is a count of zero.
	keys, by := groups(found, func(r *requestRow) store.CoverageCount {
		k := store.CoverageCount{Status: r.Link.Status}
		if q.Step > 0 {
			k.Start = store.StepStart(r.Start, q.Step)
		}
		if q.By != "" {
			if k.Value = (requestFields{&r.LinkedRequest}).text(q.By); !alone[k.Value] {
				k.Value = store.Other
			}
		}
		return k
	})
	for i, k := range keys {
		keys[i].Count = int64(len(by[k]))
	}
	slices.SortFunc(keys, func(a, b store.CoverageCount) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Status, b.Status))
	})
	return keys, nil
}

// Endpoints implements store.Reader.
func (m *Memory) Endpoints(ctx context.Context, f store.Filter, limit int) ([]store.Endpoint, error) {
	if err := cmp.Or(f.Check(store.Field.OfRequest), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	// The key is an endpoint without sums.
	keys, by := groups(m.selected(&f), func(r *requestRow) store.Endpoint {
		return store.Endpoint{Host: r.Host, Method: r.Method, Endpoint: store.EndpointOf(&r.LinkedRequest)}
	})
	for i, k := range keys {
		e, requests := &keys[i], by[k]
		e.Count = int64(len(requests))
		e.Errors = count(requests, failed)
		e.Linked = count(requests, hasStatus(model.Linked))
		e.Partial = count(requests, hasStatus(model.Partial))
		e.Unlinked = count(requests, hasStatus(model.Unlinked))
		durations := store.Buckets{}
		for _, r := range requests {
			durations[model.DurationBucket(r.Duration)]++
			if p, ok := store.PartsOf(&r.LinkedRequest); ok {
				e.Timed++
				e.Frontend += p.Frontend
				e.Network += p.Network
				e.Backend += p.Backend
			}
		}
		e.P50, e.P75, e.P95 = durations.Quantile(50), durations.Quantile(75), durations.Quantile(95)
	}
	slices.SortFunc(keys, func(a, b store.Endpoint) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Host, b.Host), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return keys[:min(len(keys), limit)], nil
}

// Sessions implements store.Reader.
func (m *Memory) Sessions(ctx context.Context, f store.Filter, limit int) ([]store.Session, error) {
	if err := cmp.Or(f.Check(store.Field.OfRequest), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	ids, by := groups(m.selected(&f), func(r *requestRow) string { return r.SessionID })
	var all []store.Session
	for _, id := range ids {
		if id == "" {
			continue
		}
		requests := by[id]
		slices.SortFunc(requests, func(a, b *requestRow) int { return comparePlaces(requestPlace(&a), requestPlace(&b)) })
		first, last := requests[0], requests[len(requests)-1]
		all = append(all, store.Session{
			ID: id, ApplicationID: last.ApplicationID, InstanceID: last.InstanceID, Client: last.Client,
			Start: first.Start, End: last.Start,
			Requests:  int64(len(requests)),
			PageLoads: count(requests, func(r *requestRow) bool { return r.Kind == model.KindDocument }),
			Failed:    count(requests, failed),
			Linked:    count(requests, hasStatus(model.Linked)),
			Partial:   count(requests, hasStatus(model.Partial)),
			Unlinked:  count(requests, hasStatus(model.Unlinked)),
		})
	}
	slices.SortFunc(all, func(a, b store.Session) int {
		return cmp.Or(b.End.Compare(a.End), cmp.Compare(b.ID, a.ID))
	})
	return all[:min(len(all), limit)], nil
}

// ErrorGroups implements store.Reader.
func (m *Memory) ErrorGroups(ctx context.Context, f store.Filter, limit int) ([]store.ErrorGroup, error) {
	if err := cmp.Or(f.Check(store.Field.OfError), store.CheckLimit(limit)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []model.ErrorEvent
	for i := range m.errors {
		if selects(&f, errorFields{&m.errors[i]}) {
			found = append(found, m.errors[i])
		}
	}
	slices.SortFunc(found, func(a, b model.ErrorEvent) int { return comparePlaces(errorPlace(&a), errorPlace(&b)) })
	fingerprints, by := groups(found, func(e model.ErrorEvent) [8]byte { return e.Fingerprint })
	var all []store.ErrorGroup
	for _, f := range fingerprints {
		events := by[f]
		first, last := events[0], events[len(events)-1]
		sessions := map[string]bool{}
		for _, e := range events {
			if e.SessionID != "" {
				sessions[e.SessionID] = true
			}
		}
		all = append(all, store.ErrorGroup{
			Fingerprint: f, Count: int64(len(events)), Sessions: int64(len(sessions)),
			First: first.Time, Last: last.Time, Latest: last,
		})
	}
	slices.SortFunc(all, func(a, b store.ErrorGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]))
	})
	return all[:min(len(all), limit)], nil
}

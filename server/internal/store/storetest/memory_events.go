package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func placeOf(r *model.LinkedRequest) store.Place { return store.Place{Start: r.Start, ID: r.ID} }

// comparePlaces orders places by start, then id, the earliest first.
func comparePlaces(a, b store.Place) int {
	return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:]))
}

// listing returns a page of events, the last by place first.
func listing[T any](events []T, place func(*T) store.Place, p store.Page) []T {
	if p.Before != nil {
		events = slices.DeleteFunc(events, func(e T) bool { return comparePlaces(place(&e), *p.Before) >= 0 })
	}
	slices.SortFunc(events, func(a, b T) int { return comparePlaces(place(&b), place(&a)) })
	return events[:min(len(events), p.Limit)]
}

// selected returns the requests that a filter selects, in the order of writing.
func (m *Memory) selected(f *store.Filter) []*requestRow {
	var found []*requestRow
	for _, r := range m.requests {
		if selects(f, requestFields{&r.LinkedRequest}) {
			found = append(found, r)
		}
	}
	return found
}

func copyRequests(found []*requestRow) []model.LinkedRequest {
	all := make([]model.LinkedRequest, len(found))
	for i, r := range found {
		all[i] = copyRequest(r)
	}
	return all
}

func copyRequest(r *requestRow) model.LinkedRequest {
	return model.LinkedRequest{RequestEvent: cloneRequest(r.RequestEvent), Link: r.Link}
}

func requestPlace(r **requestRow) store.Place { return placeOf(&(*r).LinkedRequest) }

// Requests implements store.Reader.
func (m *Memory) Requests(ctx context.Context, f store.Filter, p store.Page) ([]model.LinkedRequest, error) {
	if err := cmp.Or(f.Check(store.Field.OfRequest), store.CheckLimit(p.Limit)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return copyRequests(listing(m.selected(&f), requestPlace, p)), nil
}

// Request implements store.Reader.
func (m *Memory) Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error) {
	if err := m.enter(ctx); err != nil {
		return model.LinkedRequest{}, err
	}
	defer m.mu.Unlock()
	r := m.index.requests[id]
	if r == nil {
		return model.LinkedRequest{}, store.ErrNotFound
	}
	return copyRequest(r), nil
}

// Tail implements store.Reader.
func (m *Memory) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	if limit != 0 {
		if err := store.CheckLimit(limit); err != nil {
			return nil, after, err
		}
	}
	if err := f.Check(store.Field.OfRequest); err != nil {
		return nil, after, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, after, err
	}
	defer m.mu.Unlock()
	end := max(after, m.places)
	if limit == 0 {
		return nil, end, nil
	}
	found := slices.DeleteFunc(m.selected(&f), func(r *requestRow) bool { return r.place <= after })
	if len(found) > limit {
		found = found[:limit]
		end = found[limit-1].place
	}
	return copyRequests(found), end, nil
}

// TraceRequests implements store.Reader.
func (m *Memory) TraceRequests(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.LinkedRequest, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []*requestRow
	for _, r := range m.requests {
		if slices.Contains(tracesOf(&r.LinkedRequest), id) {
			found = append(found, r)
		}
	}
	return copyRequests(listing(found, requestPlace, store.Page{Limit: limit})), nil
}

// PageLoads implements store.Reader.
func (m *Memory) PageLoads(ctx context.Context, f store.Filter, p store.Page) ([]model.NavigationEvent, error) {
	if err := cmp.Or(f.Check(store.Field.OfNavigation), store.CheckLimit(p.Limit)); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []model.NavigationEvent
	for i := range m.navigations {
		if selects(&f, navigationFields{&m.navigations[i]}) {
			found = append(found, m.navigations[i])
		}
	}
	place := func(e *model.NavigationEvent) store.Place { return store.Place{Start: e.Start, ID: e.ID} }
	return listing(found, place, p), nil
}

func errorPlace(e *model.ErrorEvent) store.Place { return store.Place{Start: e.Time, ID: e.ID} }

// Errors implements store.Reader.
func (m *Memory) Errors(ctx context.Context, fingerprint [8]byte, p store.Page) ([]model.ErrorEvent, error) {
	if err := store.CheckLimit(p.Limit); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []model.ErrorEvent
	for i := range m.errors {
		if m.errors[i].Fingerprint == fingerprint {
			found = append(found, m.errors[i])
		}
	}
	return listing(found, errorPlace, p), nil
}

// Events implements store.Reader.
func (m *Memory) Events(ctx context.Context, k store.EventsKey, limit int) (store.Events, error) {
	if err := cmp.Or(k.Check(), store.CheckAtLeast(limit, 0)); err != nil {
		return store.Events{}, err
	}
	if err := m.enter(ctx); err != nil {
		return store.Events{}, err
	}
	defer m.mu.Unlock()
	var e store.Events
	holds := func(f *model.Frontend) bool {
		return k.SessionID != "" && f.SessionID == k.SessionID || k.PageID != "" && f.PageID == k.PageID
	}
	requests := held(m.requests, limit, &e.Truncated, requestPlace, func(r **requestRow) bool { return holds(&(*r).Frontend) })
	e.Requests = copyRequests(requests)
	e.Navigations = held(m.navigations, limit, &e.Truncated,
		func(n *model.NavigationEvent) store.Place { return store.Place{Start: n.Start, ID: n.ID} },
		func(n *model.NavigationEvent) bool { return holds(&n.Frontend) })
	e.WebVitals = held(m.webVitals, limit, &e.Truncated,
		func(v *model.WebVital) store.Place { return store.Place{Start: v.Time, ID: v.ID} },
		func(v *model.WebVital) bool { return holds(&v.Frontend) })
	e.Errors = held(m.errors, limit, &e.Truncated, errorPlace,
		func(e *model.ErrorEvent) bool { return holds(&e.Frontend) })
	e.Actions = held(m.actions, limit, &e.Truncated,
		func(a *model.ActionEvent) store.Place { return store.Place{Start: a.Start, ID: a.ID} },
		func(a *model.ActionEvent) bool { return holds(&a.Frontend) })
	e.PageEvents = held(m.pageEvents, limit, &e.Truncated,
		func(p *model.PageEvent) store.Place { return store.Place{Start: p.Start, ID: p.ID} },
		func(p *model.PageEvent) bool { return holds(&p.Frontend) })
	return e, nil
}

// held returns the first events that are wanted, the earliest first, and marks
// where there are more of them.
func held[T any](events []T, limit int, truncated *bool, place func(*T) store.Place, wanted func(*T) bool) []T {
	var found []T
	for i := range events {
		if wanted(&events[i]) {
			found = append(found, events[i])
		}
	}
	slices.SortFunc(found, func(a, b T) int { return comparePlaces(place(&a), place(&b)) })
	if len(found) > limit {
		*truncated = true
		found = found[:limit]
	}
	return found
}

// Annotations implements store.Reader.
func (m *Memory) Annotations(ctx context.Context, from, to time.Time, limit int) ([]store.Annotation, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var found []store.Annotation
	for _, a := range m.annotations {
		if within(a.Time, from, to) {
			a.Tags = slices.Clone(a.Tags)
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b store.Annotation) int {
		return comparePlaces(store.Place{Start: a.Time, ID: a.ID}, store.Place{Start: b.Time, ID: b.ID})
	})
	return found[:min(len(found), limit)], nil
}

// PutAnnotation implements store.Annotator.
func (m *Memory) PutAnnotation(ctx context.Context, a store.Annotation) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.annotations = slices.DeleteFunc(m.annotations, func(b store.Annotation) bool { return b.ID == a.ID })
	a.Tags = slices.Clone(a.Tags)
	m.annotations = append(m.annotations, a)
	return nil
}

// DeleteAnnotation implements store.Annotator.
func (m *Memory) DeleteAnnotation(ctx context.Context, id model.EventID) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	n := len(m.annotations)
	m.annotations = slices.DeleteFunc(m.annotations, func(a store.Annotation) bool { return a.ID == id })
	if len(m.annotations) == n {
		return store.ErrNotFound
	}
	return nil
}

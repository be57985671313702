package duckdb

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// refuse returns the error of a question that is not well-formed; nil where err is nil.
func refuse(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: KindInvalid, Err: err}
}

// Facets implements store.Reader.
func (s *Store) Facets(ctx context.Context, f store.Filter, fields []store.Field, limit int) ([]store.Facet, error) {
	const op = "facets"
	if err := store.CheckFacets(&f, fields, limit); err != nil {
		return nil, refuse(op, err)
	}
	facets := make([]store.Facet, len(fields))
	for i, field := range fields {
		c := where(limit)
		s.filter(c, &f, requestFields, "start")
		query := strings.Replace(c.in(sqlFacet), "/*column*/", textOf(field), 1)
		values, err := readAll(ctx, s, op, func(v *store.FacetValue) []any { return []any{&v.Value, &v.Count} }, query, c.args...)
		if err != nil {
			return nil, err
		}
		facets[i] = store.Facet{Field: field, Values: values}
	}
	return facets, nil
}

// textOf is a field of requests as text.
func textOf(f store.Field) string {
	if f == store.FieldStatusCode {
		return "status_code::VARCHAR"
	}
	return requestFields[f]
}

// Coverage implements store.Reader.
func (s *Store) Coverage(ctx context.Context, q store.CoverageQuery) ([]store.CoverageCount, error) {
	const op = "coverage"
	if err := q.Check(); err != nil {
		return nil, refuse(op, err)
	}
	c := where(int64(q.Step), store.MaxCoverageValues, store.Other)
	s.filter(c, &q.Filter, requestFields, "start")
	column := "''"
	if q.By != "" {
		column = textOf(q.By)
	}
	columns := func(n *store.CoverageCount) []any {
		return []any{(*timeColumn)(&n.Start), &n.Value, &n.Status, &n.Count}
	}
	counts, err := readAll(ctx, s, op, columns, strings.Replace(c.in(sqlCoverage), "/*column*/", column, 1), c.args...)
	for i := range counts {
		if q.Step == 0 {
			counts[i].Start = time.Time{}
		}
	}
	return counts, err
}

// Endpoints implements store.Reader.
func (s *Store) Endpoints(ctx context.Context, f store.Filter, limit int) ([]store.Endpoint, error) {
	const op = "endpoints"
	if err := cmp.Or(store.CheckLimit(limit), f.Check(store.Field.OfRequest)); err != nil {
		return nil, refuse(op, err)
	}
	type sums struct {
		store.Endpoint
		quantiles []any
	}
	c := where(limit)
	s.filter(c, &f, requestFields, "start")
	columns := func(e *sums) []any {
		return []any{
			&e.Host, &e.Method, &e.Endpoint.Endpoint, &e.Count, &e.Errors, &e.Linked, &e.Partial, &e.Unlinked,
			(*listColumn)(&e.quantiles), &e.Timed, &e.Frontend, &e.Network, &e.Backend,
		}
	}
	found, err := readAll(ctx, s, op, columns, c.in(sqlEndpoints), c.args...)
	if err != nil {
		return nil, err
	}
	endpoints := make([]store.Endpoint, len(found))
	for i, e := range found {
		endpoints[i] = e.Endpoint
		for j, to := range []*time.Duration{&endpoints[i].P50, &endpoints[i].P75, &endpoints[i].P95} {
			bucket, ok := e.quantiles[j].(int16)
			if !ok {
				return nil, s.failure(ctx, op, fmt.Errorf("a quantile of the Go type %T", e.quantiles[j]))
			}
			*to = model.BucketDuration(bucket)
		}
	}
	return endpoints, nil
}

// ServiceMap implements store.Reader.
func (s *Store) ServiceMap(ctx context.Context, q store.ServiceMapQuery) (store.ServiceMap, error) {
	const op = "service map"
	if err := q.Check(); err != nil {
		return store.ServiceMap{}, refuse(op, err)
	}
	var m store.ServiceMap
	add := func(query, table string, from func(*store.ServiceEdge) *string, f *store.Filter) error {
		c := where(q.MaxSpans)
		s.filter(c, f, requestFields, "start")
		columns := func(e *store.ServiceEdge) []any {
			return []any{from(e), &e.ToService, &e.Count, &e.Errors, &e.Duration}
		}
		found, err := readAll(ctx, s, op, columns, c.in(query), c.args...)
		if err != nil {
			return err
		}
		m.Edges = append(m.Edges, found...)
		more, err := readAll(ctx, s, op, func(b *bool) []any { return []any{b} }, c.in(fmt.Sprintf(sqlMapMore, table)), c.args...)
		m.Sampled = m.Sampled || err == nil && more[0]
		return err
	}
	f := store.Filter{From: q.From, To: q.To}
	if err := add(sqlMapServices, "spans", func(e *store.ServiceEdge) *string { return &e.FromService }, &f); err != nil {
		return store.ServiceMap{}, err
	}
	if q.ApplicationID != "" {
		f.Terms = []store.Term{{Field: store.FieldApplication, Values: []string{q.ApplicationID}}}
	}
	if err := add(sqlMapFrontends, "requests", func(e *store.ServiceEdge) *string { return &e.FromApplication }, &f); err != nil {
		return store.ServiceMap{}, err
	}
	slices.SortFunc(m.Edges, func(a, b store.ServiceEdge) int {
		return cmp.Or(cmp.Compare(a.FromApplication, b.FromApplication), cmp.Compare(a.FromService, b.FromService), cmp.Compare(a.ToService, b.ToService))
	})
	return m, nil
}

// Services implements store.Reader.
func (s *Store) Services(ctx context.Context, limit int) ([]store.Service, error) {
	const op = "services"
	if err := store.CheckLimit(limit); err != nil {
		return nil, refuse(op, err)
	}
	columns := func(v *store.Service) []any {
		return []any{&v.Name, (*namesColumn)(&v.Hosts), (*timeColumn)(&v.FirstSeen)}
	}
	return readAll(ctx, s, op, columns, sqlServices, limit)
}

// namesColumn is a list of names, in order, without empty ones, at most store.MaxNames.
type namesColumn []string

func (c *namesColumn) Scan(src any) error {
	*c = nil
	if src == nil {
		return nil
	}
	list, ok := src.([]any)
	if !ok {
		return fmt.Errorf("names of the Go type %T", src)
	}
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return fmt.Errorf("a name of the Go type %T", item)
		}
		if name != "" {
			*c = append(*c, name)
		}
	}
	slices.Sort(*c)
	*c = (*c)[:min(len(*c), store.MaxNames)]
	return nil
}

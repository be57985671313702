package duckdb

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Traces implements store.Reader. The first entry spans of most traces are among the newest spans that are selected, so these
// are looked at first, and more only where they do not hold enough traces: those whose first span is newer than the oldest one
// looked at are known to be complete.
func (s *Store) Traces(ctx context.Context, q store.TraceQuery) ([]store.TraceSummary, error) {
	const op = "traces"
	if err := q.Check(); err != nil {
		return nil, refuse(op, err)
	}
	for n := 4 * q.Limit; ; n *= 8 {
		newest, err := s.newestSpans(ctx, &q, n)
		if err != nil {
			return nil, err
		}
		found, err := s.firstSpans(ctx, &q, newest)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(t store.TraceSummary) bool {
			return q.Before != nil && comparePlaces(&t, &store.TraceSummary{Start: q.Before.Start, TraceID: q.Before.ID}) <= 0
		})
		slices.SortFunc(found, func(a, b store.TraceSummary) int { return comparePlaces(&a, &b) })
		if len(newest) == n {
			known := newest[n-1].start
			found = slices.DeleteFunc(found, func(t store.TraceSummary) bool { return clampNanos(t.Start) <= known })
		}
		if len(found) >= q.Limit || len(newest) < n {
			found = found[:min(len(found), q.Limit)]
			return found, s.addTraceSums(ctx, op, found)
		}
	}
}

// comparePlaces orders traces as they are listed.
func comparePlaces(a, b *store.TraceSummary) int {
	return cmp.Or(b.Start.Compare(a.Start), bytes.Compare(b.TraceID[:], a.TraceID[:]))
}

// newestSpan is an entry span that a query selects.
type newestSpan struct {
	trace tracecontext.TraceID
	start int64
}

// newestSpans returns the newest entry spans that a query selects, from its place on.
func (s *Store) newestSpans(ctx context.Context, q *store.TraceQuery, n int) ([]newestSpan, error) {
	c := where(n)
	s.selectSpans(c, q)
	if q.Before != nil {
		c.and("start <= ?", clampNanos(q.Before.Start))
	}
	columns := func(v *newestSpan) []any { return []any{(*traceColumn)(&v.trace), &v.start} }
	return readAll(ctx, s, "traces", columns, c.in(sqlTracesNewest), c.args...)
}

// firstSpans returns the first of the entry spans that a query selects of each of some traces.
func (s *Store) firstSpans(ctx context.Context, q *store.TraceQuery, newest []newestSpan) ([]store.TraceSummary, error) {
	seen := map[tracecontext.TraceID]bool{}
	var ids []string
	var keys []key
	for _, v := range newest {
		if !seen[v.trace] {
			seen[v.trace] = true
			ids, keys = append(ids, v.trace.String()), append(keys, traceKey(keySpanTrace, v.trace))
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	c := where(ids)
	s.selectSpans(c, q)
	columns := func(t *store.TraceSummary) []any {
		return []any{
			(*traceColumn)(&t.TraceID), (*timeColumn)(&t.Start), &t.Duration, (*idColumn)(&t.SpanID), &t.Service, &t.Name, &t.Route, &t.Error,
		}
	}
	near := stretches("spans", "trace_id, start, duration, span_id, service, name, route, status_code, entry", s.find(keys...))
	return readAll(ctx, s, "traces", columns, strings.Replace(c.in(sqlTracesFirst), "/*near*/", near, 1), c.args...)
}

// selectSpans adds what a query asks of entry spans.
func (s *Store) selectSpans(c *conditions, q *store.TraceQuery) {
	c.and("entry")
	s.filter(c, &store.Filter{From: q.From, To: q.To}, nil, "start")
	if q.Service != "" {
		c.and("service = ?", valid(q.Service))
	}
	if q.Name != "" {
		part := strings.ToLower(valid(q.Name))
		c.and("(contains("+sqlFold("name")+", ?) OR contains("+sqlFold("route")+", ?))", part, part)
	}
	if q.MinDuration > 0 {
		c.and("duration >= ?", int64(q.MinDuration))
	}
	if q.Error {
		c.and("status_code = 2")
	}
}

// addTraceSums adds what is known of whole traces.
func (s *Store) addTraceSums(ctx context.Context, op string, traces []store.TraceSummary) error {
	if len(traces) == 0 {
		return nil
	}
	at := make(map[traceColumn]*store.TraceSummary, len(traces))
	ids := make([]string, len(traces))
	keys := make([]key, len(traces))
	for i := range traces {
		t := &traces[i]
		at[traceColumn(t.TraceID)], ids[i], keys[i] = t, t.TraceID.String(), traceKey(keySpanTrace, t.TraceID)
	}
	type sums struct {
		id            traceColumn
		spans, errors int64
		services      []any
	}
	columns := func(v *sums) []any { return []any{&v.id, &v.spans, &v.errors, (*listColumn)(&v.services)} }
	found, err := read(ctx, s, op, columns, sqlTraceSums, s.find(keys...), ids)
	if err != nil {
		return err
	}
	services := map[traceColumn][]any{}
	for _, v := range found { // one for each stretch of rows
		t := at[v.id]
		t.Spans += v.spans
		t.Errors += v.errors
		services[v.id] = append(services[v.id], v.services...)
	}
	for id, all := range services {
		t := at[id]
		var names []string
		for _, name := range all {
			if text, ok := name.(string); ok && text != "" {
				names = append(names, text)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		t.Services = names[:min(len(names), store.MaxNames)]
	}
	return nil
}

// listColumn is a list as the driver gives it.
type listColumn []any

func (c *listColumn) Scan(src any) error {
	list, ok := src.([]any)
	if !ok && src != nil {
		return fmt.Errorf("a list of the Go type %T", src)
	}
	*c = list
	return nil
}

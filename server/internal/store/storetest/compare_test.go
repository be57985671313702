package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func TestCompareMemory(t *testing.T) {
	Compare(t, func(*testing.T) Store { return new(reference) })
}

// mutant is a Memory with one fault.
type mutant struct {
	reference
	fault string
}

func (m *mutant) Reopen(*testing.T) Store {
	if m.fault == "Reopen" {
		m.position = 0
	}
	return m
}

// spoil leaves out the last of several.
func spoil[T any](m *mutant, fault string, all []T) []T {
	if m.fault == fault && len(all) > 0 {
		return all[:len(all)-1]
	}
	return all
}

// alter changes one of several, where there is one that the change touches.
func alter[T any](m *mutant, fault string, all []T, change func(*T)) []T {
	if m.fault == fault && len(all) > 0 {
		change(&all[len(all)/2])
	}
	return all
}

func (m *mutant) Write(ctx context.Context, b store.Batch) error {
	switch m.fault {
	case "Write ignores the position":
		b.Position = 0
	case "Write takes the last of equal ids":
		slices.Reverse(b.Requests)
	case "Write of web vitals":
		b.WebVitals = nil
	case "Write of actions":
		b.Actions = nil
	case "Write of page events":
		b.PageEvents = nil
	}
	return m.reference.Write(ctx, b)
}

func (m *mutant) Requests(ctx context.Context, f store.Filter, p store.Page) ([]model.LinkedRequest, error) {
	switch m.fault {
	case "Requests counts the bound in":
		if !f.To.IsZero() {
			f.To = f.To.Add(1)
		}
	case "Requests forgets Not":
		f.Terms = slices.Clone(f.Terms)
		for i := range f.Terms {
			f.Terms[i].Not = false
		}
	case "Requests takes the place along":
		if p.Before != nil {
			p.Before = &store.Place{Start: p.Before.Start, ID: p.Before.ID}
			p.Before.ID[7]++
		}
	}
	all, err := m.reference.Requests(ctx, f, p)
	if m.fault == "Requests orders ties otherwise" {
		slices.SortStableFunc(all, func(a, b model.LinkedRequest) int { return b.Start.Compare(a.Start) })
		slices.SortFunc(all, func(a, b model.LinkedRequest) int {
			if c := b.Start.Compare(a.Start); c != 0 {
				return c
			}
			return strings.Compare(a.ID.String(), b.ID.String())
		})
	}
	return spoil(m, "Requests", alter(m, "Requests by a nanosecond", all, func(r *model.LinkedRequest) { r.Timing.FetchStart++ })), err
}

func (m *mutant) Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error) {
	r, err := m.reference.Request(ctx, id)
	switch m.fault {
	case "Request finds what is not there":
		err = nil
	case "Request":
		r.Link.Detail += " "
	}
	return r, err
}

func (m *mutant) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	all, next, err := m.reference.Tail(ctx, after, f, limit)
	return spoil(m, "Tail", all), next, err
}

func (m *mutant) Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error) {
	all, err := m.reference.Trace(ctx, id, limit)
	return alter(m, "Trace", all, func(s *model.Span) { s.Attributes += " " }), err
}

func (m *mutant) TraceRequests(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.LinkedRequest, error) {
	all, err := m.reference.TraceRequests(ctx, id, limit)
	if m.fault == "TraceRequests" {
		all = slices.DeleteFunc(all, func(r model.LinkedRequest) bool { return r.Sent.TraceID != id && r.Answer.TraceID != id })
	}
	return all, err
}

func (m *mutant) Traces(ctx context.Context, q store.TraceQuery) ([]store.TraceSummary, error) {
	if m.fault == "Traces of longer spans" && q.MinDuration > 0 {
		q.MinDuration++
	}
	all, err := m.reference.Traces(ctx, q)
	return alter(m, "Traces", all, func(s *store.TraceSummary) { s.Spans++ }), err
}

func (m *mutant) Evidence(ctx context.Context, id model.EventID, maxSpans int) (model.Evidence, error) {
	e, err := m.reference.Evidence(ctx, id, maxSpans)
	if m.fault == "Evidence" && err == nil {
		e.SameAnswer = nil
	}
	return e, err
}

func (m *mutant) Facets(ctx context.Context, f store.Filter, fields []store.Field, limit int) ([]store.Facet, error) {
	all, err := m.reference.Facets(ctx, f, fields, limit)
	return alter(m, "Facets", all, func(f *store.Facet) { slices.Reverse(f.Values) }), err
}

func (m *mutant) Coverage(ctx context.Context, q store.CoverageQuery) ([]store.CoverageCount, error) {
	all, err := m.reference.Coverage(ctx, q)
	if m.fault == "Coverage knows no rest" {
		all = slices.DeleteFunc(all, func(c store.CoverageCount) bool { return c.Value == store.Other })
	}
	return alter(m, "Coverage", all, func(c *store.CoverageCount) { c.Count-- }), err
}

func (m *mutant) Endpoints(ctx context.Context, f store.Filter, limit int) ([]store.Endpoint, error) {
	all, err := m.reference.Endpoints(ctx, f, limit)
	for i := range all {
		if m.fault == "Endpoints by a bucket" {
			all[i].P95 = model.BucketDuration(model.DurationBucket(all[i].P95) + 1)
		}
		if m.fault == "Endpoints by the time" {
			all[i].Network, all[i].Frontend = all[i].Frontend, all[i].Network
		}
	}
	return all, err
}

func (m *mutant) ServiceMap(ctx context.Context, q store.ServiceMapQuery) (store.ServiceMap, error) {
	s, err := m.reference.ServiceMap(ctx, q)
	if m.fault == "ServiceMap tells of no sample" {
		s.Sampled = false
	}
	s.Edges = alter(m, "ServiceMap", s.Edges, func(e *store.ServiceEdge) { e.Errors = 0 })
	return s, err
}

func (m *mutant) Services(ctx context.Context, limit int) ([]store.Service, error) {
	all, err := m.reference.Services(ctx, limit)
	return alter(m, "Services", all, func(s *store.Service) { s.FirstSeen = s.FirstSeen.Add(1) }), err
}

func (m *mutant) Sessions(ctx context.Context, f store.Filter, limit int) ([]store.Session, error) {
	all, err := m.reference.Sessions(ctx, f, limit)
	return alter(m, "Sessions", all, func(s *store.Session) { s.Start = s.End }), err
}

func (m *mutant) Events(ctx context.Context, k store.EventsKey, limit int) (store.Events, error) {
	e, err := m.reference.Events(ctx, k, limit)
	if m.fault == "Events" {
		e.Truncated = false
	}
	return e, err
}

func (m *mutant) PageLoads(ctx context.Context, f store.Filter, p store.Page) ([]model.NavigationEvent, error) {
	all, err := m.reference.PageLoads(ctx, f, p)
	return spoil(m, "PageLoads", all), err
}

func (m *mutant) ErrorGroups(ctx context.Context, f store.Filter, limit int) ([]store.ErrorGroup, error) {
	all, err := m.reference.ErrorGroups(ctx, f, limit)
	return alter(m, "ErrorGroups", all, func(g *store.ErrorGroup) { g.Sessions++ }), err
}

func (m *mutant) Errors(ctx context.Context, fingerprint [8]byte, p store.Page) ([]model.ErrorEvent, error) {
	all, err := m.reference.Errors(ctx, fingerprint, p)
	return spoil(m, "Errors", all), err
}

func (m *mutant) Annotations(ctx context.Context, from, to time.Time, limit int) ([]store.Annotation, error) {
	all, err := m.reference.Annotations(ctx, from, to, limit)
	return alter(m, "Annotations", all, func(a *store.Annotation) { a.Tags = nil }), err
}

func (m *mutant) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	if m.fault == "Work forgets what is due" {
		now = time.Time{}
	}
	work, err := m.reference.Work(ctx, after, now, limit, maxSpans)
	if m.fault == "Work leaves one out" && len(work.Evidence) > 1 {
		work.Evidence = work.Evidence[1:]
	}
	for i := range work.Evidence {
		if m.fault == "Work forgets what dtr leads to" {
			work.Evidence[i].ByDtr = nil
		}
	}
	return work, err
}

func (m *mutant) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if m.fault == "PutLinks takes the last given" {
		for i := range links {
			links[i].JudgedAt = links[i].JudgedAt.Add(time.Hour)
		}
	}
	return m.reference.PutLinks(ctx, spoil(m, "PutLinks", links), next)
}

func (m *mutant) Expire(ctx context.Context, before store.Retention) error {
	switch m.fault {
	case "Expire keeps spans":
		before.Spans = time.Time{}
	case "Expire keeps errors":
		before.Errors = time.Time{}
	case "Expire takes all requests":
		before.Requests = before.Requests.Add(48 * time.Hour)
	}
	return m.reference.Expire(ctx, before)
}

// TestCompareShrinks proves that what is reported of a fault is short.
func TestCompareShrinks(t *testing.T) {
	open := func(*testing.T) Store { return &mutant{fault: "Sessions"} }
	history, q := difference(t, open, 1, 50)
	if q == nil {
		t.Fatal("nothing is found")
	}
	report := shrink(t, open, history, *q)
	// Two requests of one session, and one of another that moves it to where the fault strikes.
	if steps := strings.Count(report, "\n- Write at"); steps < 2 || steps > 3 || strings.Count(report, "of 1 values") != steps {
		t.Errorf("two or three requests show it; the report:\n%.5000s", report)
	}
}

// TestCompareFindsFaults proves that Compare would notice an engine that is wrong.
func TestCompareFindsFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{
		"Reopen", "Write ignores the position", "Write takes the last of equal ids", "Write of web vitals", "Write of actions",
		"Write of page events", "Requests", "Requests counts the bound in", "Requests forgets Not", "Requests takes the place along",
		"Requests orders ties otherwise", "Requests by a nanosecond", "Request finds what is not there", "Request", "Tail", "Trace",
		"TraceRequests", "Traces", "Traces of longer spans", "Evidence", "Facets", "Coverage", "Coverage knows no rest",
		"Endpoints by a bucket", "Endpoints by the time", "ServiceMap", "ServiceMap tells of no sample", "Services", "Sessions", "Events",
		"PageLoads", "ErrorGroups", "Errors", "Annotations", "Work forgets what is due", "Work leaves one out",
		"Work forgets what dtr leads to", "PutLinks", "PutLinks takes the last given", "Expire keeps spans", "Expire keeps errors",
		"Expire takes all requests",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			open := func(*testing.T) Store { return &mutant{fault: fault} }
			for seed := uint64(1); seed <= 20; seed++ {
				if _, q := difference(t, open, seed, 50); q != nil {
					return
				}
			}
			t.Error("nothing is found")
		})
	}
}

package duckdb

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// Sessions implements store.Reader.
func (s *Store) Sessions(ctx context.Context, f store.Filter, limit int) ([]store.Session, error) {
	const op = "sessions"
	if err := cmp.Or(store.CheckLimit(limit), f.Check(store.Field.OfRequest)); err != nil {
		return nil, refuse(op, err)
	}
	c := where(limit)
	s.filter(c, &f, requestFields, "start")
	columns := func(v *store.Session) []any {
		d := &v.Client
		return []any{
			&v.ID, &v.ApplicationID, &v.InstanceID, &d.Browser, &d.BrowserVersion, &d.OS, &d.Device, &d.Country, &d.Address,
			(*timeColumn)(&v.Start), (*timeColumn)(&v.End), &v.Requests, &v.PageLoads, &v.Failed, &v.Linked, &v.Partial, &v.Unlinked,
		}
	}
	return readAll(ctx, s, op, columns, c.in(sqlSessions), c.args...)
}

// Events implements store.Reader.
func (s *Store) Events(ctx context.Context, k store.EventsKey, limit int) (store.Events, error) {
	const op = "events"
	if err := cmp.Or(k.Check(), store.CheckAtLeast(limit, 0)); err != nil {
		return store.Events{}, refuse(op, err)
	}
	e := eventsReader{store: s, column: "session_id", value: k.SessionID, limit: limit}
	ranges := s.find(textKey(keySession, k.SessionID))
	if k.PageID != "" {
		e.column, e.value = "page_id", k.PageID
		ranges = s.find(textKey(keyPage, k.PageID))
	}
	e.ranges = ranges
	var all store.Events
	requests, err := eventsOf(ctx, &e, "requests", "start", requestColumns, func(r *storedRequest) (time.Time, model.EventID) { return r.Start, r.ID })
	if err != nil {
		return store.Events{}, err
	}
	all.Requests = linked(requests)
	if all.Navigations, err = eventsOf(ctx, &e, "navigations", "start", navigationColumns, func(n *model.NavigationEvent) (time.Time, model.EventID) { return n.Start, n.ID }); err != nil {
		return store.Events{}, err
	}
	if all.WebVitals, err = eventsOf(ctx, &e, "web_vitals", "time", webVitalColumns, func(v *model.WebVital) (time.Time, model.EventID) { return v.Time, v.ID }); err != nil {
		return store.Events{}, err
	}
	if all.Errors, err = eventsOf(ctx, &e, "errors", "time", errorColumns, func(v *model.ErrorEvent) (time.Time, model.EventID) { return v.Time, v.ID }); err != nil {
		return store.Events{}, err
	}
	if all.Actions, err = eventsOf(ctx, &e, "actions", "start", actionColumns, func(a *model.ActionEvent) (time.Time, model.EventID) { return a.Start, a.ID }); err != nil {
		return store.Events{}, err
	}
	if all.PageEvents, err = eventsOf(ctx, &e, "page_events", "start", pageEventColumns, func(v *model.PageEvent) (time.Time, model.EventID) { return v.Start, v.ID }); err != nil {
		return store.Events{}, err
	}
	all.Truncated = e.truncated
	return all, nil
}

// eventsReader reads the events of a session or page, table by table.
type eventsReader struct {
	store     *Store
	ranges    []seqRange
	column    string
	value     string
	limit     int
	truncated bool
}

func eventsOf[T any](ctx context.Context, e *eventsReader, table, at string, columns func(*T) []any, place func(*T) (time.Time, model.EventID)) ([]T, error) {
	found, err := read(ctx, e.store, "events", columns, fmt.Sprintf(sqlEvents, table, e.column, at), e.ranges, e.value, e.limit+1)
	slices.SortFunc(found, func(a, b T) int {
		aTime, aID := place(&a)
		bTime, bID := place(&b)
		return cmp.Or(aTime.Compare(bTime), cmp.Compare(number(aID), number(bID)))
	})
	if len(found) > e.limit {
		found, e.truncated = found[:e.limit], true
	}
	return slices.Clip(found), err
}

// PageLoads implements store.Reader.
func (s *Store) PageLoads(ctx context.Context, f store.Filter, p store.Page) ([]model.NavigationEvent, error) {
	const op = "page loads"
	if err := cmp.Or(store.CheckLimit(p.Limit), f.Check(store.Field.OfNavigation)); err != nil {
		return nil, refuse(op, err)
	}
	c := where(p.Limit)
	s.filter(c, &f, navigationFields, "start")
	c.before(p.Before, "start")
	return readAll(ctx, s, op, navigationColumns, c.in(sqlNavigations), c.args...)
}

// ErrorGroups implements store.Reader.
func (s *Store) ErrorGroups(ctx context.Context, f store.Filter, limit int) ([]store.ErrorGroup, error) {
	const op = "error groups"
	if err := cmp.Or(store.CheckLimit(limit), f.Check(store.Field.OfError)); err != nil {
		return nil, refuse(op, err)
	}
	c := where(limit)
	s.filter(c, &f, errorFields, "time")
	columns := func(g *store.ErrorGroup) []any {
		return append([]any{&g.Count, &g.Sessions, (*timeColumn)(&g.First), (*timeColumn)(&g.Last)}, errorColumns(&g.Latest)...)
	}
	groups, err := readAll(ctx, s, op, columns, c.in(sqlErrorGroups), c.args...)
	for i := range groups {
		groups[i].Fingerprint = groups[i].Latest.Fingerprint
	}
	return groups, err
}

// Errors implements store.Reader.
func (s *Store) Errors(ctx context.Context, fingerprint [8]byte, p store.Page) ([]model.ErrorEvent, error) {
	const op = "errors"
	if err := store.CheckLimit(p.Limit); err != nil {
		return nil, refuse(op, err)
	}
	c := where(p.Limit, unsigned(number(fingerprint)))
	c.before(p.Before, "time")
	return readAll(ctx, s, op, errorColumns, c.in(sqlErrors), c.args...)
}

// Annotations implements store.Reader.
func (s *Store) Annotations(ctx context.Context, from, to time.Time, limit int) ([]store.Annotation, error) {
	const op = "annotations"
	if err := store.CheckLimit(limit); err != nil {
		return nil, refuse(op, err)
	}
	columns := func(a *store.Annotation) []any {
		return []any{
			(*idColumn)(&a.ID), (*timeColumn)(&a.Time), (*timeColumn)(&a.End), &a.ApplicationID, &a.Title, &a.Text, (*tagsColumn)(&a.Tags),
		}
	}
	c := where(limit)
	s.filter(c, &store.Filter{From: from, To: to}, nil, "time")
	return readAll(ctx, s, op, columns, c.in(sqlAnnotations), c.args...)
}

// tagsColumn is a list of texts in JSON.
type tagsColumn []string

func (c *tagsColumn) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("tags of the Go type %T", src)
	}
	*c = nil
	return json.Unmarshal([]byte(s), (*[]string)(c))
}

package duckdb

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

// underTest is a store that the battery can reopen.
type underTest struct {
	*Store
	path string
}

func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (u underTest) Reopen(t *testing.T) storetest.Store {
	t.Helper()
	if err := u.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return underTest{openTest(t, u.path), u.path}
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "test.duckdb")
		return underTest{openTest(t, path), path}
	})
}

func (u underTest) Navigations() []model.NavigationEvent {
	return all(u.db, navigationColumns, "SELECT * EXCLUDE (seq) FROM navigations ORDER BY seq")
}

func (u underTest) WebVitals() []model.WebVital {
	return all(u.db, webVitalColumns, "SELECT * EXCLUDE (seq) FROM web_vitals ORDER BY seq")
}

func all[T any](q querier, columns func(*T) []any, query string) []T {
	found, err := collect(context.Background(), q, columns, query)
	if err != nil {
		panic(err)
	}
	return found
}

// navigationColumns are the destinations of the columns of navigations, without seq.
func navigationColumns(n *model.NavigationEvent) []any {
	return []any{
		(*idColumn)(&n.ID), &n.ApplicationID, &n.InstanceID, &n.SessionID, &n.PageID, &n.ViewID, &n.AgentName, &n.AgentVersion,
		(*timeColumn)(&n.Start), &n.Duration, &n.Clock.Offset, &n.Clock.Uncertainty, &n.Clock.Source, (*timeColumn)(&n.Received),
		&n.URL, &n.Referrer, &n.Title, &n.Type, &n.ActivationStart, &n.DOMInteractive, &n.DOMContentLoadedEventStart,
		&n.DOMContentLoadedEventEnd, &n.DOMComplete, &n.LoadEventStart, &n.LoadEventEnd, (*attributesColumn)(&n.Attributes),
	}
}

// webVitalColumns are the destinations of the columns of web_vitals, without seq.
func webVitalColumns(v *model.WebVital) []any {
	return []any{
		(*idColumn)(&v.ID), &v.ApplicationID, &v.InstanceID, &v.SessionID, &v.PageID, &v.ViewID, &v.AgentName, &v.AgentVersion,
		(*timeColumn)(&v.Time), &v.Clock.Offset, &v.Clock.Uncertainty, &v.Clock.Source, (*timeColumn)(&v.Received),
		&v.URL, &v.Name, &v.Value, &v.Rating,
	}
}

package duckdb

import (
	"compress/gzip"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// frozen unpacks a file that an older version has written.
func frozen(t *testing.T, name string) string {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	unpacked, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "frozen.duckdb")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, unpacked); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUpgradeOfEveryForm opens files of versions 2 and 3: everything is there, repeats of it are known, and what is new in
// version 4 is taken. Each holds everyForm, an annotation, and the position 11.
func TestUpgradeOfEveryForm(t *testing.T) {
	for name, cut := range map[string]int64{ // the spans that have the dtr entry left out of their trace states
		"v2.duckdb.gz": 5, // the one behind what is not ASCII stays
		"v3.duckdb.gz": 6,
	} {
		t.Run(name, func(t *testing.T) { checkUpgradeOfEveryForm(t, frozen(t, name), cut) })
	}
}

func checkUpgradeOfEveryForm(t *testing.T, path string, cut int64) {
	t.Helper()
	for range 2 { // the second opens what the first has brought up to date
		s := openTest(t, path)
		checkEveryForm(t, s)
		b, _ := everyForm()
		later := store.Events{
			WebVitals: []model.WebVital{{
				ID: [8]byte{4}, Frontend: model.Frontend{SessionID: "a later session"}, Time: b.Requests[0].Start, Received: b.Requests[0].Start,
				Attributes: `{"web_vital.target":"#hero"}`,
			}},
			PageEvents: []model.PageEvent{{
				ID: [8]byte{4}, Frontend: model.Frontend{SessionID: "a later session"}, Start: b.Requests[0].Start, Received: b.Requests[0].Start,
				Type: "custom", Name: "checkout", Attributes: `{"a":1}`,
			}},
		}
		b.WebVitals, b.PageEvents = append(b.WebVitals, later.WebVitals...), later.PageEvents
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		found, err := s.Events(t.Context(), store.EventsKey{SessionID: "a later session"}, 10)
		if d := cmp.Diff(later, found); d != "" || err != nil {
			t.Errorf("the later session, %v (-want +got):\n%s", err, d)
		}
		want := store.Usage{
			Requests: int64(len(b.Requests)), Navigations: int64(len(b.Navigations)), WebVitals: int64(len(b.WebVitals)),
			Errors: int64(len(b.Errors)), Actions: int64(len(b.Actions)), PageEvents: int64(len(b.PageEvents)), Spans: int64(len(b.Spans)),
		}
		u, err := s.Usage(t.Context())
		u.Bytes = 0
		if err != nil || u != want {
			t.Errorf("usage %+v, %v; want %+v", u, err, want)
		}
		noted, err := s.Annotations(t.Context(), time.Time{}, time.Time{}, 10)
		if err != nil || len(noted) != 1 || noted[0].Title != "deployed" {
			t.Errorf("annotations %v, %v", noted, err)
		}
		if mark, err := s.Watermark(t.Context()); err != nil || mark != join(7, 0) {
			t.Errorf("the watermark %d, %v; want %d", mark, err, join(7, 0))
		}
		if at, err := s.Position(t.Context()); err != nil || at != 11 {
			t.Errorf("the position %d, %v; want 11", at, err)
		}
		if got := all(s.db, func(n *int64) []any { return []any{n} }, "SELECT count(dtr_at) FROM spans"); got[0] != cut {
			t.Errorf("%d spans have the dtr entry left out of their trace states, want %d", got[0], cut)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpgradedTables: a file that was brought up to date has the tables of a new one.
func TestUpgradedTables(t *testing.T) {
	tables := func(path string) []string {
		s := openTest(t, path)
		return all(s.db, func(table *string) []any { return []any{table} },
			"SELECT sql FROM duckdb_tables() WHERE NOT temporary AND NOT starts_with(table_name, 'directory_') ORDER BY table_name")
	}
	want := tables(filepath.Join(t.TempDir(), "new.duckdb"))
	if len(want) < 12 {
		t.Fatalf("%d tables of a new file: %v", len(want), want)
	}
	for _, name := range []string{"v1.duckdb.gz", "v2.duckdb.gz", "v3.duckdb.gz"} {
		if d := cmp.Diff(want, tables(frozen(t, name))); d != "" {
			t.Errorf("%s (-new +upgraded):\n%s", name, d)
		}
	}
}

// TestUpgradeKeepsTheDirectory makes a file of version 3 with a closed run: its keys are found after it was brought up to date.
func TestUpgradeKeepsTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	s := openTest(t, path)
	g := newTraffic(3)
	first := g.batch(20)
	if err := s.Write(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for i := 0; len(s.directory.groups[0].runs) == 1; i++ {
		if i == 10 {
			t.Fatal("no run was closed")
		}
		if err := s.Write(t.Context(), g.batch(8000)); err != nil {
			t.Fatal(err)
		}
	}
	seed := s.directory.seed
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "DROP TABLE page_events; ALTER TABLE web_vitals DROP COLUMN attributes; UPDATE schema_version SET version = 3")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	if got, runs := s.directory.seed, len(s.directory.groups[0].runs); got != seed || runs != 2 {
		t.Errorf("the seed %x and %d runs, and it was %x with 2", got, runs, seed)
	}
	for i := range first.Requests {
		if _, err := s.Request(t.Context(), first.Requests[i].ID); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	before, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Usage(t.Context()); err != nil || after.Requests != before.Requests || after.Spans != before.Spans {
		t.Errorf("usage %+v after a repeat, %v; it was %+v", after, err, before)
	}
}

// TestUpgrade opens a file of version 1: everything is there, and what comes to it too.
func TestUpgrade(t *testing.T) {
	// v1.duckdb.gz holds what newTraffic(7).batch(40) made in version 1, with a link, an event, a navigation and a web vital.
	path := frozen(t, "v1.duckdb.gz")
	for round := range 2 { // the second opens what the first has brought up to date
		s := openTest(t, path)
		g := newTraffic(7)
		b := g.batch(40)
		listed, err := s.Requests(t.Context(), store.Filter{}, store.Page{Limit: 100})
		if err != nil || len(listed) != len(b.Requests) {
			t.Fatalf("round %d: %d requests, %v; want %d", round, len(listed), err, len(b.Requests))
		}
		first := listed[len(listed)-1]
		if d := cmp.Diff(b.Requests[0], first.RequestEvent); d != "" {
			t.Errorf("round %d: the first request (-want +got):\n%s", round, d)
		}
		want := model.Link{
			RequestID: first.ID, JudgedAt: g.now,
			Verdict: model.Verdict{
				Status: model.Linked, Reason: model.Exact, Final: true,
				Joined: model.SpanContext{TraceID: b.Spans[0].TraceID, SpanID: b.Spans[0].SpanID},
			},
		}
		if d := cmp.Diff(want, first.Link); d != "" {
			t.Errorf("round %d: its link (-want +got):\n%s", round, d)
		}
		found, err := s.Trace(t.Context(), b.Spans[0].TraceID, 100)
		if err != nil || len(found) != 3 {
			t.Fatalf("round %d: %d spans of a trace, %v; want 3", round, len(found), err)
		}
		events := 0
		for _, span := range found {
			events += len(span.Events)
			if span.Entry != (span.Kind == model.SpanServer) {
				t.Errorf("round %d: a span of kind %d is taken for an entry span: %v", round, span.Kind, span.Entry)
			}
		}
		if events != 1 {
			t.Errorf("round %d: %d events, want 1", round, events)
		}
		loads, err := s.PageLoads(t.Context(), store.Filter{}, store.Page{Limit: 10})
		if err != nil || len(loads) != 1 || loads[0].Title != "Shop" {
			t.Errorf("round %d: page loads %v, %v", round, loads, err)
		}
		all, err := s.Events(t.Context(), store.EventsKey{SessionID: b.Requests[0].SessionID}, 100)
		if err != nil || len(all.WebVitals) != 1 || all.WebVitals[0].Value != 1200.5 {
			t.Errorf("round %d: web vitals %v, %v", round, all.WebVitals, err)
		}
		services, err := s.Services(t.Context(), 10)
		if d := cmp.Diff([]store.Service{{Name: "catalogue", Hosts: []string{"shop.example"}, FirstSeen: b.Spans[0].Received}}, services); d != "" || err != nil {
			t.Errorf("round %d: services, %v (-want +got):\n%s", round, err, d)
		}
		if mark, err := s.Watermark(t.Context()); err != nil || mark != 5<<20 {
			t.Errorf("round %d: the watermark %d, %v; want %d", round, mark, err, 5<<20)
		}
		// A repeat of what is there changes nothing.
		if err := s.Write(t.Context(), store.Batch{Requests: b.Requests, Spans: b.Spans[1:]}); err != nil {
			t.Fatal(err)
		}
		if u, err := s.Usage(t.Context()); err != nil || u.Requests != int64(len(b.Requests)) || u.Spans != int64(len(b.Spans)) || u.Bytes == 0 {
			t.Errorf("round %d: usage %+v, %v", round, u, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

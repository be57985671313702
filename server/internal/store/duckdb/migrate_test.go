package duckdb

import (
	"compress/gzip"
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

// TestUpgradeFrom2 opens a file of version 2: everything is there, and repeats of it are known.
func TestUpgradeFrom2(t *testing.T) {
	path := frozen(t, "v2.duckdb.gz") // everyForm, an annotation, and the position 11
	for range 2 {                     // the second opens what the first has brought up to date
		s := openTest(t, path)
		checkEveryForm(t, s)
		b, _ := everyForm()
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		want := store.Usage{
			Requests: int64(len(b.Requests)), Navigations: int64(len(b.Navigations)), WebVitals: int64(len(b.WebVitals)),
			Errors: int64(len(b.Errors)), Actions: int64(len(b.Actions)), Spans: int64(len(b.Spans)),
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
		cut := all(s.db, func(n *int64) []any { return []any{n} }, "SELECT count(dtr_at) FROM spans")
		if cut[0] != 5 { // the one behind what is not ASCII stays
			t.Errorf("%d spans have the dtr entry left out of their trace states, want 5", cut[0])
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
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

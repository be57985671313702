package duckdb

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

func TestWriteRefuses(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	good := newTraffic(1).batch(4)
	for name, spoil := range map[string]func(*model.Span){
		"an early time":   func(s *model.Span) { s.Start = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a late time":     func(s *model.Span) { s.Received = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an event's time": func(s *model.Span) { s.Events = []model.SpanEvent{{Time: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)}} },
	} {
		b := store.Batch{Requests: good.Requests, Spans: []model.Span{{TraceID: [16]byte{1}, SpanID: [8]byte{1}}}}
		spoil(&b.Spans[0])
		err := s.Write(t.Context(), b)
		if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != KindInvalid {
			t.Errorf("%s: error %v, want one of kind invalid", name, err)
		}
	}
	if _, err := s.Request(t.Context(), good.Requests[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a part of a refused batch is stored: %v", err)
	}
}

// TestPoisonedGroup commits changes together of which one fails in the engine.
func TestPoisonedGroup(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	var group []*change
	var batches []store.Batch
	for range 3 {
		b := g.batch(8)
		r, err := encode(b, 0, new(encoder))
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b)
		group = append(group, &change{rows: r, done: make(chan error, 1)})
	}
	group[1].rows.memory.columns[spans].of[1].set = slices.Repeat([]bool{false}, 8)

	err := s.writer.commit(group)
	if err == nil {
		t.Fatal("the engine takes a span without a trace id")
	}
	s.writer.settle(group, err)
	for i, c := range group {
		err := <-c.done
		if poisoned := i == 1; poisoned != (err != nil) {
			t.Errorf("batch %d: %v", i, err)
		}
		_, err = s.Request(t.Context(), batches[i].Requests[0].ID)
		if stored := err == nil; stored != (i != 1) {
			t.Errorf("batch %d: stored: %v", i, stored)
		}
	}
	if err := s.Write(t.Context(), g.batch(8)); err != nil {
		t.Errorf("the next write: %v", err)
	}
	if err := s.Write(t.Context(), batches[1]); err != nil {
		t.Errorf("the batch again, healed: %v", err)
	}
	if found := len(all(s.db, spanColumns, "SELECT * FROM spans")); found != 24 {
		t.Errorf("%d spans in the end, want 24", found)
	}
}

func TestInvalidUTF8(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	const bad, good = "a\xffb\xc3", "a\ufffdb\ufffd"
	in := model.Span{
		TraceID: [16]byte{1}, SpanID: [8]byte{1}, Name: bad, Host: bad,
		Attributes: attributes(map[string]any{bad: bad}), Events: []model.SpanEvent{{Name: bad}},
	}
	if err := s.Write(t.Context(), store.Batch{Spans: []model.Span{in}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trace(t.Context(), in.TraceID, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := in
	want.Name, want.Host = good, good
	want.Attributes, want.Events = attributes(map[string]any{good: good}), []model.SpanEvent{{Name: good}}
	if d := cmp.Diff([]model.Span{want}, got); d != "" {
		t.Errorf("span (-want +got):\n%s", d)
	}
}

func TestManyHosts(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	for round := range 2 { // the second with all hosts forgotten by the writer
		var b store.Batch
		for i := range 50 {
			b.Spans = append(b.Spans, model.Span{
				TraceID: [16]byte{1}, SpanID: [8]byte{byte(round + 1), byte(i + 1)}, Host: strings.Repeat("x", i) + ".example",
			})
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		clear(s.writer.hosts)
	}
	seqs := all(s.db, func(n *uint64) []any { return []any{n} }, "SELECT seq FROM hosts")
	for _, seq := range seqs {
		if seq > 50 {
			t.Errorf("a host has the seq %d, want that of its first span", seq)
		}
	}
	if len(seqs) != 50 {
		t.Errorf("%d hosts are stored, want 50", len(seqs))
	}
}

func newDirectory(seed [2]uint64) *directory {
	d := &directory{seed: seed}
	d.openGroup(1)
	return d
}

func TestDirectory(t *testing.T) {
	d := newDirectory([2]uint64{1, 2})
	const n = 9 * runKeys
	rowAt := func(i int) row { return row{id: rowID{id: uint64(i)}, keys: []key{idKey(keySpan, uint64(i))}} }
	falsely := 0
	for i := 1; i <= n; i++ {
		if suspects := d.admit([]row{rowAt(i)}, uint64(i)); len(suspects) > 0 {
			falsely++
		}
		if r, _ := d.full(); r != nil {
			closed, err := r.build()
			if err != nil {
				t.Fatal(err)
			}
			if closed, err = decodeRun(encodeRun(closed)); err != nil { // as it is read from the file
				t.Fatal(err)
			}
			d.turn(closed)
		}
	}
	if falsely > n/100 {
		t.Errorf("%d of %d new ids are taken for added, want at most 1 in 100", falsely, n)
	}
	wide := 0
	for i := 1; i <= n; i++ {
		found := d.find(idKey(keySpan, uint64(i)))
		if !slices.ContainsFunc(found, func(r seqRange) bool { return r.first <= uint64(i) && uint64(i) <= r.last }) {
			t.Fatalf("row %d was added and is not found: %v", i, found)
		}
		if len(found) > 1 || found[0].last-found[0].first > 3*runKeys/2 {
			wide++
		}
	}
	if wide > n/1000 {
		t.Errorf("%d of %d look-ups lead to more than a run, want at most 1 in 1000", wide, n)
	}
	if len(d.groups[0].runs) < 3 {
		t.Errorf("%d runs, want at least 3", len(d.groups[0].runs))
	}
}

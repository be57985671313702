package duckdb

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func TestWriteRefuses(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	deep := any("bottom")
	for range maxNesting + 1 {
		deep = []any{deep}
	}
	good := newTraffic(1).batch(4)
	for name, spoil := range map[string]func(*model.Span){
		"a type":          func(s *model.Span) { s.Attributes = map[string]any{"k": make(chan int)} },
		"a nested type":   func(s *model.Span) { s.Resource = map[string]any{"k": []any{uint8(1)}} },
		"depth":           func(s *model.Span) { s.Attributes = map[string]any{"k": deep} },
		"an early time":   func(s *model.Span) { s.Start = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) },
		"a late time":     func(s *model.Span) { s.Received = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		"an event's type": func(s *model.Span) { s.Events = []model.SpanEvent{{Attributes: map[string]any{"k": 1}}} },
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
		r, err := encode(b)
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, b)
		group = append(group, &change{rows: r, done: make(chan error, 1)})
	}
	group[1].rows[spans][1].values[1] = "no trace id"

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
	if found := len(all(s.db, spanColumns, "SELECT * EXCLUDE (seq) FROM spans")); found != 24 {
		t.Errorf("%d spans in the end, want 24", found)
	}
}

func TestInvalidUTF8(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	const bad, good = "a\xffb\xc3", "a\ufffdb\ufffd"
	in := model.Span{
		TraceID: [16]byte{1}, SpanID: [8]byte{1}, Name: bad, Host: bad,
		Attributes: map[string]any{bad: bad}, Events: []model.SpanEvent{{Name: bad}},
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
	want.Attributes, want.Events = map[string]any{good: good}, []model.SpanEvent{{Name: good}}
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

func TestIDFilter(t *testing.T) {
	f := newIDFilter()
	const n = 100_000 // more than the first layers hold
	key := func(i int) rowKey { return rowKey{trace: tracecontext.TraceID{byte(i)}, id: uint64(i)} }
	falsely := 0
	for i := range n {
		if f.add(key(i)) {
			falsely++
		}
	}
	for i := range n {
		if !f.add(key(i)) {
			t.Fatalf("id %d was added and is denied", i)
		}
	}
	if falsely > n/200 {
		t.Errorf("%d of %d new ids are taken for added, want at most 1 in 200", falsely, n)
	}
}

func FuzzAttributes(f *testing.F) {
	for _, seed := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "\u2028\U0001f680", "\xff\xc3("} {
		f.Add(seed, int64(1), 1.0, true)
	}
	f.Add("", int64(math.MinInt64), math.Inf(-1), false)
	f.Add("", int64(math.MaxInt64), math.NaN(), false)
	f.Add("", int64(0), math.Copysign(0, -1), false)
	f.Add("", int64(0), 1e21, false)
	f.Fuzz(func(t *testing.T, s string, i int64, x float64, b bool) {
		clean := strings.ToValidUTF8(string([]rune(s)), "\ufffd") // a U+FFFD for each bad byte
		in := map[string]any{s + "k": s, "i": i, "x": x, "b": b, "l": []any{nil, x, []any{}, map[string]any{"": i}}}
		want := map[string]any{clean + "k": clean, "i": i, "x": x, "b": b, "l": []any{nil, x, []any{}, map[string]any{"": i}}}
		text, err := encodeAttributes(in)
		if err != nil {
			t.Fatal(err)
		}
		var got attributesColumn
		if err := got.Scan(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := cmp.Diff(want, map[string]any(got), cmpopts.EquateNaNs()); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		"", "{", "}", `{"a":1,}`, `{"a" 1}`, `[1,2`, `[,]`, `"\u12"`, `"open`, "tru", "nul", "1.2.3", "-", "99999999999999999999",
		`{"a":[1,2.0,{"b":"\n"}],"c":null}`, strings.Repeat("[", 1000), "NaN", "-Infinity", `{"a":1}x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeJSON(text) // must not panic
		if err != nil {
			if v != nil {
				t.Errorf("%q: a value beside the error %v", text, err)
			}
			return
		}
		again, err := appendJSON(nil, v, 0)
		if err != nil {
			t.Fatalf("%q decodes to what cannot be encoded: %v", text, err)
		}
		w, err := decodeJSON(string(again))
		if err != nil {
			t.Fatalf("%q encodes to %q: %v", text, again, err)
		}
		if d := cmp.Diff(v, w, cmpopts.EquateNaNs()); d != "" && strings.ToValidUTF8(text, "") == text {
			t.Errorf("%q (-first +again):\n%s", text, d)
		}
	})
}

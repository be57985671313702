package duckdb

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// TestRunClosesAfterRepeats has a run of the directory close by a batch of which nothing is stored: what comes after it is
// found, and its repeats are known.
func TestRunClosesAfterRepeats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	s := openTest(t, path)
	g := newTraffic(1)
	var first store.Batch
	for range 8000 {
		first.Requests = append(first.Requests, g.request())
	}
	runs := func() int { return len(s.directory.groups[0].runs) }
	for i := 0; runs() == 1; i++ {
		if i == 10 {
			t.Fatal("no run was closed")
		}
		if err := s.Write(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	after := store.Batch{Requests: []model.RequestEvent{g.request(), g.request()}}
	for range 2 {
		if err := s.Write(t.Context(), after); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 2 { // the second after a restart
		if u, err := s.Usage(t.Context()); err != nil || u.Requests != 8002 {
			t.Errorf("round %d: %d requests are stored, %v; want 8002", round, u.Requests, err)
		}
		if _, err := s.Request(t.Context(), after.Requests[0].ID); err != nil {
			t.Errorf("round %d: a request that is stored: %v", round, err)
		}
		offered := 0
		for w := (store.Work{More: true}); w.More; {
			var err error
			if w, err = s.Work(t.Context(), w.Next, g.now, 10_000, 10); err != nil {
				t.Fatal(err)
			}
			offered += len(w.Evidence)
		}
		if offered != 8002 {
			t.Errorf("round %d: %d requests want a verdict, want 8002", round, offered)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, path)
	}
}

// TestDirectoryMadeAnew opens a file that has lost its directory, as a migration leaves it: its runs are made and stored again, and
// what the rows hold is found and known.
func TestDirectoryMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.duckdb")
	s := openTest(t, path)
	g := newTraffic(1)
	var b store.Batch
	for range 4 * runKeys / 5 { // a request has at least five keys
		b.Requests = append(b.Requests, g.request())
	}
	copied := g.request() // the first got its answer from a cache, and the one that it is of comes later
	copied.Sent.TraceID, copied.Answer.TraceID = [16]byte{7}, [16]byte{7}
	b.Requests[0].Answer.TraceID, b.Requests[0].SessionID = [16]byte{7}, "another"
	for part := range slices.Chunk(b.Requests, 8000) {
		if err := s.Write(t.Context(), store.Batch{Requests: part}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.ExecContext(t.Context(), "DROP TABLE directory_1"); err != nil {
		t.Fatal(err)
	}
	for round := range 3 { // the third after what the second has stored
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, path)
		if n := len(s.directory.groups[0].runs); n < 4 {
			t.Errorf("round %d: %d runs, want at least 4", round, n)
		}
		if err := s.Write(t.Context(), store.Batch{Requests: append(slices.Clone(b.Requests[:5]), copied)}); err != nil {
			t.Fatal(err)
		}
		if u, err := s.Usage(t.Context()); err != nil || u.Requests != int64(len(b.Requests)+1) {
			t.Errorf("round %d: %d requests are stored, %v; want %d", round, u.Requests, err, len(b.Requests)+1)
		}
		for i, want := range []model.RequestEvent{copied, b.Requests[0]} {
			e, err := s.Evidence(t.Context(), [...]model.EventID{b.Requests[0].ID, copied.ID}[i], 10)
			if err != nil || e.SameAnswer == nil || e.SameAnswer.RequestID != want.ID {
				t.Errorf("round %d: the same answer was got by %+v, %v; want %v", round, e.SameAnswer, err, want.ID)
			}
		}
		if e, err := s.Evidence(t.Context(), b.Requests[1].ID, 10); err != nil || e.SameAnswer != nil {
			t.Errorf("round %d: an answer of its own was also got by %+v, %v", round, e.SameAnswer, err)
		}
	}
}

// TestAnswerOfManySessions: a copy of one answer that thousands of sessions got is looked at once, from memory and from the tables.
func TestAnswerOfManySessions(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	var b store.Batch
	for i := range 4000 {
		r := g.request()
		r.SessionID = fmt.Sprintf("session-%d", i)
		r.Sent, r.Answer.TraceID = model.SpanContext{}, [16]byte{7}
		b.Requests = append(b.Requests, r)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"memory", "tables"} {
		w, err := s.Work(t.Context(), 0, g.now, 4000, 10)
		if err != nil || len(w.Evidence) != 4000 {
			t.Fatalf("from %s: %d requests, %v", from, len(w.Evidence), err)
		}
		for i := range w.Evidence {
			e := &w.Evidence[i]
			want := b.Requests[0]
			if e.Request.ID == want.ID {
				want = b.Requests[1]
			}
			if a := e.SameAnswer; a == nil || a.RequestID != want.ID || a.SessionID != want.SessionID || a.Sessions != maxOtherSessions {
				t.Fatalf("from %s: the answer of %v was also got by %+v, want %v", from, e.Request.ID, a, want.ID)
			}
		}
		s.writer.recent.forget()
	}
}

// TestRequestsOfManyBytes: what is kept in memory is bounded by its bytes too.
func TestRequestsOfManyBytes(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "test.duckdb"))
	g := newTraffic(1)
	large := attributes(map[string]any{"large": strings.Repeat("x", 60_000)})
	for range 10 {
		var b store.Batch
		for range 400 {
			r := g.request()
			r.Attributes = large
			b.Requests = append(b.Requests, r)
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for _, part := range s.writer.recent.kept {
		kept += part.bytes
	}
	if most := keptGenerations*generationBytes + 400*62_000; kept > most {
		t.Errorf("%d bytes of requests are kept in memory, want at most %d", kept, most)
	}
	w, err := s.Work(t.Context(), 0, g.now, 5000, 10)
	if err != nil || len(w.Evidence) != 4000 {
		t.Errorf("%d requests want a verdict, %v; want 4000", len(w.Evidence), err)
	}
}

// TestStretches: parts that are joined to keep a query short end where the last of them ends.
func TestStretches(t *testing.T) {
	var ranges []seqRange
	for i := range uint64(3 * maxStretches) {
		ranges = append(ranges, seqRange{i*1000 + 1, i*1000 + 500})
	}
	text := stretches("spans", "seq", ranges)
	if n := strings.Count(text, "BETWEEN"); n > maxStretches {
		t.Errorf("%d parts, want at most %d", n, maxStretches)
	}
	if last := ranges[len(ranges)-1].last; !strings.Contains(text, fmt.Sprintf("AND %d)", last)) {
		t.Errorf("no part ends at %d: %s", last, text)
	}
}

// TestRequestHoldsOnlyItself: what is kept of a request does not hold the record in memory that it came in.
func TestRequestHoldsOnlyItself(t *testing.T) {
	record := strings.Repeat("x", 1<<20) + "https://shop.example/"
	r := newTraffic(1).request()
	r.URL = record[1<<20:]
	kept, _ := cleanRequest(&r)
	if kept.URL != r.URL || unsafe.StringData(kept.URL) == unsafe.StringData(r.URL) {
		t.Errorf("the URL %q is a part of the record", kept.URL)
	}
}

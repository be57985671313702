package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fakeRow is a request as the fake API lists it.
type fakeRow struct {
	ID     string    `json:"id"`
	Start  time.Time `json:"start_time"`
	Trace  string    `json:"link.trace_id,omitempty"`
	Span   string    `json:"link.span_id,omitempty"`
	Status string    `json:"link.status"`
	sent   string    // trace id
}

// fakeAPI answers as a server with exactly these rows does.
type fakeAPI struct {
	requests []fakeRow
	spans    map[string][]string // by trace id
}

// newFakeAPI holds all of the entries, each with the verdict that it deserves.
func newFakeAPI(entries []entry) *fakeAPI {
	f := &fakeAPI{spans: map[string][]string{}}
	for _, e := range entries {
		for i, ev := range e.events {
			r := fakeRow{ID: ev.id, Start: e.origin.Add(time.Duration(i) * time.Millisecond), Status: "unlinked", sent: e.trace.String()}
			if !ev.entry.IsZero() {
				r.Status, r.Trace, r.Span = "linked", e.trace.String(), ev.entry.String()
			}
			f.requests = append(f.requests, r)
		}
		for _, s := range e.spans {
			f.spans[e.trace.String()] = append(f.spans[e.trace.String()], s.id.String())
		}
	}
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id, ok := strings.CutPrefix(r.URL.Path, "/api/v1/traces/"); ok {
		f.trace(w, id)
		return
	}
	// The listing and its cursor are those of the server: newest first, then by id; a
	// cursor is a position, behind which a second row of the same position is hidden.
	q := r.URL.Query()
	from, _ := time.Parse(time.RFC3339Nano, q.Get("from"))
	to, _ := time.Parse(time.RFC3339Nano, q.Get("to"))
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	position := func(r fakeRow) string { return fmt.Sprintf("%020d-%s", r.Start.UnixNano(), r.ID) }
	rows := slices.Clone(f.requests)
	slices.SortFunc(rows, func(a, b fakeRow) int { return strings.Compare(position(b), position(a)) })
	rows = slices.DeleteFunc(rows, func(r fakeRow) bool {
		return r.Start.Before(from) || !r.Start.Before(to) || q.Get("cursor") != "" && position(r) >= q.Get("cursor")
	})
	page := map[string]any{"requests": rows[:min(limit, len(rows))]}
	if len(rows) > limit {
		page["next_cursor"] = position(rows[limit-1])
	}
	_ = json.NewEncoder(w).Encode(page)
}

func (f *fakeAPI) trace(w http.ResponseWriter, id string) {
	rows := []map[string]string{}
	for _, r := range f.requests {
		if r.sent == id {
			rows = append(rows, map[string]string{"type": "request", "id": r.ID})
		}
	}
	for _, s := range f.spans[id] {
		rows = append(rows, map[string]string{"type": "span", "id": s})
	}
	if len(rows) == 0 {
		http.Error(w, "{}", http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"rows": rows})
}

// sent is a ledger of n payloads or a few more, all acknowledged but the last.
func sent(t *testing.T, n int) *ledger {
	t.Helper()
	l := newLedger()
	g := generator{rng: newRand(1, 2), now: time.Now}
	for range n {
		p := g.next()
		l.add(p)
		l.acknowledge(p)
	}
	for {
		p := g.next()
		l.add(p)
		if p.len() > 1 && len(p.spans) > 0 {
			return l
		}
		l.acknowledge(p)
	}
}

func find(t *testing.T, l *ledger, fake *fakeAPI) findings {
	t.Helper()
	srv := httptest.NewServer(fake)
	defer srv.Close()
	f, err := newChecker(srv.URL, newRand(3, 4)).await(t.Context(), l, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheckerFindsNothingWhereAllIsThere(t *testing.T) {
	l := sent(t, 300)
	f := find(t, l, newFakeAPI(l.entries()))
	if f.lost+f.doubled+f.torn+f.strangers+f.pending+f.notLinked != 0 || len(f.examples) > 0 {
		t.Errorf("found %+v, want nothing", f)
	}
	want := 0
	for _, e := range l.entries() {
		want += e.len()
	}
	if f.present != want {
		t.Errorf("%d items are there, want %d", f.present, want)
	}
}

// TestCheckerFindsEachFault: the harness can fail, and counts what it fails for.
func TestCheckerFindsEachFault(t *testing.T) {
	l := sent(t, 300)
	entries := l.entries()
	last := entries[len(entries)-1] // not acknowledged
	someTrace := func() string {
		for _, e := range entries {
			if len(e.spans) > 1 {
				return e.trace.String()
			}
		}
		t.Fatal("no trace has spans")
		return ""
	}()
	linked := func(f *fakeAPI) *fakeRow {
		i := slices.IndexFunc(f.requests, func(r fakeRow) bool { return r.Status == "linked" })
		return &f.requests[i]
	}
	tests := map[string]struct {
		harm func(f *fakeAPI)
		want findings // examples aside
	}{
		"request lost":                   {func(f *fakeAPI) { f.requests = f.requests[1:] }, findings{lost: 1}},
		"requests lost":                  {func(f *fakeAPI) { f.requests = f.requests[3:] }, findings{lost: 3}},
		"request doubled":                {func(f *fakeAPI) { f.requests = append(f.requests, f.requests[5]) }, findings{doubled: 1}},
		"request tripled":                {func(f *fakeAPI) { f.requests = append(f.requests, f.requests[5], f.requests[5]) }, findings{doubled: 1}},
		"span doubled":                   {func(f *fakeAPI) { f.spans[someTrace] = append(f.spans[someTrace], f.spans[someTrace][0]) }, findings{doubled: 1}},
		"request pending":                {func(f *fakeAPI) { linked(f).Status = "pending" }, findings{pending: 1}},
		"request unlinked":               {func(f *fakeAPI) { linked(f).Status = "unlinked" }, findings{notLinked: 1}},
		"request joined to another span": {func(f *fakeAPI) { linked(f).Span = "00000000000000ff" }, findings{notLinked: 1}},
		"request nobody sent": {func(f *fakeAPI) {
			f.requests = append(f.requests, fakeRow{ID: "00000000000000ff", Start: time.Now(), Status: "unlinked"})
		}, findings{strangers: 1}},
		"span nobody sent": {func(f *fakeAPI) { f.spans[someTrace] = append(f.spans[someTrace], "00000000000000ff") }, findings{strangers: 1}},
		"payload torn": {func(f *fakeAPI) {
			id := last.trace.String()
			torn := last.spans[0]
			f.spans[id] = slices.DeleteFunc(f.spans[id], func(s string) bool { return s == torn.id.String() })
			for i, r := range f.requests { // its verdict is then another
				if r.Span == torn.id.String() {
					f.requests[i].Status = "unlinked"
				}
			}
		}, findings{torn: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fake := newFakeAPI(entries)
			test.harm(fake)
			f := find(t, l, fake)
			got := findings{lost: f.lost, doubled: f.doubled, torn: f.torn, strangers: f.strangers, pending: f.pending, notLinked: f.notLinked}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("found %+v, want %+v", got, test.want)
			}
			if len(f.examples) == 0 {
				t.Error("nothing is told in words")
			}
			tally := newTally("test")
			tally.enter(f)
			if !tally.failed() {
				t.Error("the tally does not fail")
			}
		})
	}
}

// A span that is lost costs its request the link, if it was the entry span: the loss
// must be told all the same.
func TestCheckerFindsALostSpan(t *testing.T) {
	l := sent(t, 300)
	fake := newFakeAPI(l.entries())
	seen := map[string]bool{} // traces whose first span is another payload's
	for _, e := range l.entries() {
		id := e.trace.String()
		if e.acked && len(e.spans) > 2 && !seen[id] { // of one that was not acknowledged, it would be no loss
			fake.spans[id] = fake.spans[id][1:]
			break
		}
		seen[id] = seen[id] || len(e.spans) > 0
	}
	if f := find(t, l, fake); f.lost != 1 {
		t.Errorf("lost %d, want 1: %+v", f.lost, f)
	}
}

// TestCheckerSeesBehindThePageBorder: a row that is there twice hides where a page
// ends between the two, as here every page does, and is seen in its trace.
func TestCheckerSeesBehindThePageBorder(t *testing.T) {
	l := sent(t, 30)
	fake := newFakeAPI(l.entries())
	fake.requests = append(fake.requests, fake.requests[7])
	srv := httptest.NewServer(fake)
	defer srv.Close()
	check := newChecker(srv.URL, newRand(3, 4))
	check.limit = func() int { return 1 }
	listed, err := check.list(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if times := listed[fake.requests[7].ID].times; times != 1 {
		t.Fatalf("the listing shows the row %d times; the border does not hide it", times)
	}
	f, err := check.await(t.Context(), l, 0)
	if err != nil {
		t.Fatal(err)
	}
	if f.doubled != 1 {
		t.Errorf("doubled %d, want 1", f.doubled)
	}
}

// Nothing that was not acknowledged need be there.
func TestCheckerAllowsWhatWasNotAcknowledged(t *testing.T) {
	l := sent(t, 300)
	entries := l.entries()
	fake := newFakeAPI(entries[:len(entries)-1])
	entrySpans := map[string]bool{}
	for _, s := range entries[len(entries)-1].spans {
		entrySpans[s.id.String()] = true
	}
	for i, r := range fake.requests {
		if entrySpans[r.Span] {
			fake.requests[i].Status = "unlinked"
		}
	}
	if f := find(t, l, fake); !f.settled() || f.doubled > 0 {
		t.Errorf("found %+v, want nothing", f)
	}
}

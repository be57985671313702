package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var linkerTests = []testCase{
	{"a new store has no work", testNoWork},
	{"new requests are offered once", testNewRequests},
	{"requests passed over stay open", testPassedOver},
	{"a span re-offers the requests that it concerns", testTouched},
	{"a span of no concern re-offers nothing", testUntouched},
	{"a new host re-offers what its silence decided", testNewHost},
	{"due requests are offered at their time", testDue},
	{"portions walk all new requests", testPortions},
	{"portions walk all requests of one trace", testPortionsOfOneTrace},
	{"portions walk all due requests", testPortionsOfDue},
	{"what is due has its share of a portion", testDueShare},
	{"a request with several causes is offered once", testSeveralCauses},
	{"work goes on while others write", testWorkWhileWriting},
	{"verdicts and watermark are stored in one step", testLinksAtomic},
	{"the verdict judged last counts", testLastVerdict},
	{"a cancelled PutLinks stores all or nothing", testCancelledLinks},
}

func testNoWork(t *testing.T, st Store) {
	if got := watermark(t, st); got != 0 {
		t.Errorf("the watermark of a new store is %d", got)
	}
	w := work(t, st, 0, epoch, 10)
	if len(w.Evidence) != 0 || w.More {
		t.Errorf("a new store has %d requests to judge, more: %v", len(w.Evidence), w.More)
	}
	putLinks(t, st, w.Next)
	if got := watermark(t, st); got != w.Next {
		t.Errorf("the watermark is %d, want the committed %d", got, w.Next)
	}
}

func testNewRequests(t *testing.T, st Store) {
	for n := 1; n <= 3; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	// Not committed, work is offered again, the same.
	first, again := work(t, st, 0, epoch, 10), work(t, st, 0, epoch, 10)
	diff(t, "work that was not committed", first, again)
	if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("new requests: %v, want 1, 2 and 3", got)
	}
	if got := judgeAll(t, st, keepPending); len(got) != 0 {
		t.Errorf("after they were judged: %v, want none", got)
	}
	before := watermark(t, st)
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(3), request(4)}})
	if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{4}) {
		t.Errorf("after one more and one repeated: %v, want 4", got)
	}
	if after := watermark(t, st); after <= before {
		t.Errorf("the watermark went from %d to %d, want it to grow", before, after)
	}
}

func testPassedOver(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	w := work(t, st, 0, epoch, 10)
	putLinks(t, st, w.Next) // no verdict for request 1
	if got := judgeAll(t, st, keepPending); len(got) != 0 {
		t.Errorf("a request before the watermark is offered without a cause: %v", got)
	}
	write(t, st, store.Batch{Spans: []model.Span{entrySpan(1, 1, 1)}})
	if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{1}) {
		t.Errorf("after its span came: %v, want 1", got)
	}
}

// concernCases are the ways in which a span concerns a request. Each builds
// request n, the trace that its verdict joined, and the span, trace and span id
// n+5, that comes later.
var concernCases = []struct {
	name   string
	set    func(e *model.RequestEvent, n int)
	joined int
	span   func(n int) model.Span
}{
	{name: "carried", set: func(e *model.RequestEvent, n int) { e.Sent.TraceID = traceID(n + 5) }},
	{name: "answered", set: func(e *model.RequestEvent, n int) {
		e.Sent, e.Answer.TraceID = model.SpanContext{}, traceID(n+5)
	}},
	{name: "answered otherwise than carried", set: func(e *model.RequestEvent, n int) { e.Answer.TraceID = traceID(n + 5) }},
	{name: "joined", joined: 5},
	{
		name: "named by dtr in another trace",
		set:  func(e *model.RequestEvent, n int) { e.Sent.SpanID = spanID(n + 7) },
		span: func(n int) model.Span { return entrySpan(n+5, n+5, n+7) },
	},
}

func testTouched(t *testing.T, st Store) {
	for i, tc := range concernCases {
		n := 100 * (i + 1)
		open, final, stranger := request(n), request(n+1), request(n+2)
		if tc.set != nil {
			tc.set(&open, n)
			tc.set(&final, n)
		}
		write(t, st, store.Batch{Requests: []model.RequestEvent{open, final, stranger}})
		judgeAll(t, st, func(e model.Evidence) model.Verdict {
			v := model.Verdict{Status: model.Unlinked, Reason: model.SpansMissing, Final: e.Request.ID == final.ID}
			if tc.joined > 0 && e.Request.ID != stranger.ID {
				v.Joined.TraceID = traceID(n + tc.joined)
			}
			return v
		})
		if got := judgeAll(t, st, keepPending); len(got) != 0 {
			t.Errorf("%s: before the span: %v, want none", tc.name, got)
		}
		late := span(n+5, n+5)
		if tc.span != nil {
			late = tc.span(n)
		}
		write(t, st, store.Batch{Spans: []model.Span{late}})
		if got := judgeAll(t, st, keepPending); !slices.Equal(got, []int{n}) {
			t.Errorf("%s: after the span: %v, want %d", tc.name, got, n)
		}
		write(t, st, store.Batch{Spans: []model.Span{late}})
		if got := judgeAll(t, st, keepPending); len(got) != 0 {
			t.Errorf("%s: after the span was written again: %v, want none", tc.name, got)
		}
	}
}

func testUntouched(t *testing.T, st Store) {
	none := request(1)
	none.Sent, none.Host = model.SpanContext{}, ""
	write(t, st, store.Batch{Requests: []model.RequestEvent{none, request(2)}})
	judgeAll(t, st, keepPending)
	bare := span(90, 91) // no dtr, no host
	sameSpanID := entrySpan(92, 2, 93)
	write(t, st, store.Batch{Spans: []model.Span{bare, sameSpanID}})
	if got := judgeAll(t, st, keepPending); len(got) != 0 {
		t.Errorf("requests %v are offered for spans of other requests", got)
	}
}

func testNewHost(t *testing.T, st Store) {
	elsewhere := request(3)
	elsewhere.Host = "other.example"
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1), request(2), elsewhere, request(4)}})
	silent := func(e model.Evidence) model.Verdict {
		if e.HostSeen {
			t.Errorf("the host of %v counts as seen", e.Request.ID)
		}
		switch number(e.Request.ID) {
		case 2:
			return model.Verdict{Status: model.Unlinked, Reason: model.NotPropagated}
		case 4:
			return model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented, Final: true}
		}
		return model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented}
	}
	judgeAll(t, st, silent)

	write(t, st, store.Batch{Spans: []model.Span{entrySpan(90, 90, 91)}})
	w := work(t, st, watermark(t, st), epoch, 10)
	if len(w.Evidence) != 1 || w.Evidence[0].Request.ID != eventID(1) || !w.Evidence[0].HostSeen {
		t.Fatalf("after the host's first span: %+v, want request 1 with its host seen", w.Evidence)
	}
	judgeAll(t, st, func(model.Evidence) model.Verdict {
		return model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented}
	})
	write(t, st, store.Batch{Spans: []model.Span{entrySpan(92, 92, 93)}})
	if got := judgeAll(t, st, keepPending); len(got) != 0 {
		t.Errorf("after the host's second span: %v, want none", got)
	}
}

func testDue(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1), request(2), request(3)}})
	due := epoch.Add(2 * time.Minute)
	judgeAll(t, st, func(e model.Evidence) model.Verdict {
		switch number(e.Request.ID) {
		case 1:
			return model.Verdict{Status: model.Pending, Due: due}
		case 2:
			return model.Verdict{Status: model.Pending, Due: due.Add(1)}
		}
		return model.Verdict{Status: model.Unlinked, Reason: model.SpansMissing}
	})
	for _, tc := range []struct {
		now  time.Time
		want []int
	}{
		{due.Add(-1), nil},
		{due, []int{1}},
		{due.Add(1), []int{1, 2}},
	} {
		w := work(t, st, watermark(t, st), tc.now, 10)
		if got := numbers(w.Evidence); !slices.Equal(got, tc.want) {
			t.Errorf("%v after the wait: %v, want %v", tc.now.Sub(due), got, tc.want)
		}
	}
	putLinks(t, st, watermark(t, st), model.Link{
		RequestID: eventID(1), JudgedAt: due, Verdict: model.Verdict{Status: model.Unlinked, Reason: model.SpansMissing},
	})
	w := work(t, st, watermark(t, st), due.Add(time.Hour), 10)
	if got := numbers(w.Evidence); !slices.Equal(got, []int{2}) {
		t.Errorf("after request 1 was judged for good: %v, want 2", got)
	}
}

func testPortions(t *testing.T, st Store) {
	const total, limit = 13, 3
	for n := 1; n <= total; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}, Spans: []model.Span{entrySpan(n, n, n)}})
	}
	var offered []int
	for more := true; more; {
		after := watermark(t, st)
		w := work(t, st, after, epoch, limit)
		if len(w.Evidence) > limit {
			t.Errorf("a portion of %d requests, one to a write, exceeds the limit %d", len(w.Evidence), limit)
		}
		if len(w.Evidence) == 0 || w.Next <= after {
			t.Fatalf("%d requests, from %d to %d: the walk makes no progress", len(w.Evidence), after, w.Next)
		}
		commit(t, st, w, keepPending)
		offered = append(offered, numbers(w.Evidence)...)
		more = w.More
	}
	once(t, offered, total)
}

func testPortionsOfOneTrace(t *testing.T, st Store) {
	const total = 16
	for n := 1; n <= total; n++ {
		e := request(n)
		e.Sent.TraceID = traceID(500)
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
	}
	judgeAll(t, st, keepPending)
	write(t, st, store.Batch{Spans: []model.Span{span(500, 500), span(500, 501)}})
	once(t, judgeInPortions(t, st, epoch, 5, keepPending), total)

	// A verdict given in an early portion does not lose the later ones.
	write(t, st, store.Batch{Spans: []model.Span{span(500, 502)}})
	once(t, judgeInPortions(t, st, epoch, 5, func(model.Evidence) model.Verdict {
		return model.Verdict{Status: model.Linked, Reason: model.Exact, Final: true}
	}), total)
	write(t, st, store.Batch{Spans: []model.Span{span(500, 503)}})
	if got := judgeAll(t, st, keepPending); len(got) != 0 {
		t.Errorf("requests %v are offered though their verdict is final", got)
	}
}

func testPortionsOfDue(t *testing.T, st Store) {
	const total = 11
	for n := 1; n <= total; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	judgeAll(t, st, func(model.Evidence) model.Verdict {
		return model.Verdict{Status: model.Pending, Due: epoch}
	})
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(total + 1)}})
	once(t, judgeInPortions(t, st, epoch, 4, keepPending), total+1)
}

func testDueShare(t *testing.T, st Store) {
	const due, fresh = 30, 40
	for n := 1; n <= due; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	judgeAll(t, st, func(model.Evidence) model.Verdict { return model.Verdict{Status: model.Pending, Due: epoch} })
	for n := due + 1; n <= due+fresh; n++ {
		write(t, st, store.Batch{Requests: []model.RequestEvent{request(n)}})
	}
	var offered []int
	for _, limit := range []int{8, 9, 3, 1, 12} {
		w := work(t, st, watermark(t, st), epoch, limit)
		share := 0
		for _, n := range numbers(w.Evidence) {
			if n <= due {
				share++
			}
		}
		if share < limit/4 || len(w.Evidence) > limit || !w.More {
			t.Errorf("a portion of %d holds %d that are due, of %d, more: %v", limit, share, len(w.Evidence), w.More)
		}
		commit(t, st, w, keepPending)
		offered = append(offered, numbers(w.Evidence)...)
	}
	offered = append(offered, judgeInPortions(t, st, epoch, 7, keepPending)...)
	once(t, offered, due+fresh)
}

func testSeveralCauses(t *testing.T, st Store) {
	e := request(1)
	e.Answer.TraceID = traceID(60)
	write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
	judgeAll(t, st, func(model.Evidence) model.Verdict {
		return model.Verdict{
			Status: model.Unlinked, Reason: model.BackendNotInstrumented, Due: epoch,
			Joined: model.SpanContext{TraceID: traceID(70)},
		}
	})
	for i, s := range []model.Span{span(1, 101), span(60, 102), span(70, 103), entrySpan(80, 104, 1), span(1, 105)} {
		write(t, st, store.Batch{Spans: []model.Span{s}, Requests: []model.RequestEvent{request(10 + i)}})
	}
	w := work(t, st, watermark(t, st), epoch, 100)
	if got := numbers(w.Evidence); !slices.Equal(got, []int{1, 10, 11, 12, 13, 14}) {
		t.Errorf("work: requests %v, want each once", got)
	}
}

func testWorkWhileWriting(t *testing.T, st Store) {
	const writers, each = 4, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i + 1
				for _, b := range []store.Batch{
					{Requests: []model.RequestEvent{request(n)}},
					{Spans: []model.Span{entrySpan(n, n, n)}},
				} {
					if err := st.Write(t.Context(), b); err != nil {
						t.Errorf("write: %v", err)
					}
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()

	exact := func(e model.Evidence) model.Verdict {
		if len(e.Trace) == 0 {
			return model.Verdict{Status: model.Pending}
		}
		return model.Verdict{Status: model.Linked, Reason: model.Exact, Final: true}
	}
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		judgeInPortions(t, st, epoch, 8, exact)
	}
	got, err := walk(t.Context(), st, where(store.FieldStatus, string(model.Linked)), store.Page{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != writers*each {
		t.Errorf("%d requests are linked, want all %d", len(got), writers*each)
	}
}

func testLinksAtomic(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	const steps = 30
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for i := 1; i <= steps; i++ {
			l := model.Link{RequestID: eventID(1), JudgedAt: epoch.Add(time.Duration(i)), Verdict: model.Verdict{Detail: strconv.Itoa(i)}}
			if err := st.PutLinks(t.Context(), []model.Link{l}, store.Watermark(i)); err != nil {
				t.Errorf("put links: %v", err)
			}
		}
	}()
	judged := func() int {
		r, err := st.Request(t.Context(), eventID(1))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi("0" + r.Link.Detail)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for done := false; !done; {
		select {
		case <-finished:
			done = true
		default:
		}
		if mark, n := watermark(t, st), judged(); n < int(mark) {
			t.Fatalf("the watermark is %d, the verdict only %d", mark, n)
		}
		if n, mark := judged(), watermark(t, st); int(mark) < n {
			t.Fatalf("the verdict is %d, the watermark only %d", n, mark)
		}
	}
	if n := judged(); n != steps {
		t.Errorf("the verdict is %d in the end, want %d", n, steps)
	}
}

func testLastVerdict(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	link := func(id model.EventID, after time.Duration, reason model.LinkReason) model.Link {
		return model.Link{RequestID: id, JudgedAt: epoch.Add(after), Verdict: model.Verdict{Status: model.Unlinked, Reason: reason}}
	}
	for _, tc := range []struct {
		name  string
		links []model.Link
		want  model.LinkReason
	}{
		{"latest in the middle of one call", []model.Link{
			link(eventID(1), 2, "b"), link(eventID(1), 3, "latest"), link(eventID(1), 1, "a"),
		}, "latest"},
		{"the last given of those judged at one time", []model.Link{
			link(eventID(1), 3, "first"), link(eventID(1), 3, "latest"),
		}, "latest"},
		{"an earlier one in a later call", []model.Link{link(eventID(1), 2, "stale")}, "latest"},
		{"a later one", []model.Link{link(eventID(1), 4, "newer")}, "newer"},
		{"an unknown request", []model.Link{link(eventID(99), 4, "unknown")}, "newer"},
	} {
		putLinks(t, st, 0, tc.links...)
		got, err := st.Request(t.Context(), eventID(1))
		if err != nil {
			t.Fatal(err)
		}
		if got.Link.Reason != tc.want {
			t.Errorf("%s: the reason is %q, want %q", tc.name, got.Link.Reason, tc.want)
		}
	}
}

func testCancelledLinks(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(1)}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(cancel)
	l := model.Link{RequestID: eventID(1), JudgedAt: epoch, Verdict: model.Verdict{Status: model.Linked}}
	if err := st.PutLinks(ctx, []model.Link{l}, 5); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("put links: %v, want context.Canceled", err)
	}
	wg.Wait()
	write(t, st, store.Batch{Requests: []model.RequestEvent{request(2)}}) // settles what came before it
	got, err := st.Request(t.Context(), eventID(1))
	if err != nil {
		t.Fatal(err)
	}
	if linked, moved := got.Link.Status == model.Linked, watermark(t, st) == 5; linked != moved {
		t.Errorf("the verdict is stored: %v, the watermark: %v", linked, moved)
	}
}

func keepPending(model.Evidence) model.Verdict { return model.Verdict{Status: model.Pending} }

func watermark(t *testing.T, st Store) store.Watermark {
	t.Helper()
	w, err := st.Watermark(t.Context())
	if err != nil {
		t.Fatalf("watermark: %v", err)
	}
	return w
}

// work returns a portion, its evidence by the number of the request.
func work(t *testing.T, st Store, after store.Watermark, now time.Time, limit int) store.Work {
	t.Helper()
	w, err := st.Work(t.Context(), after, now, limit, 1000)
	if err != nil {
		t.Fatalf("work: %v", err)
	}
	slices.SortFunc(w.Evidence, func(a, b model.Evidence) int { return number(a.Request.ID) - number(b.Request.ID) })
	if got := numbers(w.Evidence); len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("a portion offers a request twice: %v", got)
	}
	if w.Next < after {
		t.Errorf("the watermark would go back from %d to %d", after, w.Next)
	}
	return w
}

func commit(t *testing.T, st Store, w store.Work, judge func(model.Evidence) model.Verdict) {
	t.Helper()
	var links []model.Link
	for _, e := range w.Evidence {
		l := model.Link{RequestID: e.Request.ID, Verdict: judge(e), JudgedAt: epoch}
		if number(e.Request.ID)%2 == 0 { // which some set and some do not
			l.Row = e.Row
		}
		links = append(links, l)
	}
	putLinks(t, st, w.Next, links...)
}

func putLinks(t *testing.T, st Store, next store.Watermark, links ...model.Link) {
	t.Helper()
	if err := st.PutLinks(t.Context(), links, next); err != nil {
		t.Fatalf("put links: %v", err)
	}
}

// judgeAll does all the work there is, at a time before any is due, and
// returns the numbers of the requests that were offered.
func judgeAll(t *testing.T, st Store, judge func(model.Evidence) model.Verdict) []int {
	t.Helper()
	return judgeInPortions(t, st, epoch.Add(-time.Hour), 100, judge)
}

func judgeInPortions(t *testing.T, st Store, now time.Time, limit int, judge func(model.Evidence) model.Verdict) []int {
	t.Helper()
	var offered []int
	for range 1000 {
		w := work(t, st, watermark(t, st), now, limit)
		commit(t, st, w, judge)
		offered = append(offered, numbers(w.Evidence)...)
		if !w.More {
			return offered
		}
	}
	t.Fatalf("the walk does not end; offered so far: %v", fmt.Sprint(offered[:min(len(offered), 50)]))
	return nil
}

// once reports an error unless each of the requests 1 to total was offered once.
func once(t *testing.T, offered []int, total int) {
	t.Helper()
	var want []int
	for n := 1; n <= total; n++ {
		want = append(want, n)
	}
	slices.Sort(offered)
	diff(t, "requests offered", want, offered)
}

// number is the inverse of eventID.
func number(id model.EventID) int { return int(binary.BigEndian.Uint64(id[:])) }

func numbers(evidence []model.Evidence) []int {
	var n []int
	for _, e := range evidence {
		n = append(n, number(e.Request.ID))
	}
	return n
}

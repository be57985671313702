package link

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is the reference store, and counts what a pass asks of it.
type engine struct {
	storetest.Memory
	mu     sync.Mutex
	judged int           // verdicts stored, repeated ones too
	looks  int           // portions asked for
	fail   error         // of every call
	slow   time.Duration // how long a portion takes
}

var _ store.Linker = (*engine)(nil)

func (e *engine) write(t *testing.T, b store.Batch) {
	t.Helper()
	if err := e.Write(t.Context(), b); err != nil {
		t.Error(err)
	}
}

func (e *engine) putRequests(t *testing.T, all ...model.RequestEvent) {
	t.Helper()
	e.write(t, store.Batch{Requests: all})
}

func (e *engine) putSpans(t *testing.T, facts ...model.SpanFacts) {
	t.Helper()
	e.write(t, store.Batch{Spans: spansOf(facts...)})
}

// spansOf makes spans of what a verdict knows of them.
func spansOf(facts ...model.SpanFacts) []model.Span {
	all := make([]model.Span, len(facts))
	for i, s := range facts {
		all[i] = model.Span{
			TraceID: s.TraceID, SpanID: s.SpanID, ParentSpanID: s.ParentSpanID, Kind: s.Kind, Flags: s.Flags, Start: s.Start, Duration: s.Duration,
			Service: s.Service, Route: s.Route, Entry: s.Entry, Via: s.Via, DtrState: s.DtrState, Dtr: s.Dtr,
		}
	}
	return all
}

func (e *engine) link(t *testing.T, id model.EventID) model.Link {
	t.Helper()
	r, err := e.Request(t.Context(), id)
	if err != nil {
		t.Error(err)
	}
	return r.Link
}

func (e *engine) setFail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

// counts returns how many verdicts were stored and how many portions asked for.
func (e *engine) counts() (judged, looks int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.judged, e.looks
}

func (e *engine) call(judged, looks int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail == nil {
		e.judged += judged
		e.looks += looks
	}
	return e.fail
}

func (e *engine) Watermark(ctx context.Context) (store.Watermark, error) {
	if err := e.call(0, 0); err != nil {
		return 0, err
	}
	return e.Memory.Watermark(ctx)
}

func (e *engine) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	if err := e.call(0, 1); err != nil {
		return store.Work{}, err
	}
	<-time.After(e.slow)
	return e.Memory.Work(ctx, after, now, limit, maxSpans)
}

func (e *engine) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if err := e.call(len(links), 0); err != nil {
		return err
	}
	for i := range links {
		if links[i].Row == 0 {
			return errors.New("a link without the row of its request")
		}
	}
	return e.Memory.PutLinks(ctx, links, next)
}

// start runs a pass until the test ends or stop is called.
func start(t *testing.T, e *engine, onError func(error)) (p *Pass, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	p = &Pass{Store: e, Wait: wait, Interval: time.Second, Now: time.Now, OnError: onError}
	go func() { ended <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	}
}

// arrived makes a request that came in now.
func arrived(id byte) model.RequestEvent {
	return fetch(func(r *model.RequestEvent) {
		r.ID, r.Received = model.EventID{id}, time.Now()
		r.Sent.TraceID[15], r.Sent.SpanID[7] = id, id
	})
}

func spanFor(r model.RequestEvent, change ...func(*model.SpanFacts)) model.SpanFacts {
	s := server(entry, r.Sent.SpanID, change...)
	s.TraceID, s.Dtr.SpanID = r.Sent.TraceID, r.Sent.SpanID
	return s
}

// elapse moves the bubble's clock on, and returns once everything has settled.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expect lets the pass look once more and compares.
func expect(t *testing.T, e *engine, id model.EventID, status model.LinkStatus, reason model.LinkReason) {
	t.Helper()
	elapse(1500 * time.Millisecond) // the next look is over
	if l := e.link(t, id); l.Status != status || l.Reason != reason {
		t.Errorf("%v is %q %q, want %q %q", id, l.Status, l.Reason, status, reason)
	}
}

// NTP may set the server's clock back: what is judged then must not lose against what
// was judged before.
func TestPassWhoseClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		r := arrived(1)
		e.putRequests(t, r)
		if err := e.Memory.PutLinks(t.Context(), []model.Link{{
			RequestID: r.ID, JudgedAt: time.Now().Add(10 * time.Minute),
			Verdict: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		}}, 1); err != nil {
			t.Fatal(err)
		}
		_, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		e.putSpans(t, spanFor(r))
		expect(t, e, r.ID, model.Linked, model.Exact)
	})
}

func TestPassJudgesWhatComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		p, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		r := arrived(1)
		e.putRequests(t, r)
		expect(t, e, r.ID, model.Pending, "")
		s := spanFor(r, func(s *model.SpanFacts) { s.Route, s.Duration = "/cart/{id}", 40*time.Millisecond })
		e.putSpans(t, s)
		expect(t, e, r.ID, model.Linked, model.Exact)
		if got, want := e.link(t, r.ID).Entry, (model.EntryFacts{Service: "cart", Route: "/cart/{id}", Start: s.Start, Duration: s.Duration}); got != want {
			t.Errorf("the entry span's facts are %+v, want %+v", got, want)
		}

		judged, _ := e.counts()
		e.putSpans(t, spanFor(r, at(time.Second), func(s *model.SpanFacts) { s.SpanID = proxy }))
		elapse(time.Hour)
		if again, _ := e.counts(); again != judged {
			t.Errorf("a final verdict was given %d times more", again-judged)
		}
		if s := p.Stats(); s.Judged != 2 || s.Stored != 2 || s.Failures != 0 || s.Err != nil || time.Since(s.CaughtUp) > time.Second || s.Watermark != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPassLateSpansTurnAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		_, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		r := arrived(1)
		e.putRequests(t, r)
		expect(t, e, r.ID, model.Pending, "")
		due := e.link(t, r.ID).Due
		elapse(time.Until(due) - time.Second)
		if got := e.link(t, r.ID).Status; got != model.Pending {
			t.Errorf("%s before it is due", got)
		}
		expect(t, e, r.ID, model.Unlinked, model.BackendNotInstrumented)

		elapse(time.Hour)
		gateway := spanFor(r, func(s *model.SpanFacts) { s.ParentSpanID = nobody })
		e.putSpans(t, gateway)
		expect(t, e, r.ID, model.Partial, model.ParentRewritten)
		e.putSpans(t, spanFor(r, func(s *model.SpanFacts) { s.SpanID, s.Kind = nobody, model.SpanClient }))
		expect(t, e, r.ID, model.Linked, model.ViaIntermediary)
	})
}

func TestPassJudgesInPortions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		const requests = 2*portion + 10
		for i := range requests {
			e.putRequests(t, fetch(func(r *model.RequestEvent) {
				r.ID, r.Received = model.EventID{byte(i), byte(i >> 8), 1}, time.Now()
				r.Sent.TraceID[14], r.Sent.TraceID[15] = byte(i), byte(i>>8)
			}))
		}
		_, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		synctest.Wait() // the first look, without any waiting
		if judged, looks := e.counts(); judged != requests || looks < 3 {
			t.Errorf("%d verdicts in %d portions, want %d in 3 and more", judged, looks, requests)
		}
	})
}

// What is due comes in time although requests keep coming.
func TestPassOfAFloodGivesWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		due := make([]model.RequestEvent, 100)
		for i := range due {
			due[i] = arrived(byte(i))
		}
		e.putRequests(t, due...)
		_, stop := start(t, e, func(err error) { t.Error(err) })
		expect(t, e, due[7].ID, model.Pending, "")
		stop()
		elapse(wait)
		for i := range 10 * portion {
			e.putRequests(t, fetch(func(r *model.RequestEvent) { r.ID, r.Received = model.EventID{byte(i), byte(i >> 8), 1}, time.Now() }))
		}
		links, given := &firstPortions{engine: e, most: 2}, 0
		p := &Pass{Store: links, Wait: wait, Interval: time.Second, Now: time.Now}
		if _, err := p.catchUp(t.Context()); !errors.Is(err, errPortions) {
			t.Fatal(err)
		}
		for _, r := range due {
			if e.link(t, r.ID).Reason == model.BackendNotInstrumented {
				given++
			}
		}
		if given != len(due) {
			t.Errorf("%d of %d verdicts that were due were given within two portions of a flood", given, len(due))
		}
	})
}

// firstPortions fails once a pass has stored so many portions.
type firstPortions struct {
	*engine
	most int
}

var errPortions = errors.New("enough")

func (f *firstPortions) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if f.most--; f.most < 0 {
		return errPortions
	}
	return f.engine.PutLinks(ctx, links, next)
}

// A page that many users get may carry one trace of the application's own. Each span of it
// concerns all of its requests, and only those that it changes are stored again.
func TestPassOfATraceThatManyRequestsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		p, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		const requests = 120
		all := make([]model.RequestEvent, requests)
		var spans []model.SpanFacts
		for i := range all {
			all[i] = fetch(hint(model.ContextExternal), func(r *model.RequestEvent) {
				r.ID, r.Received, r.SessionID = model.EventID{byte(i), byte(i >> 8), 1}, time.Now(), ""
				r.Sent.SpanID = tracecontext.SpanID{7, byte(i), byte(i >> 8)}
			})
			spans = append(spans, server(tracecontext.SpanID{8, byte(i), byte(i >> 8)}, all[i].Sent.SpanID, noDtr))
		}
		e.putRequests(t, all...)
		e.putSpans(t, spans[:requests/2]...)
		expect(t, e, all[0].ID, model.Partial, model.TracestateLost)
		e.putSpans(t, spans[requests/2:]...) // from here on all have theirs
		expect(t, e, all[requests-1].ID, model.Partial, model.TracestateLost)
		for i := range 20 {
			before := p.Stats()
			e.putSpans(t, server(tracecontext.SpanID{9, byte(i)}, spans[i].SpanID, noDtr, kind(model.SpanInternal)))
			elapse(1500 * time.Millisecond)
			now := p.Stats()
			if now.Judged-before.Judged != requests || now.Stored != before.Stored && i > 0 {
				t.Fatalf("span %d of the shared trace: %d judged and %d stored, want %d and none", i, now.Judged-before.Judged, now.Stored-before.Stored, requests)
			}
		}
		e.putSpans(t, server(tracecontext.SpanID{9, 99}, all[5].Sent.SpanID, func(s *model.SpanFacts) { s.Dtr.SpanID = all[5].Sent.SpanID }))
		expect(t, e, all[5].ID, model.Linked, model.Exact)
		elapse(wait) // what was due meanwhile is given again, and then nothing is
		judged := p.Stats().Judged
		elapse(time.Hour)
		if again := p.Stats().Judged; again != judged {
			t.Errorf("%d verdicts given without a reason", again-judged)
		}
	})
}

// Where spans of a large trace keep coming, the pass rests in between.
func TestPassRestsFromWorkInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{slow: 500 * time.Millisecond}
		r := arrived(1)
		e.putRequests(t, r)
		e.putSpans(t, spanFor(r, noDtr))
		p := &Pass{Store: e, Wait: time.Nanosecond, Interval: 100 * time.Millisecond, Now: time.Now}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				e.putSpans(t, spanFor(r, noDtr, kind(model.SpanInternal), isLocal, func(s *model.SpanFacts) {
					s.SpanID, s.ParentSpanID = tracecontext.SpanID{9, byte(i), byte(i >> 8)}, entry
				}))
				<-time.After(10 * time.Millisecond)
			}
		})
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		elapse(10 * time.Second) // both of its verdicts are stored
		_, before := e.counts()
		elapse(20 * time.Second)
		if _, looks := e.counts(); looks-before != 10 { // 0.5 s each, and 1.5 s of rest
			t.Errorf("%d looks in 20 seconds, want 10", looks-before)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		writer.Wait()
	})
}

func TestPassGoesOnWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		first, second := arrived(1), arrived(2)
		e.putRequests(t, first)
		_, stop := start(t, e, func(err error) { t.Error(err) })
		expect(t, e, first.ID, model.Pending, "")
		stop()

		e.putRequests(t, second)
		e.putSpans(t, spanFor(first))
		judged, _ := e.counts()
		_, stop = start(t, e, func(err error) { t.Error(err) })
		defer stop()
		expect(t, e, first.ID, model.Linked, model.Exact)
		expect(t, e, second.ID, model.Pending, "")
		if again, _ := e.counts(); again != judged+2 {
			t.Errorf("%d verdicts after the restart, want 2", again-judged)
		}
	})
}

func TestPassBacksOffWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		locked := errors.New("locked")
		e.setFail(locked)
		begin := time.Now()
		var tries []time.Duration
		p, stop := start(t, e, func(err error) {
			if !errors.Is(err, locked) {
				t.Error(err)
			}
			tries = append(tries, time.Since(begin))
		})
		defer stop()
		elapse(5 * time.Minute)
		var want []time.Duration
		for _, s := range []int{0, 2, 6, 14, 30, 62, 122, 182, 242} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		if s := p.Stats(); !errors.Is(s.Err, locked) || s.Failures != uint64(len(want)) || !s.CaughtUp.IsZero() {
			t.Errorf("stats %+v", s)
		}

		e.setFail(nil)
		r := arrived(1)
		e.putRequests(t, r)
		elapse(longestBackOff)
		expect(t, e, r.ID, model.Pending, "")
		if s := p.Stats(); s.Err != nil || time.Since(s.CaughtUp) > time.Second {
			t.Errorf("stats %+v", s)
		}
	})
}

// A copy is known by the session that had the answer before, whichever beacon comes first.
func TestPassFindsCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		_, stop := start(t, e, func(err error) { t.Error(err) })
		defer stop()
		load := func(id byte, session string, d time.Duration) model.RequestEvent {
			return document(func(r *model.RequestEvent) {
				r.ID, r.SessionID, r.Start, r.Received = model.EventID{id}, session, began.Add(d), time.Now()
			})
		}
		fresh, copied, late := load(1, "S", 0), load(2, "T", time.Second), load(3, "U", time.Minute)
		e.putSpans(t, server(entry, nobody, noDtr))
		e.putRequests(t, copied)
		expect(t, e, copied.ID, model.Linked, model.Exact) // as far as is known
		e.putRequests(t, fresh, late)
		expect(t, e, fresh.ID, model.Linked, model.Exact)
		expect(t, e, late.ID, model.NotApplicable, model.ServedFromCache)
		elapse(wait)
		expect(t, e, copied.ID, model.NotApplicable, model.ServedFromCache)
		expect(t, e, fresh.ID, model.Linked, model.Exact)
	})
}

// In whatever order and portions everything arrives, the verdicts at the end are those on all of it.
func TestPassInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := &engine{}
		now := received
		p := &Pass{Store: e, Wait: wait, Interval: time.Second, Now: func() time.Time { return now }}
		var writes []store.Batch
		spans := map[model.SpanContext]bool{}
		for i := range rapid.IntRange(1, 4).Draw(rt, "requests") {
			drawn := drawEvidence(rt)
			r := drawn.Request
			r.ID, r.SessionID = model.EventID{byte(i + 1)}, ""
			writes = append(writes, store.Batch{Requests: []model.RequestEvent{r}})
			for _, s := range slices.Concat(drawn.Trace, drawn.AnswerTrace, drawn.ByDtr) {
				if !spans[s.SpanContext] {
					spans[s.SpanContext] = true
					writes = append(writes, store.Batch{Spans: spansOf(s)})
				}
			}
		}
		for _, b := range rapid.Permutation(writes).Draw(rt, "writes") {
			if err := e.Write(t.Context(), b); err != nil {
				rt.Fatal(err)
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(rt, "seconds")) * time.Second)
			if rapid.Bool().Draw(rt, "look") {
				if _, err := p.catchUp(t.Context()); err != nil {
					rt.Fatal(err)
				}
			}
		}
		now = now.Add(wait)
		if _, err := p.catchUp(t.Context()); err != nil {
			rt.Fatal(err)
		}
		for _, b := range writes {
			for _, r := range b.Requests {
				evidence, err := e.Evidence(t.Context(), r.ID, maxSpans)
				if err != nil {
					rt.Fatal(err)
				}
				want, got := Judge(evidence, now, wait), e.link(t, r.ID)
				if got.Status != want.Status || got.Reason != want.Reason || got.Detail != want.Detail || got.Status == model.Pending {
					rt.Fatalf("%v is %+v, and from all evidence %+v", r.ID, got.Verdict, want)
				}
			}
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	chain := make([]model.SpanFacts, 100)
	for i := range chain {
		chain[i] = server([8]byte{1, byte(i + 1)}, [8]byte{1, byte(i)}, kind(model.SpanInternal))
	}
	chain[0].ParentSpanID, chain[0].Kind = request, model.SpanServer
	shop := []model.SpanFacts{server(entry, request), server(proxy, entry, kind(model.SpanClient)), server(nobody, proxy)}
	for name, e := range map[string]model.Evidence{
		"exact, trace of 3 spans":   {Request: fetch(), Trace: shop},
		"document, trace of 3":      {Request: document(measured), Trace: shop},
		"exact, trace of 100 spans": {Request: fetch(), Trace: chain},
		"lost parent, 100 spans":    {Request: fetch(func(r *model.RequestEvent) { r.Sent.SpanID = nobody }), Trace: chain},
		"nothing found":             {Request: fetch()},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				judge(&e, spans{all: e.Trace}, late, wait) // as a pass does
			}
		})
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	shop := []model.SpanFacts{server(entry, request), server(proxy, entry, kind(model.SpanClient)), server(nobody, proxy)}
	for name, e := range map[string]*model.Evidence{
		"exact": {Request: fetch(), Trace: shop}, "document": {Request: document(measured), Trace: shop}, "nothing found": {Request: fetch()},
	} {
		if n := testing.AllocsPerRun(100, func() { judge(e, spans{all: e.Trace}, late, wait) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

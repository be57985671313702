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

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is a store.Linker in memory: as plain as the contract allows.
type engine struct {
	mu        sync.Mutex
	written   store.Watermark
	requests  []write[model.RequestEvent]
	spans     []write[model.SpanFacts]
	links     map[model.EventID]model.Link
	committed store.Watermark
	judged    int   // verdicts stored, repeated ones too
	fail      error // of every call
	portion   int   // at most so many requests a portion, where not 0
}

type write[T any] struct {
	at    store.Watermark
	value T
}

var _ store.Linker = (*engine)(nil)

func newEngine() *engine { return &engine{links: make(map[model.EventID]model.Link)} }

func (e *engine) putRequest(r model.RequestEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written++
	e.requests = append(e.requests, write[model.RequestEvent]{e.written, r})
}

func (e *engine) putSpans(spans ...model.SpanFacts) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written++
	for _, s := range spans {
		e.spans = append(e.spans, write[model.SpanFacts]{e.written, s})
	}
}

func (e *engine) link(id model.EventID) model.Link {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.links[id]
}

func (e *engine) Watermark(context.Context) (store.Watermark, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.committed, e.fail
}

func (e *engine) Work(_ context.Context, after store.Watermark, now time.Time, limit, _ int) (store.Work, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return store.Work{}, e.fail
	}
	if e.portion > 0 {
		limit = e.portion
	}
	work := store.Work{Next: e.written}
	for _, r := range e.requests {
		l, judged := e.links[r.value.ID]
		due := judged && !l.Due.IsZero() && !now.Before(l.Due)
		concerned := judged && !l.Final && slices.ContainsFunc(e.spans, func(s write[model.SpanFacts]) bool {
			return s.at > after && (s.value.TraceID == r.value.Sent.TraceID || s.value.TraceID == r.value.Answer.TraceID)
		})
		if r.at <= after && !due && !concerned {
			continue
		}
		if len(work.Evidence) == limit {
			// Requests are written one at a time here, so the portion ends before this one.
			work.Next, work.More = max(after, r.at-1), true
			return work, nil
		}
		evidence := model.Evidence{Request: r.value, JudgedAt: l.JudgedAt}
		for _, s := range e.spans {
			switch s.value.TraceID {
			case r.value.TraceContext().TraceID:
				evidence.Trace = append(evidence.Trace, s.value)
			case r.value.Answer.TraceID:
				evidence.AnswerTrace = append(evidence.AnswerTrace, s.value)
			}
		}
		work.Evidence = append(work.Evidence, evidence)
	}
	return work, nil
}

func (e *engine) PutLinks(_ context.Context, links []model.Link, next store.Watermark) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	for _, l := range links {
		if l.JudgedAt.Before(e.links[l.RequestID].JudgedAt) {
			continue // of several verdicts the one given last counts
		}
		e.links[l.RequestID] = l
		e.judged++
	}
	e.committed = next
	return nil
}

// start runs a pass until the test ends or stop is called.
func start(t *testing.T, e *engine, onError func(error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	p := &Pass{Store: e, Wait: wait, Interval: time.Second, Now: time.Now, OnError: onError}
	go func() { ended <- p.Run(ctx) }()
	return func() {
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
		r.Sent.TraceID[15] = id
	})
}

func spanFor(r model.RequestEvent, change ...func(*model.SpanFacts)) model.SpanFacts {
	s := server(entry, r.Sent.SpanID, change...)
	s.TraceID = r.Sent.TraceID
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
	if l := e.link(id); l.Status != status || l.Reason != reason {
		t.Errorf("%v is %q %q, want %q %q", id, l.Status, l.Reason, status, reason)
	}
}

// NTP may set the server's clock back: what is judged then must not lose against what
// was judged before.
func TestPassWhoseClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		r := arrived(1)
		e.putRequest(r)
		e.links[r.ID] = model.Link{
			RequestID: r.ID, JudgedAt: time.Now().Add(10 * time.Minute),
			Verdict: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		}
		e.committed = e.written
		defer start(t, e, func(err error) { t.Error(err) })()
		e.putSpans(spanFor(r))
		expect(t, e, r.ID, model.Linked, model.Exact)
	})
}

func TestPassJudgesWhatComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		defer start(t, e, func(err error) { t.Error(err) })()
		r := arrived(1)
		e.putRequest(r)
		expect(t, e, r.ID, model.Pending, "")
		e.putSpans(spanFor(r))
		expect(t, e, r.ID, model.Linked, model.Exact)

		judged := e.judged
		e.putSpans(spanFor(r, at(time.Second)))
		elapse(time.Hour)
		if e.judged != judged {
			t.Errorf("a final verdict was given %d times more", e.judged-judged)
		}
	})
}

func TestPassLateSpansTurnAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		defer start(t, e, func(err error) { t.Error(err) })()
		r := arrived(1)
		e.putRequest(r)
		expect(t, e, r.ID, model.Pending, "")
		due := e.link(r.ID).Due
		elapse(time.Until(due) - time.Second)
		if got := e.link(r.ID).Status; got != model.Pending {
			t.Errorf("%s before it is due", got)
		}
		expect(t, e, r.ID, model.Unlinked, model.BackendNotInstrumented)

		elapse(time.Hour)
		gateway := spanFor(r, func(s *model.SpanFacts) { s.ParentSpanID = nobody })
		e.putSpans(gateway)
		expect(t, e, r.ID, model.Partial, model.ParentRewritten)
		e.putSpans(spanFor(r, func(s *model.SpanFacts) { s.SpanID, s.Kind = nobody, model.SpanClient }))
		expect(t, e, r.ID, model.Linked, model.ViaIntermediary)
	})
}

func TestPassJudgesInPortions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		e.portion = 3
		for id := range byte(10) {
			e.putRequest(arrived(id + 1))
		}
		defer start(t, e, func(err error) { t.Error(err) })()
		synctest.Wait() // the first look, without any waiting
		if len(e.links) != 10 || e.judged != 10 {
			t.Errorf("%d requests judged %d times, want 10 once each", len(e.links), e.judged)
		}
	})
}

func TestPassGoesOnWhereItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		first, second := arrived(1), arrived(2)
		e.putRequest(first)
		stop := start(t, e, func(err error) { t.Error(err) })
		expect(t, e, first.ID, model.Pending, "")
		stop()

		e.putRequest(second)
		e.putSpans(spanFor(first))
		judged := e.judged
		defer start(t, e, func(err error) { t.Error(err) })()
		expect(t, e, first.ID, model.Linked, model.Exact)
		expect(t, e, second.ID, model.Pending, "")
		if e.judged != judged+2 {
			t.Errorf("%d verdicts after the restart, want 2", e.judged-judged)
		}
	})
}

func TestPassBacksOffWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		e.fail = errors.New("locked")
		begin := time.Now()
		var tries []time.Duration
		defer start(t, e, func(err error) {
			if !errors.Is(err, e.fail) {
				t.Error(err)
			}
			tries = append(tries, time.Since(begin))
		})()
		elapse(5 * time.Minute)
		var want []time.Duration
		for _, s := range []int{0, 2, 6, 14, 30, 62, 122, 182, 242} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}

		r := arrived(1)
		e.mu.Lock()
		e.fail = nil
		e.mu.Unlock()
		e.putRequest(r)
		elapse(longestBackOff)
		expect(t, e, r.ID, model.Pending, "")
	})
}

func BenchmarkJudge(b *testing.B) {
	chain := make([]model.SpanFacts, 100)
	for i := range chain {
		chain[i] = server([8]byte{1, byte(i + 1)}, [8]byte{1, byte(i)}, kind(model.SpanInternal))
	}
	chain[0].ParentSpanID, chain[0].Kind = request, model.SpanServer
	for name, e := range map[string]model.Evidence{
		"exact, trace of 100 spans": {Request: fetch(), Trace: chain},
		"nothing found":             {Request: fetch()},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Judge(e, late, wait)
			}
		})
	}
}

package link

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

const (
	// portion is how many requests are judged between two commits. A portion has its price, whatever is in it.
	portion = 4000
	// maxSpans bounds the spans of one trace that bear on a verdict, and with portion the memory of a pass. Those whose
	// parent is the request, and the one that Server-Timing named, come beside.
	maxSpans = 1000
	// longestBackOff bounds the time between two tries while the store fails.
	longestBackOff = time.Minute
	// restFactor and longestRest bound the share of time that goes into verdicts which stay as they were:
	// each span of a trace brings up all of its requests that are not final, and there may be thousands.
	restFactor  = 3
	longestRest = 2 * time.Second
)

// Pass judges the requests that a store holds, as they and their spans come in.
// What it knows beside the store spares work only: after a restart it goes on from the
// store's watermark. One Pass may run on a store at a time; Stats may be called at any time.
type Pass struct {
	Store    store.Linker
	Wait     time.Duration    // for late spans; see Judge
	Interval time.Duration    // between two looks at the store; must be positive
	Now      func() time.Time // the server's clock
	OnError  func(err error)  // told of each try that failed; nil: nobody

	settled settled // of Run's goroutine
	mu      sync.Mutex
	stats   Stats
}

// Stats says how far a pass has come.
type Stats struct {
	// Watermark is the last one committed.
	Watermark store.Watermark
	// CaughtUp is the last moment before which everything that was written and due had been judged; zero
	// before the first. Now minus CaughtUp is the lag: no more than a few seconds where all is well.
	CaughtUp time.Time
	Judged   uint64 // verdicts given
	Stored   uint64 // of them, those that were new or other than the one before
	Failures uint64 // tries that failed
	Err      error  // of the last try; nil where it succeeded
}

// Stats returns how far the pass has come.
func (p *Pass) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *Pass) count(change func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.stats)
}

// Run judges until ctx ends, and then returns nil. When the store fails, OnError
// is told, and Run tries again after a time that doubles with each failure, up
// to a minute.
func (p *Pass) Run(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := p.Interval; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		vain, err := p.catchUp(ctx)
		if ctx.Err() != nil {
			return nil
		}
		p.count(func(s *Stats) {
			if s.Err = err; err != nil {
				s.Failures++
			}
		})
		if err != nil {
			if p.OnError != nil {
				p.OnError(err)
			}
			wait = min(2*wait, longestBackOff)
		} else {
			wait = max(p.Interval, min(restFactor*vain, longestRest))
		}
		pause.Reset(wait)
	}
}

// catchUp judges everything that there is to judge now. vain is how long it took for verdicts that stayed as
// they were. A portion is read and judged while the verdicts of the one before are stored, which waits for whatever else is
// being written. It may not see them yet: what is final by then is left as it is, the rest is judged once more at most.
func (p *Pass) catchUp(ctx context.Context) (vain time.Duration, err error) {
	watermark, err := p.Store.Watermark(ctx)
	if err != nil {
		return 0, fmt.Errorf("link: reading the watermark: %w", err)
	}
	stored := func() error { return nil } // waits for the portion before
	final := map[model.EventID]bool{}     // the requests that it has judged for good
	var now time.Time
	for more := true; more; {
		if at := p.Now(); at.After(now) { // the clock may be set back, and what is judged later must count
			now = at
		}
		work, err := p.Store.Work(ctx, watermark, now, portion, maxSpans)
		if err != nil {
			return vain, cmp.Or(stored(), fmt.Errorf("link: reading what to judge: %w", err))
		}
		offered := len(work.Evidence)
		work.Evidence = slices.DeleteFunc(work.Evidence, func(e model.Evidence) bool { return final[e.Request.ID] })
		links, again, waiting := p.judge(work.Evidence, now)
		if same := len(work.Evidence) - len(links) - waiting; same > 0 {
			vain += max(0, p.Now().Sub(now)) * time.Duration(same) / time.Duration(len(work.Evidence))
		}
		if err := stored(); err != nil {
			return vain, err
		}
		clear(final)
		aboutHost := false
		for i := range links {
			if l := &links[i]; l.Final {
				final[l.RequestID] = true
			} else if l.Reason == model.BackendNotInstrumented {
				aboutHost = true
			}
		}
		moved := work.Next != watermark
		more = work.More && (offered > 0 || moved)
		watermark = work.Next
		putting := make(chan error, 1)
		if len(links) > 0 || moved {
			go func() { putting <- p.Store.PutLinks(ctx, links, work.Next) }()
		} else {
			putting <- nil
		}
		last := !more
		stored = func() error {
			if err := <-putting; err != nil {
				return fmt.Errorf("link: storing %d verdicts: %w", len(links), err)
			}
			p.settled.stored(again)
			p.count(func(s *Stats) {
				s.Watermark = work.Next
				s.Judged += uint64(len(work.Evidence))
				s.Stored += uint64(len(links))
				if last {
					s.CaughtUp = now
				}
			})
			return nil
		}
		if aboutHost { // the first span of their host, which may come now, is found by what is stored of them
			if err := stored(); err != nil {
				return vain, err
			}
			stored = func() error { return nil }
		}
	}
	return vain, stored()
}

// judge returns the links to store, those whose verdict is another one than the store has, and of them
// those of requests that had been judged before. waiting is how many are pending, which the store knows by itself.
func (p *Pass) judge(evidence []model.Evidence, now time.Time) (links, again []model.Link, waiting int) {
	links = make([]model.Link, 0, len(evidence))
	traces := shared{}
	for i := range evidence {
		e := &evidence[i]
		l := model.Link{RequestID: e.Request.ID, Row: e.Row, Verdict: judge(e, traces.of(e.Trace), now, p.Wait), JudgedAt: now}
		l.Entry = entryFacts(e, l.Joined)
		if e.JudgedAt.After(now) { // the clock was set back, and the later verdict must count
			l.JudgedAt = e.JudgedAt
		}
		if e.JudgedAt.IsZero() && l.Verdict == (model.Verdict{Status: model.Pending, Due: e.Due}) {
			waiting++
			continue
		}
		if p.settled.has(&l, e.JudgedAt, now) {
			continue
		}
		links = append(links, l)
		if !e.JudgedAt.IsZero() {
			again = append(again, l)
		}
	}
	return links, again, waiting
}

// entryFacts returns what a link keeps of its entry span; zero where that is not stored.
func entryFacts(e *model.Evidence, joined model.SpanContext) model.EntryFacts {
	if s := joinedSpan(e, joined); s != nil {
		return model.EntryFacts{Service: s.Service, Route: s.Route, Start: s.Start, Duration: s.Duration}
	}
	return model.EntryFacts{}
}

// joinedSpan returns the span that a request is joined to; nil where it is not among the evidence.
func joinedSpan(e *model.Evidence, joined model.SpanContext) *model.SpanFacts {
	if joined.SpanID.IsZero() {
		return nil
	}
	for _, all := range [...][]model.SpanFacts{e.Trace, e.AnswerTrace, e.ByDtr} {
		for i := range all {
			if all[i].SpanContext == joined {
				return &all[i]
			}
		}
	}
	return nil
}

// shared prepares a trace that several requests of a portion have, once for all of them. Its key is the
// first span of the slice that they share.
type shared map[*model.SpanFacts]*spans

func (m shared) of(trace []model.SpanFacts) spans {
	if len(trace) <= fewSpans {
		return spans{all: trace}
	}
	t, again := m[&trace[0]]
	if !again || len(t.all) != len(trace) {
		t = &spans{all: trace}
		m[&trace[0]] = t
	} else {
		t.prepare()
	}
	return *t
}

// settled remembers verdicts that were given more than once and are not final, so that one which each
// span of a large trace brings up again is stored again only where it has changed. It is bounded, and
// what it forgets costs one row.
type settled map[model.EventID]model.Link

// maxSettled bounds the verdicts that are remembered.
const maxSettled = 1 << 15

// has reports whether the store has this link already, but for the time of judging. judgedAt is that of the
// link that it has.
func (m *settled) has(l *model.Link, judgedAt, now time.Time) bool {
	known, ok := (*m)[l.RequestID]
	if !ok || !known.JudgedAt.Equal(judgedAt) || !l.Due.IsZero() && !now.Before(l.Due) {
		return false
	}
	return known.Verdict == l.Verdict && known.Entry == l.Entry && known.Row == l.Row
}

// stored notes links that the store has taken.
func (m *settled) stored(links []model.Link) {
	for i := range links {
		l := &links[i]
		if l.Final {
			delete(*m, l.RequestID)
			continue
		}
		if *m == nil || len(*m) >= maxSettled {
			*m = make(settled)
		}
		(*m)[l.RequestID] = *l
	}
}

package link

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

const (
	// portion is how many requests are judged between two commits.
	portion = 500
	// maxSpans bounds the spans of one trace that bear on a verdict.
	maxSpans = 5000
	// longestBackOff bounds the time between two tries while the store fails.
	longestBackOff = time.Minute
)

// Pass judges the requests that a store holds, as they and their spans come in.
// It keeps no state of its own: after a restart it goes on from the store's
// watermark. One Pass may run on a store at a time.
type Pass struct {
	Store    store.Linker
	Wait     time.Duration    // for late spans; see Judge
	Interval time.Duration    // between two looks at the store; must be positive
	Now      func() time.Time // the server's clock
	OnError  func(err error)  // told of each try that failed; nil: nobody
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
		err := p.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if p.OnError != nil {
				p.OnError(err)
			}
			wait = min(2*wait, longestBackOff)
		default:
			wait = p.Interval
		}
		pause.Reset(wait)
	}
}

// catchUp judges everything that there is to judge now.
func (p *Pass) catchUp(ctx context.Context) error {
	watermark, err := p.Store.Watermark(ctx)
	if err != nil {
		return fmt.Errorf("link: reading the watermark: %w", err)
	}
	for more := true; more; {
		now := p.Now()
		work, err := p.Store.Work(ctx, watermark, now, portion, maxSpans)
		if err != nil {
			return fmt.Errorf("link: reading what to judge: %w", err)
		}
		if len(work.Evidence) == 0 && work.Next == watermark {
			return nil
		}
		links := make([]model.Link, len(work.Evidence))
		for i, e := range work.Evidence {
			links[i] = model.Link{RequestID: e.Request.ID, Verdict: Judge(e, now, p.Wait), JudgedAt: now}
			if e.JudgedAt.After(now) { // the clock was set back, and the later verdict must count
				links[i].JudgedAt = e.JudgedAt
			}
		}
		if err := p.Store.PutLinks(ctx, links, work.Next); err != nil {
			return fmt.Errorf("link: storing %d verdicts: %w", len(links), err)
		}
		watermark, more = work.Next, work.More
	}
	return nil
}

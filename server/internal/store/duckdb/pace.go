package duckdb

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// A pass that falls further behind than memory reaches has to read from the tables what it would have had for nothing, and
// falls behind even more. So a write waits for a pass that is about to do so, for as long as it gets on: the journal holds what
// comes meanwhile. One that stands still is not waited for again before it has moved.
const (
	paceStep  = 5 * time.Millisecond
	paceStill = 2 * time.Second // without a row judged, a pass stands still
)

// pace knows how far judging has come.
type pace struct {
	still   time.Duration // paceStill, but for tests
	judged  atomic.Uint64 // the seq of the last watermark that was stored; zero: nobody has judged since the store was opened
	givenUp atomic.Uint64 // what was judged when the last wait was given up
}

// judgedTo notes a watermark.
func (p *pace) judgedTo(w store.Watermark) {
	seq, _ := split(w)
	p.judged.Store(seq)
}

// awaitPass waits while the oldest rows in memory but one generation are not judged yet.
func (s *Store) awaitPass(ctx context.Context) {
	p := &s.pace
	behind := func() bool {
		judged := p.judged.Load()
		next, work := s.writer.recent.nextToGo()
		return judged > 0 && next > judged+1 && work > judged
	}
	step := p.judged.Load()
	if !behind() || step == p.givenUp.Load() {
		return
	}
	ticker := time.NewTicker(paceStep)
	defer ticker.Stop()
	still := time.NewTimer(p.still)
	defer still.Stop()
	for behind() {
		select {
		case <-ticker.C:
			if now := p.judged.Load(); now != step {
				step = now
				still.Reset(p.still)
			}
		case <-still.C:
			p.givenUp.Store(step)
			return
		case <-ctx.Done():
			return
		}
	}
}

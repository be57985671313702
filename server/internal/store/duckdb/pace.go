package duckdb

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// A pass that falls further behind than memory reaches has to read from the tables what it would have had for nothing, and
// falls behind even more. So a write waits some time for a pass that is about to do so: the journal holds what comes meanwhile.
const (
	paceStep = 5 * time.Millisecond
	paceMost = 500 * time.Millisecond // for one write, so that a pass which stands still does not stop writing
)

// pace knows how far judging has come.
type pace struct {
	judged atomic.Uint64 // the seq of the last watermark that was stored; zero: nobody has judged since the store was opened
}

// judgedTo notes a watermark.
func (p *pace) judgedTo(w store.Watermark) {
	seq, _ := split(w)
	p.judged.Store(seq)
}

// awaitPass waits while the oldest rows in memory but one generation are not judged yet.
func (s *Store) awaitPass(ctx context.Context) {
	behind := func() bool {
		judged := s.pace.judged.Load()
		return judged > 0 && s.writer.recent.nextToGo() > judged+1
	}
	if !behind() {
		return
	}
	ticker := time.NewTicker(paceStep)
	defer ticker.Stop()
	most := time.NewTimer(paceMost)
	defer most.Stop()
	for behind() {
		select {
		case <-ticker.C:
		case <-most.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/store/duckdb"
)

const (
	faultEvery = time.Minute      // between two lines about the same fault
	faultQuiet = 10 * time.Second // without any fault, before it counts as over
)

// logOnChange logs a fault that may come with every message: when it begins, then at most once a minute with how often
// it came, and when it is over. Faults of different kinds are told apart. It is safe for use by many goroutines.
type logOnChange struct {
	log         *slog.Logger
	fault, well string             // what to log
	kind        func(error) string // one of few

	open atomic.Bool // whether a fault was reported that is not over
	mu   sync.Mutex
	seen map[string]*faultSeen
	last time.Time // of all reports
}

// faultSeen is what is known of the faults of one kind.
type faultSeen struct {
	logged time.Time
	more   int // since then, not logged
}

// report notes a fault, and logs it where it is news.
func (l *logOnChange) report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.last = now
	l.open.Store(true)
	kind := l.kind(err)
	f, again := l.seen[kind]
	switch {
	case !again:
		if l.seen == nil {
			l.seen = map[string]*faultSeen{}
		}
		l.seen[kind] = &faultSeen{logged: now}
		l.log.Error(l.fault, "error", err)
	case now.Sub(f.logged) < faultEvery:
		f.more++
	default:
		l.log.Error(l.fault, "error", err, "times", f.more+1)
		f.logged, f.more = now, 0
	}
}

// success notes that all is well, which is news where nothing has failed for a while.
func (l *logOnChange) success() {
	if !l.open.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open.Load() || time.Since(l.last) < faultQuiet {
		return
	}
	more := 0
	for _, f := range l.seen {
		more += f.more
	}
	l.log.Info(l.well, "times", more)
	l.open.Store(false)
	l.seen = nil
}

// faultLogs are those of the server's parts.
type faultLogs struct {
	intake, loader, links, usage, questions logOnChange
}

func newFaultLogs(log *slog.Logger) *faultLogs {
	of := func(fault, well string) logOnChange {
		return logOnChange{log: log, fault: fault, well: well, kind: kindOfFault}
	}
	return &faultLogs{
		intake:    of("data could not be taken; its sender was told to try again", "data is taken again"),
		loader:    of("data waits in the journal; trying again", "the store takes data again"),
		links:     of("links could not be judged; trying again", "links are judged again"),
		usage:     of("what the store holds could not be counted", "what the store holds can be counted again"),
		questions: of("a question could not be answered", ""), // nobody tells of those that could
	}
}

// kindOfFault tells faults apart by what has to be done about them, not by their words, which name positions and files.
func kindOfFault(err error) string {
	if e, ok := errors.AsType[*duckdb.Error](err); ok {
		return e.Op + ": " + string(e.Kind)
	}
	for kind, of := range map[string]error{
		"journal full": journal.ErrFull, "journal failed": journal.ErrFailed, "journal closed": journal.ErrClosed, "too large": journal.ErrTooLarge,
		"deadline": context.DeadlineExceeded, "canceled": context.Canceled,
	} {
		if errors.Is(err, of) {
			return kind
		}
	}
	return "other"
}

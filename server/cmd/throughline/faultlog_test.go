package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

// lines are what a log has had since the last call.
func (b *syncBuffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := strings.TrimSpace(b.buf.String())
	b.buf.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func newTestFaultLog() (*logOnChange, *syncBuffer) {
	buf := &syncBuffer{}
	return &logOnChange{log: slog.New(slog.NewTextHandler(buf, nil)), fault: "not taken", well: "taken again", kind: kindOfFault}, buf
}

func TestFloodOfFaultsIsAFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, buf := newTestFaultLog()
		l.success()
		for i := range 150 * 100 { // 100 a second, for 150 seconds
			l.report(fmt.Errorf("message %d: %w", i, journal.ErrFull))
			l.success() // of a smaller one
			<-time.After(10 * time.Millisecond)
		}
		got := buf.lines()
		if len(got) != 3 || !strings.Contains(got[0], "message 0") || strings.Contains(got[0], "times") ||
			!strings.Contains(got[1], "times=6000") || !strings.Contains(got[2], "times=6000") {
			t.Fatalf("logged %d lines: %.3q", len(got), got)
		}
		<-time.After(faultQuiet)
		l.success()
		l.success()
		if got := buf.lines(); len(got) != 1 || !strings.Contains(got[0], `msg="taken again" times=2999`) {
			t.Errorf("at the end it logged %q", got)
		}
		l.report(journal.ErrFull)
		if got := buf.lines(); len(got) != 1 {
			t.Errorf("a fault after all was well is logged as %q", got)
		}
	})
}

func TestFaultsOfOtherKindsAreNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, buf := newTestFaultLog()
		for range 5 {
			l.report(journal.ErrFull)
			l.report(errors.New("no such device"))
			l.report(fmt.Errorf("again: %w", journal.ErrFailed))
		}
		if got := buf.lines(); len(got) != 3 {
			t.Errorf("logged %q", got)
		}
	})
}

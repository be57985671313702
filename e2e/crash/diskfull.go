package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// The shape of mode diskfull.
const (
	ballastShare = 4                // each of the two ballasts takes a quarter of the file system, since the store grows by what it then takes
	bulk         = 1500             // bytes added to each event and span
	fillTimeout  = 2 * time.Minute  // until every way in refuses
	fullFor      = 2 * time.Second  // refusals alone for so long: the disk is full
	holdFull     = 5 * time.Second  // with the disk full
	recovery     = 60 * time.Second // until every way in takes data again
	fullAnswer   = 10 * time.Second // for a question while the disk is full
)

// diskFull fills a small file system until the server refuses, frees some space,
// and wants the server back without a restart. Then it fills the disk again, kills
// the server, starts it on the full disk, frees space, kills it once more, and counts.
func (h *harness) diskFull(ctx context.Context, t *tally) (err error) {
	began := time.Now()
	small := h.in("small")
	if err := os.Mkdir(small, 0o700); err != nil {
		return err
	}
	unmount, err := mountSmall(ctx, small, h.full)
	if errors.Is(err, errNotRoot) {
		t.skipped = err.Error()
		h.say("diskfull: skipped: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount()) }()

	ballasts := []string{filepath.Join(small, "ballast-1"), filepath.Join(small, "ballast-2")}
	for _, b := range ballasts {
		if err := os.WriteFile(b, make([]byte, h.full<<20/ballastShare), 0o600); err != nil {
			return fmt.Errorf("the ballast: %w", err)
		}
	}
	s := &site{data: filepath.Join(small, "data"), ledger: newLedger()}
	left := h.in("diskfull")
	for n, b := range ballasts {
		// A turn that fails is noted, and the next one still shows whether a restart helps.
		if err := errors.Join(h.pressFull(ctx, t, s, n, b), os.RemoveAll(b)); err != nil {
			t.violate("%v", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	// Whatever happened: what was acknowledged is counted on a disk that has room.
	if err := copyFolder(left, s.data); err != nil {
		return err
	}
	return h.recount(ctx, t, s.ledger, left, "diskfull", "killed, reopened with room", 1, began)
}

// recount opens a copy of a killed server's data, holds it against what was acknowledged, and tells. Where all of it is well,
// both folders are removed.
func (h *harness) recount(ctx context.Context, t *tally, l *ledger, data, mode, how string, stream uint64, began time.Time) error {
	reopened := h.in(mode + "-reopened")
	if err := copyFolder(reopened, data); err != nil {
		return err
	}
	srv, err := h.start(ctx, reopened)
	if err != nil {
		return err
	}
	defer srv.kill()
	first, second, err := verify(ctx, srv, l, t, newRand(h.seed, streams+stream), h.patience)
	if err != nil {
		return err
	}
	if err := srv.stop(); err != nil {
		t.violate("%v", err)
	}
	t.count(func(t *tally) { t.rounds++ })
	h.say("%s: %s: %d items there, lost %d, doubled %d; after sending again %d there, lost %d, doubled %d; %.1f s", mode, how,
		first.present, first.lost, first.doubled, second.present, second.lost, second.doubled, time.Since(began).Seconds())
	if t.failed() {
		return nil
	}
	return errors.Join(os.RemoveAll(data), os.RemoveAll(reopened))
}

// pressFull starts a server on the small file system, which the second time is full
// already, sees it refuse and recover, fills the disk again, and kills it.
func (h *harness) pressFull(ctx context.Context, t *tally, s *site, turn int, ballast string) error {
	began := time.Now()
	srv, err := h.start(ctx, s.data)
	if err != nil {
		return err
	}
	defer srv.kill()
	c, err := connect(srv)
	if err != nil {
		return err
	}
	defer c.close()                    //nolint:errcheck // its server is gone
	stream := streams * uint64(2+turn) //nolint:gosec // 0 or 1
	w := startLoad(ctx, c, s.ledger, t, loadOptions{senders: h.senders, pad: bulk, seed: h.seed, stream: stream})
	defer func() { srv.kill(); w.halt() }() // in this order, else what is not answered is waited for

	if err := w.untilFull(ctx, srv); err != nil {
		return fmt.Errorf("the disk of %d MiB should be full: %w", h.full, err)
	}
	acked, refused := w.counts()
	h.say("diskfull: every way in refuses %.1f s after start %d; acknowledged %v, refused %v", time.Since(began).Seconds(), turn+1, acked, refused)
	asked := h.askWhileFull(ctx, t, srv, s.ledger)
	if err := os.Remove(ballast); err != nil {
		return err
	}
	freed := time.Now()
	acked, _ = w.counts()
	if err := w.until(ctx, srv, recovery, func(now, _ map[string]int) bool { return allAbove(now, acked) }); err != nil {
		return fmt.Errorf("%d MiB were freed, and not every way in took data again: %w", h.full/ballastShare, err)
	}
	h.say("diskfull: full for %v, %d questions answered; takes data again %.1f s after %d MiB were freed",
		holdFull, asked, time.Since(freed).Seconds(), h.full/ballastShare)
	if err := w.untilFull(ctx, srv); err != nil {
		return fmt.Errorf("the disk of %d MiB should be full again: %w", h.full, err)
	}
	if !srv.kill() {
		return srv.endedByItself()
	}
	return ctx.Err()
}

// askWhileFull asks the API for a while, and returns how many answers were good.
func (h *harness) askWhileFull(ctx context.Context, t *tally, srv *server, l *ledger) (answered int) {
	check := newChecker(srv.ui, newRand(h.seed, streams+2))
	check.http.Timeout = fullAnswer
	defer check.http.CloseIdleConnections()
	entries := l.entries()
	for began := time.Now(); time.Since(began) < holdFull; {
		var page requestPage
		err := check.ask(ctx, "/api/v1/requests", url.Values{"limit": {"20"}}, &page)
		if err == nil {
			_, _, err = check.rows(ctx, entries[check.rng.IntN(len(entries))].trace)
		}
		if err != nil {
			t.violate("a question while the disk was full: %v", err)
		} else {
			answered += 2
		}
		if !rest(ctx, lookPause) {
			break
		}
	}
	return answered
}

// allAbove reports whether every family's count is above its count in least.
func allAbove(counts, least map[string]int) bool {
	for _, f := range families {
		if counts[f] <= least[f] {
			return false
		}
	}
	return true
}

// untilFull waits until every way in refuses, and nothing new is acknowledged for a while.
func (l *load) untilFull(ctx context.Context, srv *server) error {
	var acked, refused map[string]int // when something new was last acknowledged
	var since time.Time
	return l.until(ctx, srv, fillTimeout, func(nowAcked, nowRefused map[string]int) bool {
		if !maps.Equal(acked, nowAcked) {
			acked, refused, since = nowAcked, nowRefused, time.Now()
		}
		return time.Since(since) > fullFor && allAbove(nowRefused, refused)
	})
}

// until waits until the counts of the load are as they should be.
func (l *load) until(ctx context.Context, srv *server, patience time.Duration, reached func(acked, refused map[string]int) bool) error {
	deadline := time.Now().Add(patience)
	for {
		acked, refused := l.counts()
		switch {
		case reached(acked, refused):
			return nil
		case srv.ended():
			return srv.endedByItself()
		case time.Now().After(deadline):
			return fmt.Errorf("after %v acknowledged messages are %v, refused ones %v; the log %s ends:\n%s", patience, acked, refused, srv.log, srv.lastLines())
		case !rest(ctx, lookPause):
			return ctx.Err()
		}
	}
}

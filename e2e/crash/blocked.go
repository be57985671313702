package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// storeGate names a file in the server's environment: while the file exists, the
// server pauses before it applies anything to the store.
const storeGate = "THROUGHLINE_DEBUG_STORE_GATE"

// The shape of mode blocked.
const (
	openLoad    = time.Second           // before the store is shut
	blockedRest = 50 * time.Millisecond // of each sender between two messages, to bound what piles up
	gateTakes   = time.Second           // until a shut gate holds
	stillLoad   = 3 * time.Second       // under load with the gate shut, before the kill
)

// blocked shuts the store for a while and goes on sending: what is acknowledged
// meanwhile must come into the store once the gate opens, and after a kill with the
// gate shut.
func (h *harness) blocked(ctx context.Context, t *tally) error {
	began := time.Now()
	gate := h.in("gate")
	s := &site{data: h.in("blocked"), ledger: newLedger()}
	if err := h.pressBlocked(ctx, t, s, gate); err != nil {
		return err
	}
	return h.recount(ctx, t, s.ledger, s.data, "blocked", "killed while blocked, reopened", 3, began)
}

// pressBlocked does what happens before the kill.
func (h *harness) pressBlocked(ctx context.Context, t *tally, s *site, gate string) error {
	srv, err := h.start(ctx, s.data, storeGate+"="+gate)
	if err != nil {
		return err
	}
	defer srv.kill()
	c, err := connect(srv)
	if err != nil {
		return err
	}
	defer c.close() //nolint:errcheck // its server is gone
	check := newChecker(srv.ui, newRand(h.seed, streams+4))
	options := loadOptions{senders: h.senders, pause: blockedRest, seed: h.seed, stream: 3 * streams}
	w := startLoad(ctx, c, s.ledger, t, options)
	defer func() { srv.kill(); w.halt() }() // in this order, else what is not answered is waited for
	rest(ctx, openLoad)

	absorbed, err := h.shut(ctx, srv, check, w, gate, h.block)
	if err != nil {
		return err
	}
	if err := os.Remove(gate); err != nil {
		return err
	}
	w.halt()
	opened := time.Now()
	f, err := check.await(ctx, s.ledger, h.patience)
	if err != nil {
		return err
	}
	t.enter(f)
	h.say("blocked: %d messages acknowledged in %v; %.1f s after the gate opened %d items there, lost %d, doubled %d",
		absorbed, h.block, time.Since(opened).Seconds(), f.present, f.lost, f.doubled)
	if t.failed() {
		return nil
	}

	options.stream += streams
	w = startLoad(ctx, c, s.ledger, t, options)
	if _, err := h.shut(ctx, srv, check, w, gate, stillLoad); err != nil {
		return err
	}
	if !srv.kill() {
		return srv.endedByItself()
	}
	return ctx.Err()
}

// shut shuts the gate for a while. It returns how many messages were acknowledged
// meanwhile, and fails where the gate does not hold, or where the load stands still.
func (h *harness) shut(ctx context.Context, srv *server, check *checker, w *load, gate string, during time.Duration) (absorbed int, err error) {
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		return 0, err
	}
	rest(ctx, gateTakes)
	total := func() (n int) {
		acked, _ := w.counts()
		for _, f := range families {
			n += acked[f]
		}
		return n
	}
	before, start := total(), time.Now()
	visible, err := check.list(ctx, start)
	if err != nil {
		return 0, fmt.Errorf("a question while the store was blocked: %w", err)
	}
	holds := func() error {
		now, err := check.list(ctx, time.Now())
		if err != nil {
			return fmt.Errorf("a question while the store was blocked: %w", err)
		}
		if n := len(now) - len(visible); n != 0 {
			return fmt.Errorf("%d requests came into the store while it was blocked: the server does not heed %s, and nothing was proved", n, storeGate)
		}
		return nil
	}
	rest(ctx, gateTakes)
	if err := holds(); err != nil {
		return 0, err
	}
	stall := min(15*time.Second, h.block/2) // without an acknowledgement is too long
	for last, moved := before, start; time.Since(start) < during; {
		if now := total(); now > last {
			last, moved = now, time.Now()
		}
		if srv.ended() {
			return 0, srv.endedByItself()
		}
		if time.Since(moved) > stall {
			return 0, fmt.Errorf("nothing was acknowledged for %v while the store was blocked: the journal does not absorb it", stall)
		}
		if !rest(ctx, lookPause) {
			return 0, ctx.Err()
		}
	}
	return total() - before, holds()
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// The choices of mode kill.
const (
	chain         = 5                       // rounds that go on with the data of the one before,
	chainMessages = 2000                    // unless so many were sent by then: all that they hold is counted in each round
	shortestLoad  = 50 * time.Millisecond   // before a kill
	earliestKill  = 10 * time.Millisecond   // after a start
	latestKill    = 1500 * time.Millisecond // the same; beyond what a start takes
	maxEarlyKills = 3
)

// streams keeps the choices of rounds and of loads in one seed apart.
const streams = 1 << 20

// site is a data folder and what was sent to it.
type site struct {
	data   string
	ledger *ledger
}

// kill runs the rounds of kill -9 at random moments under load.
func (h *harness) kill(ctx context.Context, t *tally) error {
	var s *site
	for n := range h.rounds {
		if s == nil {
			s = &site{data: h.in(fmt.Sprintf("kill-%d", n)), ledger: newLedger()}
		}
		r := round{harness: h, tally: t, site: s, number: n, rng: newRand(h.seed, uint64(n)), began: time.Now()}
		if err := r.run(ctx); err != nil {
			return fmt.Errorf("round %d: %w", n+1, err)
		}
		if t.failed() {
			return fmt.Errorf("round %d is the first that failed; %s is the folder as the kill left it, and its copy beside it", n+1, r.left)
		}
		if r.last {
			if err := os.RemoveAll(s.data); err != nil {
				return err
			}
			s = nil
		}
	}
	return nil
}

// round is one round of mode kill.
type round struct {
	*harness
	*tally
	*site
	number int
	rng    *rand.Rand
	began  time.Time
	left   string // the folder as the kill left it
	last   bool   // that goes on with this data
	story  string // what was done, for the line of progress
}

func (r *round) run(ctx context.Context) error {
	if err := r.loadAndKill(ctx, r.between(shortestLoad, r.longest)); err != nil {
		return err
	}
	r.left = r.data
	reopened := r.in(fmt.Sprintf("kill-%d-reopened", r.number))
	if err := copyFolder(reopened, r.left); err != nil {
		return err
	}
	r.data = reopened
	if err := r.trouble(ctx); err != nil {
		return err
	}
	srv, err := r.start(ctx, r.data)
	if err != nil {
		return err
	}
	defer srv.kill()
	first, second, err := verify(ctx, srv, r.ledger, r.tally, r.rng, r.patience)
	if err != nil {
		return err
	}
	if r.last = (r.number+1)%chain == 0 || r.ledger.len() > chainMessages; r.last {
		if err := srv.stop(); err != nil {
			r.violate("%v", err)
		}
	} else if !srv.kill() {
		r.violate("%v", srv.endedByItself())
	}
	r.count(func(t *tally) { t.rounds++ })
	r.say("round %d/%d: %s; %d items there, lost %d, doubled %d; after sending again %d there, lost %d, doubled %d; %.1f s",
		r.number+1, r.harness.rounds, r.story, first.present, first.lost, first.doubled, second.present, second.lost, second.doubled, time.Since(r.began).Seconds())
	if r.failed() {
		return nil // the folder is kept
	}
	return os.RemoveAll(r.left)
}

// between draws a time, short ones more often.
func (r *round) between(shortest, longest time.Duration) time.Duration {
	u := r.rng.Float64()
	return shortest + time.Duration(u*u*float64(max(0, longest-shortest)))
}

// trouble kills servers on the reopened folder, in some rounds several times.
func (r *round) trouble(ctx context.Context) error {
	switch choice := r.rng.IntN(4); choice {
	case 0: // several kills in a row while the server starts and replays
		for range 1 + r.rng.IntN(maxEarlyKills) {
			if err := r.killEarly(ctx, r.between(earliestKill, latestKill)); err != nil {
				return err
			}
		}
	case 1: // a kill under load on what the first one left, which may still be replayed
		return r.loadAndKill(ctx, r.between(earliestKill, r.longest/4))
	}
	return nil
}

// killEarly starts a server and kills it, ready or not.
func (r *round) killEarly(ctx context.Context, after time.Duration) error {
	srv, err := r.spawn(ctx, r.data)
	if err != nil {
		return err
	}
	defer srv.kill()
	rest(ctx, after)
	if !srv.kill() {
		return srv.endedByItself()
	}
	r.did("killed %d ms after a start", after.Milliseconds())
	return ctx.Err()
}

// loadAndKill starts a server, lets the senders press it for a while, and kills it.
func (r *round) loadAndKill(ctx context.Context, after time.Duration) error {
	srv, err := r.start(ctx, r.data)
	if err != nil {
		return err
	}
	defer srv.kill()
	c, err := connect(srv)
	if err != nil {
		return err
	}
	defer c.close() //nolint:errcheck // its server is gone
	w := startLoad(ctx, c, r.ledger, r.tally, loadOptions{senders: r.senders, seed: r.seed, stream: r.rng.Uint64N(1<<40) * streams})
	rest(ctx, after)
	alone := !srv.kill()
	w.halt()
	if alone {
		return srv.endedByItself()
	}
	r.did("killed after %d ms of load", after.Milliseconds())
	return ctx.Err()
}

func (r *round) did(format string, args ...any) {
	if r.story != "" {
		r.story += ", "
	}
	r.story += fmt.Sprintf(format, args...)
}

// verify counts what a reopened server holds, sends again what was not
// acknowledged and some of what was, and counts anew.
func verify(ctx context.Context, srv *server, l *ledger, t *tally, rng *rand.Rand, patience time.Duration) (first, second findings, err error) {
	check := newChecker(srv.ui, rng)
	if first, err = check.await(ctx, l, patience); err != nil {
		return first, second, fmt.Errorf("counting: %w", err)
	}
	t.enter(first)
	if first.lost+first.doubled > 0 {
		return first, second, nil // sending again would blur the evidence
	}
	c, err := connect(srv)
	if err != nil {
		return first, second, err
	}
	defer c.close() //nolint:errcheck // nothing is under way
	resend(ctx, c, l, t, rng)
	if second, err = check.await(ctx, l, patience); err != nil {
		return first, second, fmt.Errorf("counting again: %w", err)
	}
	t.enter(second)
	return first, second, nil
}

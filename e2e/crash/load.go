package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// The shape of the senders' behaviour.
const (
	repeatPercent = 10                     // of the sendings repeat what was acknowledged
	remembered    = 64                     // payloads that a sender may repeat
	mostAgain     = 16                     // payloads that wait to be sent again before new ones are made
	refusalPause  = 100 * time.Millisecond // Retry-After is checked, not obeyed: the harness presses
)

// load is senders at work on one server.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	client *client
	ledger *ledger
	tally  *tally

	mu      sync.Mutex
	acked   map[string]int // messages by family, repeats aside
	refused map[string]int
}

// loadOptions say how hard the senders press.
type loadOptions struct {
	senders int
	pause   time.Duration // of each sender between two messages
	pad     int           // bytes added to each event and span
	seed    uint64
	stream  uint64 // tells the loads of one seed apart; a sender adds its number
}

// startLoad sets senders to work until halt is called or ctx ends.
func startLoad(ctx context.Context, c *client, l *ledger, t *tally, o loadOptions) *load {
	ctx, cancel := context.WithCancel(ctx)
	w := &load{cancel: cancel, client: c, ledger: l, tally: t, acked: map[string]int{}, refused: map[string]int{}}
	for i := range o.senders {
		rng := newRand(o.seed, o.stream+uint64(i))
		s := &sender{load: w, rng: rng, pause: o.pause, generator: generator{rng: rng, now: time.Now, pad: o.pad}}
		w.done.Go(func() { s.run(ctx) })
	}
	return w
}

// halt stops the senders and waits until they have finished what they were sending.
func (l *load) halt() {
	l.cancel()
	l.done.Wait()
}

// counts returns how many messages of each family were acknowledged and refused.
func (l *load) counts() (acked, refused map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked, refused = map[string]int{}, map[string]int{}
	for _, f := range families {
		acked[f], refused[f] = l.acked[f], l.refused[f]
	}
	return acked, refused
}

// sender is one of the sources of load.
type sender struct {
	*load
	generator
	rng    *rand.Rand
	pause  time.Duration
	again  []*payload // refused or not answered, to be sent again
	recent []*payload // acknowledged, may be repeated
}

func (s *sender) run(ctx context.Context) {
	for ctx.Err() == nil && s.client.alive() {
		p, repeat := s.choose()
		by := chooseWay(s.rng, p)
		// Stopping the load does not break off what is under way: it is answered, or the
		// server is killed.
		o := s.client.send(context.WithoutCancel(ctx), p, by)
		s.note(p, by, o, repeat)
		pause := s.pause
		if o.result != acknowledged {
			pause = max(pause, refusalPause)
		}
		if !rest(ctx, pause) {
			return
		}
	}
}

// choose returns the next payload, and whether it was acknowledged before.
func (s *sender) choose() (p *payload, repeat bool) {
	if len(s.recent) > 0 && s.rng.IntN(100) < repeatPercent {
		return s.recent[s.rng.IntN(len(s.recent))], true
	}
	if n := len(s.again); n == mostAgain || n > 0 && s.rng.IntN(2) == 0 {
		p, s.again = s.again[0], s.again[1:]
		return p, false
	}
	p = s.next()
	s.ledger.add(p)
	return p, false
}

func chooseWay(rng *rand.Rand, p *payload) way {
	if len(p.events) > 0 {
		return beaconWay
	}
	return otlpProto + way(rng.IntN(int(ways-otlpProto)))
}

// note enters the outcome of a sending.
func (s *sender) note(p *payload, by way, o outcome, repeat bool) {
	record(s.ledger, s.tally, p, by, o, repeat)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch o.result {
	case acknowledged:
		if !repeat {
			s.acked[by.family()]++
			if len(s.recent) == remembered {
				s.recent = s.recent[1:]
			}
			s.recent = append(s.recent, p)
		}
	case refused:
		s.refused[by.family()]++
		fallthrough
	case unanswered:
		if !repeat {
			s.again = append(s.again, p)
		}
	}
}

// record enters an outcome in ledger and tally.
func record(l *ledger, t *tally, p *payload, by way, o outcome, repeat bool) {
	if o.fault != "" {
		t.violate("%s", o.fault)
	}
	first := o.result == acknowledged && l.acknowledge(p)
	t.count(func(t *tally) {
		if repeat {
			t.repeated++
		}
		switch {
		case first:
			t.acknowledged += p.len()
		case o.result == refused:
			t.refused[by.family()+" "+o.reason]++
		case o.result == unanswered:
			t.unanswered++
		}
	})
}

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// The limits of sending again after a server was reopened.
const (
	resenders    = 4
	maxRepeated  = 200 // acknowledged payloads
	resendRounds = 600 // tries of one payload, a pause apart
)

// resend sends again everything that was not acknowledged, until it is, and some
// of what was. It reports payloads that the server would not take.
func resend(ctx context.Context, c *client, l *ledger, t *tally, rng *rand.Rand) {
	type job struct {
		*payload
		by     way
		repeat bool
	}
	var jobs []job
	entries := l.entries()
	for _, e := range entries {
		if !e.acked {
			jobs = append(jobs, job{e.payload, chooseWay(rng, e.payload), false})
		}
	}
	for range min(maxRepeated, len(entries)) {
		if e := entries[rng.IntN(len(entries))]; e.acked {
			jobs = append(jobs, job{e.payload, chooseWay(rng, e.payload), true})
		}
	}
	rng.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	queue := make(chan job)
	var workers sync.WaitGroup
	for range resenders {
		workers.Go(func() {
			for j := range queue {
				taken := false
				for tries := 0; !taken && tries < resendRounds && ctx.Err() == nil; tries++ {
					o := c.send(ctx, j.payload, j.by)
					record(l, t, j.payload, j.by, o, j.repeat)
					taken = o.result == acknowledged
					if o.result == unanswered || o.fault != "" {
						break
					}
					if !taken {
						rest(ctx, refusalPause)
					}
				}
				if !taken && ctx.Err() == nil {
					t.violate("after the restart a payload of %d items was not taken by %s", j.len(), j.by.family())
				}
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	workers.Wait()
}

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ledger remembers what was sent to one data folder and what of it was
// acknowledged. Its methods may be called from many goroutines.
type ledger struct {
	mu       sync.Mutex
	payloads []*payload
	acked    map[*payload]bool
}

func newLedger() *ledger { return &ledger{acked: map[*payload]bool{}} }

// len returns how many payloads there are.
func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.payloads)
}

// add enters a payload before it is sent for the first time.
func (l *ledger) add(p *payload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.payloads = append(l.payloads, p)
}

// acknowledge reports whether it is the first acknowledgement of p.
func (l *ledger) acknowledge(p *payload) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first = !l.acked[p]
	l.acked[p] = true
	return first
}

// entry is a payload and whether it was acknowledged.
type entry struct {
	*payload
	acked bool
}

// entries returns everything that was sent, in the order of the first sending.
func (l *ledger) entries() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]entry, len(l.payloads))
	for i, p := range l.payloads {
		all[i] = entry{p, l.acked[p]}
	}
	return all
}

// maxTold bounds how many broken promises are told in words; all are counted.
const maxTold = 30

// tally is what one mode comes to. Its methods may be called from many goroutines.
type tally struct {
	mu sync.Mutex

	mode                string
	rounds              int
	skipped             string // why the mode did not run
	acknowledged        int    // events and spans
	unanswered          int    // messages
	repeated            int    // messages sent again though acknowledged
	lost, doubled, torn int
	refused             map[string]int // messages by way in and reason
	faulty              int            // promises broken otherwise: answers, verdicts, starts
	told                []string
}

func newTally(mode string) *tally { return &tally{mode: mode, refused: map[string]int{}} }

// count does something to the tally.
func (t *tally) count(do func(*tally)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do(t)
}

// violate notes a promise that the server broke otherwise than by losing or
// doubling data.
func (t *tally) violate(format string, args ...any) {
	t.count(func(t *tally) {
		t.faulty++
		t.tell(fmt.Sprintf(format, args...))
	})
}

func (t *tally) tell(text string) {
	text = strings.TrimSpace(text)
	if len(t.told) < maxTold && !slices.Contains(t.told, text) {
		t.told = append(t.told, text)
	}
}

// enter adds what a look at the server found.
func (t *tally) enter(f findings) {
	t.count(func(t *tally) {
		t.lost += f.lost
		t.doubled += f.doubled
		t.torn += f.torn
		t.faulty += f.strangers + f.pending + f.notLinked
		for _, example := range f.examples {
			t.tell(example)
		}
	})
}

// failed reports whether the server broke a promise.
func (t *tally) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost+t.doubled+t.torn+t.faulty > 0
}

// byReason returns the refusals in a fixed order.
func (t *tally) byReason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.refused) == 0 {
		return "none"
	}
	text := ""
	for _, reason := range slices.Sorted(maps.Keys(t.refused)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", reason, t.refused[reason])
	}
	return text
}

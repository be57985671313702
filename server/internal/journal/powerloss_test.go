package journal_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

// TestPowerLoss: of what was written and not synced, a disk that loses power keeps any
// sectors, in any order. Whatever it keeps, what was acknowledged is there, nothing
// is taken for damage, and what else is there was appended, whole and in order.
func TestPowerLoss(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{quick: true}
		j := open(t, dir, d.options())
		var acknowledged []string
		for range 30 {
			gate := make(chan struct{})
			d.set(func(d *disk) { d.gate = gate })
			var group []string
			var wg sync.WaitGroup
			for i := range 2 + random.IntN(8) {
				payload := strings.Repeat(string(rune('a'+i)), random.IntN(1500))
				group = append(group, payload)
				wg.Go(func() { add(t, j, payload) })
				synctest.Wait()
			}
			gate <- struct{}{} // the first is a group of its own
			synctest.Wait()
			acknowledged = append(acknowledged, group[0])
			group = group[1:]

			content := read(t, filepath.Join(dir, firstName))
			synced := journal.SegmentHeader + int(j.Stats().Last)
			for range 20 {
				left := keepSectors(random, content, synced)
				after, _, err := reopen(t, left)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readAll(t, after, 0)
				if err != nil {
					t.Fatal(err)
				}
				n := min(len(acknowledged), len(got))
				if !slices.Equal(got[:n], acknowledged) {
					t.Fatalf("%d records were acknowledged, %d are there", len(acknowledged), len(got))
				}
				if more := got[n:]; len(more) > len(group) || !slices.Equal(more, group[:len(more)]) {
					t.Fatalf("what was not acknowledged came back as %.100q, was %.100q", more, group)
				}
				closeJournal(t, after)
			}
			d.set(func(d *disk) { d.gate = nil })
			close(gate)
			wg.Wait()
			acknowledged = append(acknowledged, group...)
		}
	})
}

// keepSectors leaves some of the sectors behind what was synced as they were
// written, and zeros, other bytes or nothing of the others.
func keepSectors(random *rand.Rand, content []byte, synced int) []byte {
	left := slices.Clone(content)
	for from := synced; from < len(left); {
		to := min(len(left), (from/512+1)*512)
		switch random.IntN(6) {
		case 0, 1:
			clear(left[from:to])
		case 2:
			for i := from; i < to; i++ {
				left[i] = byte(random.Uint32())
			}
		}
		from = to
	}
	if random.IntN(3) == 0 {
		left = left[:synced+random.IntN(len(left)-synced+1)]
	}
	return left
}

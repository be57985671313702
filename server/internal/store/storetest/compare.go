package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// The environment of Compare: how many seeds, the first of them, and how many steps a
// seed has. More than the defaults is for a soak.
const (
	envSeeds = "STORETEST_SEEDS"
	envSeed  = "STORETEST_SEED"
	envSteps = "STORETEST_STEPS"
)

// Compare gives an engine and Memory the same random history of writes, verdicts,
// restarts and expiry, asks both the same random questions in between, and
// reports the first difference with the seed, the question, both answers and the
// shortest history found that still shows it. open is as of Run.
func Compare(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	first, seeds, steps := setting(t, envSeed, 1), setting(t, envSeeds, 2), setting(t, envSteps, 50)
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			if history, q := difference(t, open, uint64(seed), steps); q != nil {
				t.Errorf("%s=%d %s=%d shows:\n%s", envSeed, seed, envSteps, steps, shrink(t, open, history, *q))
			}
		})
	}
}

func setting(t *testing.T, name string, standard int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return standard
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no positive number", name, s)
	}
	return n
}

// side is one of the two stores that are compared.
type side struct {
	st        Store
	bookmarks []uint64 // the end of Tail after each write
}

// answer is what a store said: a value, or that there is an error and whether it is ErrNotFound.
type answer struct {
	Value    any
	Failed   bool
	NotFound bool
}

// question is something asked of, or done to, both sides, with what to compare of it.
// It holds all that it needs, so that it can be put again to other stores.
type question struct {
	text  string
	ask   func(ctx context.Context, s *side) (any, error)
	parts []question // of a write: its values one by one
}

func (q question) put(ctx context.Context, s *side) (answer, error) {
	v, err := q.ask(ctx, s)
	if err != nil {
		return answer{Failed: true, NotFound: errors.Is(err, store.ErrNotFound)}, err
	}
	return answer{Value: v}, nil
}

// reference is Memory as a Store.
type reference struct{ Memory }

// Reopen keeps all.
func (r *reference) Reopen(*testing.T) Store { return r }

// questionsPerStep is how many questions follow each step of a history.
const questionsPerStep = 8

// difference returns the first question that is answered otherwise, and what was done
// before it; nil where there is none.
func difference(t *testing.T, open func(t *testing.T) Store, seed uint64, steps int) (history []question, q *question) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0x7468726f7567686c))
	memory := new(reference)
	want, got := &side{st: memory}, &side{st: open(t)}
	w := newWorld(rnd, &memory.Memory)
	for i := range steps {
		step := w.step(t, i, steps)
		if compare(t, step, want, got) != "" {
			return history, &step
		}
		history = append(history, step)
		for range questionsPerStep {
			if q := w.question(); compare(t, q, want, got) != "" {
				return history, &q
			}
		}
	}
	return nil, nil
}

// compare puts a question to both sides and returns how their answers differ.
func compare(t *testing.T, q question, want, got *side) string {
	t.Helper()
	a, errA := q.put(t.Context(), want)
	b, errB := q.put(t.Context(), got)
	if reflect.DeepEqual(a, b) || cmp.Equal(a, b, equalAnswers()...) { // the first is fast
		return ""
	}
	return fmt.Sprintf("%s\n(-reference +engine):\n%s\nreference: %+v, error %v\nengine: %+v, error %v",
		q.text, cut(cmp.Diff(a, b, equalAnswers()...)), cut(fmt.Sprintf("%+v", a.Value)), errA, cut(fmt.Sprintf("%+v", b.Value)), errB)
}

func cut(s string) string {
	const most = 6000
	if len(s) > most {
		return s[:most] + " ..."
	}
	return s
}

// The bounds of the search for a short history.
const (
	maxTries  = 400
	maxSearch = 20 * time.Second
)

// shrink leaves out of a history what a difference does without, and reports the rest.
func shrink(t *testing.T, open func(t *testing.T) Store, history []question, q question) string {
	t.Helper()
	tries, end := 0, time.Now().Add(maxSearch)
	replay := func(history []question) string {
		tries++
		want, got := &side{st: new(reference)}, &side{st: open(t)}
		for _, step := range history {
			if d := compare(t, step, want, got); d != "" {
				return d
			}
		}
		return compare(t, q, want, got)
	}
	last := replay(history)
	if last == "" {
		return q.text + "\nshows a difference that the same history does not show again"
	}
	try := func(other []question) bool {
		if tries >= maxTries || time.Now().After(end) {
			return false
		}
		d := replay(other)
		if d != "" {
			history, last = other, d
		}
		return d != ""
	}
	leaveOut := func() {
		for size := (len(history) + 1) / 2; size > 0; size /= 2 {
			for at := 0; at < len(history); {
				if !try(slices.Delete(slices.Clone(history), at, min(at+size, len(history)))) {
					at += size
				}
			}
		}
	}
	leaveOut()
	var single []question
	for _, step := range history {
		if len(step.parts) > 0 {
			single = append(single, step.parts...)
		} else {
			single = append(single, step)
		}
	}
	if try(single) {
		leaveOut()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nafter these %d steps:\n", last, len(history))
	for _, step := range history {
		fmt.Fprintf(&b, "- %s\n", cut(step.text))
	}
	return strings.ReplaceAll(b.String(), "\x00", `\x00`)
}

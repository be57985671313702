package query

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

// live is an engine on an empty store, to be used within synctest.
type live struct {
	t      *testing.T
	store  *storetest.Memory
	engine *Engine
	next   byte
}

func newLive(t *testing.T) *live {
	t.Helper()
	st := new(storetest.Memory)
	return &live{t: t, store: st, engine: New(Config{Reader: st})}
}

// write stores n requests to a host.
func (l *live) write(host string, n int) {
	l.t.Helper()
	var b store.Batch
	for range n {
		l.next++
		b.Requests = append(b.Requests, model.RequestEvent{ID: model.EventID{7: l.next}, Start: noon, Host: host})
	}
	if err := l.store.Write(l.t.Context(), b); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) follow(q TailQuery) *Follower {
	l.t.Helper()
	f, err := l.engine.Follow(l.t.Context(), q)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(f.Close)
	return f
}

// told waits up to d for updates and returns the last digits of the requests in them, and the last update.
func told(t *testing.T, f *Follower, d time.Duration) (ids string, last TailUpdate) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var b strings.Builder
	for {
		u, err := f.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return b.String(), last
		}
		if err != nil {
			t.Fatal(err)
		}
		last = u
		for _, r := range u.Requests {
			b.WriteString(r.ID[15:])
		}
	}
}

func TestTailTellsWhatComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		l.write("shop.example", 1) // before anyone follows
		all, some := l.follow(TailQuery{}), l.follow(TailQuery{Filter: "host:api.example"})
		l.write("shop.example", 1)
		l.write("api.example", 2)
		gotAll, _ := told(t, all, 1500*time.Millisecond)
		gotSome, last := told(t, some, 10*time.Millisecond)
		if gotAll != "234" || gotSome != "34" {
			t.Errorf("told %q and %q, want 234 and 34", gotAll, gotSome)
		}
		some.Close()
		some.Close()
		l.write("shop.example", 1)
		l.write("api.example", 1)
		if again, _ := told(t, l.follow(TailQuery{Filter: "host:api.example", After: last.Cursor}), 3*time.Second); again != "6" {
			t.Errorf("after resuming told %q, want 6", again)
		}
		if rest, _ := told(t, all, 10*time.Millisecond); rest != "56" {
			t.Errorf("then told %q, want 56", rest)
		}
	})
}

func TestTailResumesFromAnEmptyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		start := tailListing.format(cursor{})
		l.write("shop.example", 2)
		if got, _ := told(t, l.follow(TailQuery{After: start}), 2*time.Second); got != "12" {
			t.Errorf("told %q, want 12", got)
		}
		l.write("shop.example", 1)
		beyond := tailListing.format(cursor{number: 1 << 60}) // of a store that is gone
		f := l.follow(TailQuery{After: beyond})
		l.write("shop.example", 1)
		if got, _ := told(t, f, 2*time.Second); got != "4" {
			t.Errorf("told %q, want 4", got)
		}
	})
}

func TestTailWaitsForVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		f := l.follow(TailQuery{Filter: "status:linked"})
		l.write("shop.example", 2)
		links := []model.Link{{RequestID: model.EventID{7: 2}, JudgedAt: noon, Verdict: model.Verdict{Status: model.Linked, Reason: model.Exact}}}
		if got, _ := told(t, f, 3*time.Second); got != "" {
			t.Errorf("told %q before there is a verdict", got)
		}
		if err := l.store.PutLinks(t.Context(), links, 1); err != nil {
			t.Fatal(err)
		}
		got, last := told(t, f, 5*time.Second)
		if got != "2" {
			t.Errorf("told %q, want 2", got)
		}
		f.Close()
		l.write("shop.example", 1)
		links[0].RequestID = model.EventID{7: 3}
		if err := l.store.PutLinks(t.Context(), links, 2); err != nil {
			t.Fatal(err)
		}
		if got, _ := told(t, l.follow(TailQuery{Filter: "status:linked", After: last.Cursor}), 8*time.Second); !strings.HasPrefix(got, "3") {
			t.Errorf("after resuming told %q, want 3", got)
		}
	})
}

func TestTailLooksOnlyWhileSomebodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		counting := &countingStore{Reader: l.store}
		l.engine = New(Config{Reader: counting})
		followers := []*Follower{l.follow(TailQuery{}), l.follow(TailQuery{}), l.follow(TailQuery{})}
		counting.looks.Store(0)
		told(t, followers[0], 10*time.Second+time.Millisecond)
		if counting.looks.Load() != 10 {
			t.Errorf("%d looks in ten seconds for three followers, want 10", counting.looks.Load())
		}
		for _, f := range followers {
			f.Close()
		}
		counting.looks.Store(0)
		<-time.After(10 * time.Second)
		if counting.looks.Load() != 0 {
			t.Errorf("%d looks after all have left", counting.looks.Load())
		}
	})
}

type countingStore struct {
	store.Reader
	looks atomic.Int64
}

func (s *countingStore) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	s.looks.Add(1)
	return s.Reader.Tail(ctx, after, f, limit)
}

func TestTailLetsSlowClientsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		slow, quick := l.follow(TailQuery{}), l.follow(TailQuery{})
		for range followerQueue + 1 {
			l.write("shop.example", 1)
			told(t, quick, 3*tailInterval/2)
		}
		var err error
		seen := 0
		for err == nil {
			var u TailUpdate
			u, err = slow.Next(t.Context())
			seen += len(u.Requests)
		}
		if e, ok := AsError(err); !ok || e.Kind != Busy || e.Hint == "" || seen != followerQueue {
			t.Errorf("after %d requests: %v; want %d and a refusal with a hint", seen, err, followerQueue)
		}
		l.write("shop.example", 1)
		if got, _ := told(t, quick, 2*time.Second); len(got) == 0 {
			t.Error("the quick client is told no more")
		}
	})
}

func TestTailSaysWhatItLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		l.engine = New(Config{Reader: manyStore{l.store}})
		f := l.follow(TailQuery{})
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		total, skipped := 0, 0
		for {
			u, err := f.Next(ctx)
			if err != nil {
				break
			}
			total += len(u.Requests)
			if u.Skipped {
				skipped++
			}
		}
		if total != 2*tailLooks*tailChunk || skipped != 2 {
			t.Errorf("%d requests and %d times skipped in two looks, want %d and 2", total, skipped, 2*tailLooks*tailChunk)
		}
		late := l.follow(TailQuery{After: tailListing.format(cursor{number: 1})})
		updates := []bool{}
		for range tailCatchUp + 1 {
			u, err := late.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			updates = append(updates, u.Skipped)
		}
		if slices.Contains(updates[:tailCatchUp], true) || !updates[tailCatchUp] {
			t.Errorf("a client that was away for long is told of what is left out: %v", updates)
		}
	})
}

// manyStore has a million requests, and a million more each second.
type manyStore struct{ store.Reader }

func (manyStore) Tail(_ context.Context, after uint64, _ store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	end := uint64(time.Now().Unix()-noon.Unix()+1_000_000_000) * 1_000_000
	if limit == 0 {
		return nil, end, nil
	}
	return make([]model.LinkedRequest, limit), after + uint64(limit), nil
}

func TestTailIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		for range MaxFollowers {
			l.follow(TailQuery{})
		}
		_, err := l.engine.Follow(t.Context(), TailQuery{})
		if e, ok := AsError(err); !ok || e.Kind != Busy || e.Hint == "" {
			t.Errorf("one more than %d: %v", MaxFollowers, err)
		}
	})
}

var errStore = errors.New("the store is away")

type failingStore struct {
	store.Reader
	fail atomic.Bool
}

func (s *failingStore) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	if s.fail.Load() {
		return nil, 0, errStore
	}
	return s.Reader.Tail(ctx, after, f, limit)
}

func TestTailEndsWhenTheStoreFailsAndBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t)
		st := &failingStore{Reader: l.store}
		l.engine = New(Config{Reader: st})
		f := l.follow(TailQuery{})
		synctest.Wait()
		st.fail.Store(true)
		if _, err := f.Next(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("Next: %v, want %v", err, errStore)
		}
		synctest.Wait()
		st.fail.Store(false)
		f = l.follow(TailQuery{})
		l.write("shop.example", 1)
		if got, _ := told(t, f, 2*time.Second); got != "1" {
			t.Errorf("then told %q, want 1", got)
		}
	})
}

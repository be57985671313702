package query

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// The limits of live tails.
const (
	MaxFollowers     = 50
	tailInterval     = time.Second
	tailChunk        = store.MaxLimit
	tailLooks        = 8               // chunks that one look takes; what is beyond is left out
	tailCatchUp      = 10              // chunks that a client which resumes may have missed
	tailVerdictDelay = 5 * time.Second // after which a verdict is there, where the filter asks for it
	followerQueue    = 16              // portions that a slow client may be behind
)

// TailQuery asks for requests as they come in.
type TailQuery struct {
	Filter string
	Terms  []store.Term
	After  string // TailUpdate.Cursor of the last update that was received; empty: from now on
}

// TailUpdate is what a follower is told next.
type TailUpdate struct {
	Requests []Request
	Cursor   string // where to resume after this update
	Skipped  bool   // more came in than is shown; what lies between this update and the one before is left out
}

// tail looks at the store once in tailInterval for all followers together, and only while there are any.
type tail struct {
	reader store.Reader

	mu        sync.Mutex
	followers map[*Follower]struct{}
	stop      context.CancelFunc
	live      uint64   // the place up to which the store was read
	judged    uint64   // the same for those who wait for verdicts
	waiting   []window // read and not yet told to those
}

// window is what was read in one go.
type window struct {
	before, after uint64 // places in the order of writing
	requests      []model.LinkedRequest
	count         int  // of requests
	skipped       bool // there is more between before and after
	read          time.Time
}

func newTail(r store.Reader) *tail {
	return &tail{reader: r, followers: map[*Follower]struct{}{}}
}

// Follower receives requests as they come in. One goroutine may use it.
type Follower struct {
	tail   *tail
	filter store.Filter
	judged bool // the filter asks for verdicts, which come later than requests
	place  uint64
	until  uint64 // the place up to which the follower reads by itself
	chunks int    // that it may still read so
	queue  chan window
	failed error // why queue was closed; written before
}

// Follow begins to receive requests as they come in, until Close.
func (q *Engine) Follow(ctx context.Context, in TailQuery) (*Follower, error) {
	s := Selection{Filter: in.Filter, Terms: in.Terms}
	filter, err := s.filter(ofRequests(), stretch{})
	if err != nil {
		return nil, err
	}
	f := &Follower{tail: q.tail, filter: filter, chunks: tailCatchUp, queue: make(chan window, followerQueue)}
	f.judged = slices.ContainsFunc(filter.Terms, func(t store.Term) bool {
		return slices.Contains([]store.Field{store.FieldStatus, store.FieldReason, store.FieldDetail, store.FieldService, store.FieldEndpoint}, t.Field)
	})
	var after cursor
	if in.After != "" {
		if after, err = tailListing.parse(in.After); err != nil {
			return nil, err
		}
	}
	_, end, err := q.reader.Tail(ctx, 0, store.Filter{}, 0)
	if err != nil {
		return nil, fmt.Errorf("looking for the newest request: %w", err)
	}
	if in.After == "" || after.number > end { // the store may be another one by now
		after.number = end
	}
	if err := q.tail.join(f, end, after.number); err != nil {
		return nil, err
	}
	return f, nil
}

// join lets a follower in, which is told what comes after a place; end is that of the store.
func (t *tail) join(f *Follower, end, after uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.followers) >= MaxFollowers {
		return &Error{Busy, fmt.Sprintf("%d clients follow live already", MaxFollowers), "close another live tail, or ask GET /api/v1/requests again and again"}
	}
	if len(t.followers) == 0 {
		ctx, cancel := context.WithCancel(context.Background())
		t.stop, t.live, t.judged, t.waiting = cancel, end, end, nil
		go t.run(ctx)
	}
	f.until = t.live
	if f.judged {
		f.until = t.judged
	}
	f.place = after // where that lies in a window, the follower reads the rest of it by itself
	t.followers[f] = struct{}{}
	return nil
}

// Close ends it. It may be called twice.
func (f *Follower) Close() {
	f.tail.mu.Lock()
	defer f.tail.mu.Unlock()
	f.tail.leave(f, nil)
}

// leave lets a follower go; the last one stops the looking.
func (t *tail) leave(f *Follower, why error) {
	if _, ok := t.followers[f]; !ok {
		return
	}
	delete(t.followers, f)
	f.failed = why
	close(f.queue)
	if len(t.followers) == 0 {
		t.stop()
	}
}

func (t *tail) run(ctx context.Context) {
	ticker := time.NewTicker(tailInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := t.look(ctx, now); err != nil {
				t.fail(ctx, err)
			}
		}
	}
}

// fail ends all followers; they may come again.
func (t *tail) fail(ctx context.Context, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil { // all have left, and others may have come since
		return
	}
	for f := range t.followers {
		t.leave(f, fmt.Errorf("following live: %w", err))
	}
}

// look reads what came in since the last look, and tells it.
func (t *tail) look(ctx context.Context, now time.Time) error {
	t.mu.Lock()
	place := t.live
	t.mu.Unlock()
	for n := 1; ; n++ {
		found, next, err := t.reader.Tail(ctx, place, store.Filter{}, tailChunk)
		if err != nil {
			return err
		}
		if next <= place {
			break
		}
		w := window{before: place, after: next, requests: found, count: len(found), read: now}
		if n == tailLooks && len(found) == tailChunk {
			if _, w.after, err = t.reader.Tail(ctx, 0, store.Filter{}, 0); err != nil {
				return err
			}
			w.after, w.skipped = max(w.after, next), true
		}
		t.tell(ctx, w, false)
		place = w.after
		if len(found) < tailChunk || w.skipped {
			break
		}
	}
	return t.lookForVerdicts(ctx, now)
}

// lookForVerdicts reads again what came in some seconds ago, and tells it with its verdicts.
func (t *tail) lookForVerdicts(ctx context.Context, now time.Time) (err error) {
	for {
		w, wanted := t.due(now)
		if w == nil {
			return nil
		}
		if wanted && w.count > 0 {
			if w.requests, _, err = t.reader.Tail(ctx, w.before, store.Filter{}, w.count); err != nil {
				return err
			}
		}
		t.tell(ctx, *w, true)
	}
}

// due takes the next window whose verdicts should be there, and says whether anyone wants it.
func (t *tail) due(now time.Time) (w *window, wanted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 || now.Sub(t.waiting[0].read) < tailVerdictDelay {
		return nil, false
	}
	first := t.waiting[0]
	t.waiting = t.waiting[1:]
	for f := range t.followers {
		wanted = wanted || f.judged
	}
	return &first, wanted
}

// tell hands a window to the followers, and lets those go that do not keep up.
func (t *tail) tell(ctx context.Context, w window, judged bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if judged {
		t.judged = w.after
	} else {
		t.live = w.after
		later := w
		later.requests = nil // they are read again
		t.waiting = append(t.waiting, later)
	}
	for f := range t.followers {
		if f.judged != judged {
			continue
		}
		select {
		case f.queue <- w:
		default:
			t.leave(f, &Error{Busy, "the client reads too slowly", "resume with Last-Event-ID, or narrow the filter"})
		}
	}
}

// Next waits for what comes in; an update may be empty. It returns an Error of kind Busy when the follower was let
// go because it reads too slowly.
func (f *Follower) Next(ctx context.Context) (TailUpdate, error) {
	for {
		if f.place < f.until {
			return f.catchUp(ctx)
		}
		select {
		case <-ctx.Done():
			return TailUpdate{}, ctx.Err()
		case w, ok := <-f.queue:
			switch {
			case !ok:
				return TailUpdate{}, f.failed
			case w.after <= f.place: // read by itself
			case w.before < f.place:
				f.until = w.after // read in part
			default:
				f.place = w.after
				return f.update(w.requests, w.skipped), nil
			}
		}
	}
}

// catchUp reads what came in while the client was away.
func (f *Follower) catchUp(ctx context.Context) (TailUpdate, error) {
	if f.chunks == 0 {
		f.chunks, f.place = tailCatchUp, f.until
		return f.update(nil, true), nil
	}
	f.chunks--
	found, next, err := f.tail.reader.Tail(ctx, f.place, f.filter, tailChunk)
	if err != nil {
		return TailUpdate{}, fmt.Errorf("catching up: %w", err)
	}
	if next <= f.place { // nothing is there any more
		next = f.until
	}
	if f.place = next; f.place >= f.until {
		f.chunks = tailCatchUp
		if f.judged { // what came in since then is told when it is judged
			f.place = f.until
		}
	}
	return f.update(found, false), nil
}

func (f *Follower) update(found []model.LinkedRequest, skipped bool) TailUpdate {
	u := TailUpdate{Requests: []Request{}, Cursor: tailListing.format(cursor{number: f.place}), Skipped: skipped}
	for i := range found {
		if matches(&f.filter, &found[i]) {
			u.Requests = append(u.Requests, newRequest(&found[i]))
		}
	}
	return u
}

package duckdb

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Most verdicts are given within seconds, and all that bears on them was written within those seconds too. So the
// last rows are kept in memory in the form that Work needs, and only what the directory finds further back is read
// from the tables. It is a copy: after a restart it is empty, and everything is read from the tables.
//
// A generation is the rows of a run of the directory, so that a run lies either in memory or before it.

// keptGenerations is how many generations are kept, about 100,000 rows in all; generationBytes bounds the requests of one, in
// bytes: where they are large, a generation is only a part of a run.
const (
	keptGenerations = 4
	generationBytes = 32 << 20
)

// recent holds the last rows. Its methods may be called from many goroutines.
type recent struct {
	mu      sync.Mutex
	kept    []*generation // in order; the last takes what is added
	last    uint64        // the last seq that was committed
	newHost uint64        // the seq of the last span that was the first from its host
}

// generation is the rows from one seq up to where the next generation begins.
type generation struct {
	first    uint64
	bytes    int         // about what its requests take
	rows     []recentRow // by seq
	requests map[uint64]*recentRequest

	// The heads of lists, whose members name the next, so that a row costs no memory but its own.
	byTrace  map[tracecontext.TraceID]*recentRequest // carried or answered
	bySpan   map[tracecontext.SpanID]*recentRequest  // carried
	byAnswer map[int32]*recentRequest                // by response id
	traces   map[tracecontext.TraceID]*recentSpan
	named    map[tracecontext.SpanID]*recentSpan // SERVER spans by what their dtr entry names
}

// requestBytes and spanBytes are about what a request and a span take beside their texts.
const (
	requestBytes = 1 << 10
	spanBytes    = 384
)

// recentRow is one row: a request or a span.
type recentRow struct {
	seq     uint64
	request *recentRequest // nil: a span
	span    *recentSpan
}

// recentRequest is a request with what its link says.
type recentRequest struct {
	seq   uint64
	event model.RequestEvent
	texts int // their bytes
	link  model.Link

	ofSent, ofAnswer *recentRequest // the next of the trace that it carried, and of the one that answered where that is another
	ofSpan           *recentRequest
	ofResponse       *recentRequest
}

// recentSpan is a span.
type recentSpan struct {
	seq     uint64
	facts   model.SpanFacts
	ofTrace *recentSpan // the next
	ofName  *recentSpan
}

// name is the span id that the dtr entry of a SERVER span names; zero where there is none.
func (s *recentSpan) name() tracecontext.SpanID {
	if f := &s.facts; f.Kind == model.SpanServer && f.DtrState == model.DtrValid {
		return f.Dtr.SpanID
	}
	return tracecontext.SpanID{}
}

// The lists of a generation's rows.
func (g *generation) ofTrace(id tracecontext.TraceID) iter.Seq[*recentRequest] {
	return list(g.byTrace[id], func(q *recentRequest) *recentRequest {
		if q.event.Sent.TraceID == id {
			return q.ofSent
		}
		return q.ofAnswer
	})
}

func (g *generation) ofSpan(id tracecontext.SpanID) iter.Seq[*recentRequest] {
	return list(g.bySpan[id], func(q *recentRequest) *recentRequest { return q.ofSpan })
}

func (g *generation) ofResponse(id int32) iter.Seq[*recentRequest] {
	return list(g.byAnswer[id], func(q *recentRequest) *recentRequest { return q.ofResponse })
}

func list[T any](first *T, next func(*T) *T) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for at := first; at != nil && yield(at); at = next(at) {
		}
	}
}

func newRecent(last uint64) *recent {
	return &recent{last: last, kept: []*generation{newGeneration(last + 1)}}
}

// turn begins another generation.
func (r *recent) turn(first uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin(first)
}

// begin is turn for who holds mu.
func (r *recent) begin(first uint64) {
	kept := r.kept[max(0, len(r.kept)+1-keptGenerations):]
	r.kept = append(slices.Clone(kept), newGeneration(first)) // a copy, since views have the other
}

// nextToGo returns the first row that stays in memory once another generation begins, zero where none is about to go, and the last
// row that makes work for a pass.
func (r *recent) nextToGo() (first, work uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < keptGenerations {
		return 0, 0
	}
	return r.kept[1].first, r.last
}

// forget drops everything: what was removed from the tables is not to be found here either.
func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = []*generation{newGeneration(r.last + 1)}
}

func newGeneration(first uint64) *generation {
	return &generation{
		first: first, requests: map[uint64]*recentRequest{}, byTrace: map[tracecontext.TraceID]*recentRequest{},
		bySpan: map[tracecontext.SpanID]*recentRequest{}, byAnswer: map[int32]*recentRequest{},
		traces: map[tracecontext.TraceID]*recentSpan{}, named: map[tracecontext.SpanID]*recentSpan{},
	}
}

// written is what a transaction has written, for recent.
type written struct {
	requests []*recentRequest
	spans    []*recentSpan
	links    []model.Link
	last     uint64
	newHost  uint64
}

// add adds what was committed.
func (r *recent) add(w *written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newHost = max(r.newHost, w.newHost)
	if len(w.requests)+len(w.spans) > 0 {
		r.last = max(r.last, w.last)
		now := r.kept[len(r.kept)-1]
		now.add(w)
		if now.bytes > generationBytes {
			r.begin(w.last + 1)
		}
	}
	for i := range w.links {
		l := &w.links[i]
		if q := r.request(l.Row); q != nil && q.event.ID == l.RequestID && !l.JudgedAt.Before(q.link.JudgedAt) {
			q.link = *l
		}
	}
}

func (g *generation) add(w *written) {
	for _, q := range w.requests {
		g.bytes += requestBytes + q.texts
		g.requests[q.seq] = q
		g.rows = append(g.rows, recentRow{seq: q.seq, request: q})
		sent, answer := q.event.Sent, &q.event.Answer
		if id := sent.TraceID; !id.IsZero() {
			g.byTrace[id], q.ofSent = q, g.byTrace[id]
		}
		if id := answer.TraceID; !id.IsZero() && id != sent.TraceID {
			g.byTrace[id], q.ofAnswer = q, g.byTrace[id]
		}
		if id := sent.SpanID; !id.IsZero() {
			g.bySpan[id], q.ofSpan = q, g.bySpan[id]
		}
		if id := answer.ResponseID; id != nil {
			g.byAnswer[*id], q.ofResponse = q, g.byAnswer[*id]
		}
	}
	for _, s := range w.spans {
		g.rows = append(g.rows, recentRow{seq: s.seq, span: s})
		g.bytes += spanBytes + len(s.facts.Service) + len(s.facts.Route) + len(s.facts.Via) // some share theirs
		id := s.facts.TraceID
		g.traces[id], s.ofTrace = s, g.traces[id]
		if id := s.name(); !id.IsZero() {
			g.named[id], s.ofName = s, g.named[id]
		}
	}
	slices.SortFunc(g.rows[len(g.rows)-len(w.requests)-len(w.spans):], func(a, b recentRow) int { return cmp.Compare(a.seq, b.seq) })
}

// request returns a request by its seq; nil where it is none of the last. The caller holds mu.
func (r *recent) request(seq uint64) *recentRequest {
	return requestIn(r.kept, seq)
}

func requestIn(kept []*generation, seq uint64) *recentRequest {
	for _, g := range slices.Backward(kept) {
		if seq >= g.first {
			return g.requests[seq]
		}
	}
	return nil
}

// mayJoin reports whether a link may join a request to a trace that it neither carried nor was answered with.
func (r *recent) mayJoin(links []model.Link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(links, func(l model.Link) bool {
		id := l.Joined.TraceID
		if id.IsZero() {
			return false
		}
		q := r.request(l.Row)
		return q == nil || id != q.event.Sent.TraceID && id != q.event.Answer.TraceID
	})
}

// view is the last rows as they are at one moment, and some that come later. What stands before from is not in it.
type view struct {
	r       *recent
	kept    []*generation
	from    uint64
	last    uint64 // the last row
	newHost uint64
}

func (r *recent) view() view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return view{r, r.kept, r.kept[0].first, r.last, r.newHost}
}

// fresh is what the rows of a window concern.
type fresh struct {
	upTo     uint64            // the last row that was looked at
	requests map[uint64]uint64 // by seq, with the last row that concerns each; final ones only where they are new
	traces   map[tracecontext.TraceID]uint64
	named    map[tracecontext.SpanID]uint64
}

// since looks at the rows in (seq, seq+window]. ok is false where not all of them are here, or one of them is the first
// from a host, which may concern any request.
func (v *view) since(seq, window uint64) (f fresh, ok bool) {
	if seq+1 < v.from || v.newHost > seq {
		return fresh{}, false
	}
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	f = fresh{
		upTo: min(v.last, seq+window), requests: map[uint64]uint64{},
		traces: map[tracecontext.TraceID]uint64{}, named: map[tracecontext.SpanID]uint64{},
	}
	for _, g := range v.kept {
		at, _ := slices.BinarySearchFunc(g.rows, seq+1, func(row recentRow, s uint64) int { return cmp.Compare(row.seq, s) })
		for _, row := range g.rows[at:] {
			switch {
			case row.seq > f.upTo:
			case row.request != nil:
				f.requests[row.seq] = row.seq
			default:
				f.traces[row.span.facts.TraceID] = row.seq
				if id := row.span.name(); !id.IsZero() {
					f.named[id] = row.seq
				}
			}
		}
	}
	for _, g := range v.kept {
		for id, cause := range f.traces {
			f.concern(g.ofTrace(id), cause)
		}
		for id, cause := range f.named {
			f.concern(g.ofSpan(id), cause)
		}
	}
	return f, true
}

// concern notes that a row concerns requests.
func (f *fresh) concern(requests iter.Seq[*recentRequest], cause uint64) {
	for q := range requests {
		if !q.link.Final && q.seq <= f.upTo {
			f.requests[q.seq] = max(f.requests[q.seq], cause)
		}
	}
}

// requests returns the requests of a list that are here as evidence without more, and the others by seq.
func (v *view) requests(seqs []uint64) (found []model.Evidence, others []uint64) {
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	found = make([]model.Evidence, 0, len(seqs))
	for _, seq := range seqs {
		q := requestIn(v.kept, seq)
		if q == nil {
			others = append(others, seq)
			continue
		}
		found = append(found, model.Evidence{Request: q.event, Row: q.seq, JudgedAt: q.link.JudgedAt, Due: q.link.Due})
	}
	return found, others
}

// trace returns the spans of a trace that are here, in no order.
func (v *view) trace(id tracecontext.TraceID) []model.SpanFacts {
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	var all []model.SpanFacts
	for _, g := range v.kept {
		for s := g.traces[id]; s != nil; s = s.ofTrace {
			all = append(all, s.facts)
		}
	}
	return all
}

// named returns the SERVER spans that are here and whose dtr entry names a span.
func (v *view) named(id tracecontext.SpanID) []model.SpanFacts {
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	var all []model.SpanFacts
	for _, g := range v.kept {
		for s := g.named[id]; s != nil; s = s.ofName {
			all = append(all, s.facts)
		}
	}
	return all
}

// answered sums up who got one answer: the requests in memory that an index holds and is says yes to.
func (v *view) answered(sum *answerSum, index func(*generation) iter.Seq[*recentRequest], is func(*model.RequestEvent) bool) {
	v.r.mu.Lock()
	defer v.r.mu.Unlock()
	for _, g := range v.kept {
		for q := range index(g) {
			if q.event.SessionID != "" && is(&q.event) {
				sum.add(sameAnswer{q.event.ID, q.event.SessionID, q.event.Start})
			}
		}
	}
}

// pairs returns the requests that fresh rows concern with their causes, in the order of their places, without those whose
// place was judged already.
func (f *fresh) pairs(seq, bucket uint64) []concerned {
	all := make([]concerned, 0, len(f.requests))
	for request, cause := range f.requests {
		if cause == seq+1 && request&(1<<bucketBits-1) < bucket {
			continue
		}
		all = append(all, concerned{request, cause})
	}
	slices.SortFunc(all, func(a, b concerned) int {
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(a.request, b.request))
	})
	return all
}

// interned keeps one copy of each text that many spans have. Theirs may be a part of a much larger text, which
// what is kept of them must not hold in memory.
type interned map[string]string

func (m interned) of(s string) string {
	if s == "" {
		return ""
	}
	kept, ok := m[s]
	if !ok {
		kept = strings.Clone(valid(s))
		m[kept] = kept
	}
	return kept
}

// factsOf is what Work needs to know of a span.
func factsOf(s *model.Span, names interned) model.SpanFacts {
	start := s.Start
	if n, err := nanos(start); err == nil { // else encode says so
		start = timeOf(n)
	}
	return model.SpanFacts{
		SpanContext: model.SpanContext{TraceID: s.TraceID, SpanID: s.SpanID}, ParentSpanID: s.ParentSpanID, Kind: s.Kind, Flags: s.Flags,
		Start: start, Duration: s.Duration, Service: names.of(s.Service), Route: names.of(s.Route), Entry: s.Entry, Via: names.of(s.Via),
		DtrState: model.DtrState(names.of(string(s.DtrState))),
		Dtr: model.Dtr{
			SpanID: s.Dtr.SpanID, Sampled: s.Dtr.Sampled, ApplicationID: names.of(s.Dtr.ApplicationID),
			InstanceID: names.of(s.Dtr.InstanceID), SessionID: names.of(s.Dtr.SessionID),
		},
	}
}

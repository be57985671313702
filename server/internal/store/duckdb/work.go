package duckdb

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// A watermark has two parts. The upper 44 bits are a seq: whatever was written up to
// it has been judged. The row after it, a span for example, may concern more
// requests than a portion holds; they are judged in the order of their buckets, a
// bucket being the lower 20 bits of a request's seq, and the lower 20 bits of the
// watermark say from which bucket on they still wait. work_causes.sql and last_seq.sql
// hold the same numbers.
const bucketBits = 20

func split(w store.Watermark) (seq, bucket uint64) {
	return uint64(w) >> bucketBits, uint64(w) & (1<<bucketBits - 1)
}

func join(seq, bucket uint64) store.Watermark {
	return store.Watermark(seq<<bucketBits | bucket)
}

// workWindow bounds how many rows a portion looks at for what they concern, and so
// the memory of the search. A request that rows of two windows concern is offered twice.
const workWindow = 1 << 13

// settledRows remembers up to which row no request is due any more, so that the search for those that
// are need not look at all rows. It is a hint, and begins at zero.
type settledRows struct {
	mu      sync.Mutex
	upTo    uint64
	lowered uint64 // how often it was
}

func (s *settledRows) get() (upTo, lowered uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upTo, s.lowered
}

// raise moves the hint on, unless it was lowered since get; lower takes it back to before a row.
func (s *settledRows) raise(lowered, upTo uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lowered == lowered {
		s.upTo = max(s.upTo, upTo)
	}
}

func (s *settledRows) lower(row uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upTo = min(s.upTo, row-1)
	s.lowered++
}

// judging is the rows whose verdicts are being stored: they are not due any more, whatever the tables still say.
type judging struct {
	mu   sync.Mutex
	rows map[uint64]int // with how many calls of PutLinks
}

// begin adds the rows of links; end takes them out again.
func (j *judging) begin(links []model.Link) (end func()) {
	count := func(n int) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.rows == nil {
			j.rows = make(map[uint64]int, len(links))
		}
		for i := range links {
			row := links[i].Row
			if j.rows[row] += n; j.rows[row] == 0 {
				delete(j.rows, row)
			}
		}
	}
	count(1)
	return func() { count(-1) }
}

func (j *judging) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.rows)
}

// without returns the rows of a list that are not being stored.
func (j *judging) without(rows []uint64) []uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(rows, func(row uint64) bool { return j.rows[row] > 0 })
}

// Work implements store.Linker. A portion exceeds its limit only where over a million
// requests wait for one span.
func (s *Store) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	const op = "work"
	if limit < 1 || maxSpans < 0 {
		return store.Work{}, invalid(op, "the limit of a portion is %d, of spans %d; at least 1 and 0 are needed", limit, maxSpans)
	}
	if err := s.enter(op); err != nil {
		return store.Work{}, err
	}
	defer s.leave()
	v := s.writer.recent.view() // before the transaction begins, so that this sees what is in view
	// One transaction, so that all queries see the same rows.
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return store.Work{}, s.failure(ctx, op, err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	p, err := s.findPortion(ctx, tx, &v, after, now, limit)
	if err != nil {
		return store.Work{}, s.failure(ctx, op, err)
	}
	evidence, others := v.requests(p.requests)
	found, err := s.requestsBySeq(ctx, op, tx, others)
	if err != nil {
		return store.Work{}, err
	}
	evidence = append(evidence, bare(found)...)
	if err := s.gather(ctx, tx, &v, evidence, maxSpans); err != nil {
		return store.Work{}, s.failure(ctx, op, err)
	}
	return store.Work{Evidence: evidence, Next: p.next, More: p.more}, nil
}

// bare is evidence that is yet to be gathered.
func bare(found []storedRequest) []model.Evidence {
	evidence := make([]model.Evidence, len(found))
	for i := range found {
		r := &found[i]
		evidence[i] = model.Evidence{Request: r.RequestEvent, Row: r.seq, JudgedAt: r.Link.JudgedAt, Due: r.Link.Due}
	}
	return evidence
}

// Evidence implements store.Reader.
func (s *Store) Evidence(ctx context.Context, id model.EventID, maxSpans int) (model.Evidence, error) {
	const op = "evidence"
	if err := store.CheckAtLeast(maxSpans, 0); err != nil {
		return model.Evidence{}, refuse(op, err)
	}
	r, err := s.request(ctx, op, id)
	if err != nil {
		return model.Evidence{}, err
	}
	if err := s.enter(op); err != nil {
		return model.Evidence{}, err
	}
	defer s.leave()
	v := s.writer.recent.view()
	evidence := bare([]storedRequest{r})
	if err := s.gather(ctx, s.db, &v, evidence, maxSpans); err != nil {
		return model.Evidence{}, s.failure(ctx, op, err)
	}
	return evidence[0], nil
}

// portion is the requests, by seq, that a call of Work offers.
type portion struct {
	requests []uint64
	next     store.Watermark
	more     bool
}

// concerned is a request with the seq of the last row that concerns it.
type concerned struct{ request, cause uint64 }

func (c concerned) place() store.Watermark { return join(c.cause-1, c.request&(1<<bucketBits-1)) }

func (s *Store) findPortion(ctx context.Context, tx *sql.Tx, v *view, after store.Watermark, now time.Time, limit int) (portion, error) {
	most := limit + 1 + s.judging.len()
	due, err := s.findDue(ctx, tx, v, now, most)
	if err != nil {
		return portion{}, err
	}
	moreDue := len(due) == most
	due = s.judging.without(due)
	room := max(1, limit-min(len(due), limit/4))
	p, ok, err := s.findRecent(ctx, tx, v, after, room)
	if err == nil && !ok {
		p, err = s.findStored(ctx, tx, after, room)
	}
	if err != nil {
		return portion{}, err
	}
	chosen := make(map[uint64]bool, len(p.requests))
	for _, r := range p.requests {
		chosen[r] = true
	}
	for _, r := range s.judging.without(due) { // some are being stored since
		if chosen[r] {
			continue
		}
		if len(p.requests) >= limit {
			p.more = true
			break
		}
		p.requests = append(p.requests, r)
	}
	p.more = p.more || moreDue
	return p, nil
}

// findStored looks in the tables for the requests that what was written after a watermark concerns.
func (s *Store) findStored(ctx context.Context, tx *sql.Tx, after store.Watermark, room int) (portion, error) {
	p := portion{next: after}
	seq, bucket := split(after)
	last, err := collect(ctx, tx, func(n *sql.Null[uint64]) []any { return []any{n} }, sqlWorkLast, unsigned(seq))
	if err != nil || !last[0].Valid {
		return p, err
	}
	upTo := min(last[0].V, seq+s.window)
	found, cut, err := s.findConcerned(ctx, tx, seq, upTo, bucket, room)
	if err != nil {
		return portion{}, err
	}
	p.take(found, cut, upTo, last[0].V)
	return p, nil
}

// take makes a portion of the requests found for the rows up to one of those up to last.
func (p *portion) take(found []concerned, cut store.Watermark, upTo, last uint64) {
	for _, c := range found {
		p.requests = append(p.requests, c.request)
	}
	if cut != 0 {
		p.next, p.more = cut, true
	} else {
		p.next, p.more = join(upTo, 0), upTo < last
	}
}

// findRecent does what findStored does by what is in memory, and looks in the tables only where the directory says that
// older requests may be concerned. ok is false where memory does not reach far enough back.
func (s *Store) findRecent(ctx context.Context, tx *sql.Tx, v *view, after store.Watermark, room int) (p portion, ok bool, err error) {
	seq, bucket := split(after)
	f, ok := v.since(seq, s.window)
	if !ok {
		return portion{}, false, nil
	}
	p.next = after
	if f.upTo <= seq {
		return p, true, nil
	}
	if err := s.concernOlder(ctx, tx, v, &f); err != nil {
		return portion{}, false, err
	}
	found := f.pairs(seq, bucket)
	if len(found) <= room {
		p.take(found, 0, f.upTo, v.last)
		return p, true, nil
	}
	fit, cut := fitting(found, room)
	p.take(found[:fit], cut, f.upTo, v.last)
	return p, true, nil
}

// fitting returns how many of more requests than there is room for fit, and the watermark before the first that is left; zero
// where none is. The place that does not fit is left whole, but a portion is never empty.
func fitting(found []concerned, room int) (fit int, cut store.Watermark) {
	cut = found[room].place()
	if fit = slices.IndexFunc(found, func(c concerned) bool { return c.place() == cut }); fit > 0 {
		return fit, cut
	}
	if rest := slices.IndexFunc(found, func(c concerned) bool { return c.place() > cut }); rest > 0 {
		return rest, found[rest].place()
	}
	return len(found), 0
}

// concernOlder adds the requests before those in memory that fresh spans concern.
func (s *Store) concernOlder(ctx context.Context, tx *sql.Tx, v *view, f *fresh) error {
	var ranges []seqRange
	var traces []string
	var named []uint64
	d := s.lookup()
	for id := range f.traces {
		if found := d.findBefore(v.from, traceKey(keyRequestTrace, id)); len(found) > 0 {
			ranges, traces = append(ranges, found...), append(traces, id.String())
		}
	}
	for id := range f.named {
		if found := d.findBefore(v.from, idKey(keyRequestSpan, number(id))); len(found) > 0 {
			ranges, named = append(ranges, found...), append(named, number(id))
		}
	}
	type older struct {
		seq                  uint64
		sent, answer, joined traceColumn
		span                 idColumn
	}
	columns := func(o *older) []any { return []any{&o.seq, &o.sent, &o.answer, &o.joined, &o.span} }
	var found []older
	if len(ranges) > 0 {
		near := stretches("requests", "seq, sent_trace_id, answer_trace_id, link_trace_id, sent_span_id, link_final", merged(ranges))
		var err error
		if found, err = collect(ctx, tx, columns, strings.Replace(sqlWorkOlder, "/*near*/", near, 1), traces, named); err != nil {
			return err
		}
	}
	if s.writer.joined.Load() && len(f.traces) > 0 {
		all := make([]string, 0, len(f.traces))
		for id := range f.traces {
			all = append(all, id.String())
		}
		more, err := collect(ctx, tx, columns, sqlWorkJoined, all)
		if err != nil {
			return err
		}
		found = append(found, more...)
	}
	for _, o := range found {
		cause := max(f.traces[tracecontext.TraceID(o.sent)], f.traces[tracecontext.TraceID(o.answer)], f.traces[tracecontext.TraceID(o.joined)], f.named[tracecontext.SpanID(o.span)])
		if cause > 0 && o.seq <= f.upTo {
			f.requests[o.seq] = max(f.requests[o.seq], cause)
		}
	}
	return nil
}

// findDue returns the requests whose verdict is due, the longest overdue first.
func (s *Store) findDue(ctx context.Context, tx *sql.Tx, v *view, now time.Time, limit int) ([]uint64, error) {
	settled, lowered := s.settled.get()
	type waiting struct{ seq, first uint64 }
	columns := func(w *waiting) []any { return []any{&w.seq, &w.first} }
	found, err := collect(ctx, tx, columns, sqlWorkDue, clampNanos(now), int64(noTime), limit, unsigned(settled))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		s.settled.raise(lowered, v.last)
	}
	due := make([]uint64, 0, len(found))
	for _, w := range found {
		if w.seq != 0 {
			due = append(due, w.seq)
		}
		s.settled.raise(lowered, w.first-1)
	}
	return due, nil
}

// findConcerned returns the first requests that rows in (seq, upTo] concern, and the
// watermark before the first that is left; zero where none is.
func (s *Store) findConcerned(ctx context.Context, tx *sql.Tx, seq, upTo, bucket uint64, limit int) ([]concerned, store.Watermark, error) {
	keys, err := freshKeys(ctx, tx, seq, upTo)
	if err != nil {
		return nil, 0, err
	}
	query := strings.Replace(sqlWorkCauses, "/*near*/",
		stretches("requests", "seq, sent_trace_id, answer_trace_id, sent_span_id, link_final", s.find(keys...)), 1)
	columns := func(c *concerned) []any { return []any{&c.request, &c.cause} }
	for n := limit + 1; ; n *= 2 {
		found, err := collect(ctx, tx, columns, query, unsigned(seq), unsigned(upTo), unsigned(bucket), n)
		if err != nil {
			return nil, 0, err
		}
		if len(found) <= limit {
			return found, 0, nil
		}
		fit, cut := fitting(found, limit)
		if cut != 0 {
			return found[:fit], cut, nil
		}
		if len(found) < n {
			return found, 0, nil
		}
	}
}

// freshKeys returns the keys under which requests stand that the spans in (seq, upTo] may concern.
func freshKeys(ctx context.Context, tx *sql.Tx, seq, upTo uint64) ([]key, error) {
	type span struct {
		trace traceColumn
		dtr   sql.Null[uint64]
	}
	fresh, err := collect(ctx, tx, func(v *span) []any { return []any{&v.trace, &v.dtr} }, sqlWorkFresh, unsigned(seq), unsigned(upTo))
	if err != nil {
		return nil, err
	}
	keys := make([]key, 0, 2*len(fresh))
	for _, v := range fresh {
		keys = append(keys, traceKey(keyRequestTrace, v.trace))
		if v.dtr.Valid {
			keys = append(keys, idKey(keyRequestSpan, v.dtr.V))
		}
	}
	return keys, nil
}

// maxStretches bounds the parts of a query; beyond it, those that stand nearest to each other are joined.
const maxStretches = 48

// stretches is a table's columns in some stretches of rows, each of which is read alone.
func stretches(table, columns string, ranges []seqRange) string {
	for apart := uint64(1); len(ranges) > maxStretches; apart *= 4 {
		joined := slices.Clone(ranges[:1])
		for _, r := range ranges[1:] {
			if last := &joined[len(joined)-1]; r.first-last.last <= apart {
				last.last = r.last
			} else {
				joined = append(joined, r)
			}
		}
		ranges = joined
	}
	if len(ranges) == 0 {
		return "(SELECT " + columns + " FROM " + table + " WHERE false)"
	}
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = "SELECT " + columns + " FROM " + table + " WHERE " + r.text()
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")"
}

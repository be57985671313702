package duckdb

import (
	"context"
	"database/sql"
	"slices"
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
const workWindow = 1 << 15

// Work implements store.Linker. A portion exceeds its limit only where over a million
// requests wait for one span. Requests that are due come when the rest is done.
func (s *Store) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	const op = "work"
	if limit < 1 || maxSpans < 0 {
		return store.Work{}, invalid(op, "the limit of a portion is %d, of spans %d; at least 1 and 0 are needed", limit, maxSpans)
	}
	if err := s.enter(op); err != nil {
		return store.Work{}, err
	}
	defer s.leave()
	// One transaction, so that all queries see the same rows.
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return store.Work{}, failure(ctx, op, err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	p, err := s.findPortion(ctx, tx, after, now, limit)
	if err != nil {
		return store.Work{}, failure(ctx, op, err)
	}
	evidence, err := gather(ctx, tx, p.requests, maxSpans)
	if err != nil {
		return store.Work{}, failure(ctx, op, err)
	}
	return store.Work{Evidence: evidence, Next: p.next, More: p.more}, nil
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

func (s *Store) findPortion(ctx context.Context, tx *sql.Tx, after store.Watermark, now time.Time, limit int) (portion, error) {
	p := portion{next: after}
	seq, bucket := split(after)
	last, err := collect(ctx, tx, func(n *sql.Null[uint64]) []any { return []any{n} }, sqlWorkLast, unsigned(seq))
	if err != nil {
		return portion{}, err
	}
	if last[0].Valid {
		upTo := min(last[0].V, seq+s.window)
		found, cut, err := findConcerned(ctx, tx, seq, upTo, bucket, limit)
		if err != nil {
			return portion{}, err
		}
		for _, c := range found {
			p.requests = append(p.requests, c.request)
		}
		if cut != 0 {
			p.next, p.more = cut, true
			return p, nil
		}
		p.next = join(upTo, 0)
		if upTo < last[0].V {
			p.more = true
			return p, nil
		}
	}
	due, err := collect(ctx, tx, func(n *uint64) []any { return []any{n} }, sqlWorkDue, clampNanos(now), int64(noTime), limit+1)
	if err != nil {
		return portion{}, err
	}
	chosen := make(map[uint64]bool, len(p.requests))
	for _, r := range p.requests {
		chosen[r] = true
	}
	for _, r := range due {
		if chosen[r] {
			continue
		}
		if len(p.requests) == limit {
			p.more = true
			break
		}
		p.requests = append(p.requests, r)
	}
	return p, nil
}

// findConcerned returns the first requests that rows in (seq, upTo] concern, and the
// watermark before the first that is left; zero where none is.
func findConcerned(ctx context.Context, tx *sql.Tx, seq, upTo, bucket uint64, limit int) ([]concerned, store.Watermark, error) {
	columns := func(c *concerned) []any { return []any{&c.request, &c.cause} }
	for n := limit + 1; ; n *= 2 {
		found, err := collect(ctx, tx, columns, sqlWorkCauses, unsigned(seq), unsigned(upTo), unsigned(bucket), n)
		if err != nil {
			return nil, 0, err
		}
		if len(found) <= limit {
			return found, 0, nil
		}
		// The place that does not fit is left whole, but a portion is never empty.
		cut := found[limit].place()
		fit := slices.IndexFunc(found, func(c concerned) bool { return c.place() == cut })
		if fit > 0 {
			return found[:fit], cut, nil
		}
		if rest := slices.IndexFunc(found, func(c concerned) bool { return c.place() > cut }); rest > 0 {
			return found[:rest], found[rest].place(), nil
		}
		if len(found) < n {
			return found, 0, nil
		}
	}
}

// gather reads the requests and what bears on their verdicts, with one query for
// each kind of evidence.
func gather(ctx context.Context, tx *sql.Tx, seqs []uint64, maxSpans int) ([]model.Evidence, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	found, err := collect(ctx, tx, requestColumns, sqlWorkRequests, seqs, unsigned(slices.Min(seqs)), unsigned(slices.Max(seqs)))
	if err != nil {
		return nil, err
	}
	evidence := make([]model.Evidence, len(found))
	for i := range found {
		evidence[i].Request, evidence[i].JudgedAt = found[i].RequestEvent, found[i].Link.JudgedAt
	}
	for _, add := range []func(context.Context, *sql.Tx, []model.Evidence, int) error{addTraces, addNamed, addHosts} {
		if err := add(ctx, tx, evidence, maxSpans); err != nil {
			return nil, err
		}
	}
	return evidence, nil
}

// addTraces adds the spans of the traces that requests carried or answers named.
// Requests of one trace share the slice.
func addTraces(ctx context.Context, tx *sql.Tx, evidence []model.Evidence, maxSpans int) error {
	byTrace := map[tracecontext.TraceID][]model.SpanFacts{}
	var ids []string
	for i := range evidence {
		r := &evidence[i].Request
		for _, id := range []tracecontext.TraceID{r.TraceContext().TraceID, r.Answer.TraceID} {
			if _, ok := byTrace[id]; !ok && !id.IsZero() {
				byTrace[id] = nil
				ids = append(ids, id.String())
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := collect(ctx, tx, factColumns, sqlWorkTraces, ids, maxSpans)
	if err != nil {
		return err
	}
	for len(found) > 0 {
		id := found[0].TraceID
		n := slices.IndexFunc(found, func(f model.SpanFacts) bool { return f.TraceID != id })
		if n < 0 {
			n = len(found)
		}
		byTrace[id] = found[:n:n]
		found = found[n:]
	}
	for i := range evidence {
		e := &evidence[i]
		own := e.Request.TraceContext().TraceID
		e.Trace = byTrace[own]
		if answer := e.Request.Answer.TraceID; answer != own {
			e.AnswerTrace = byTrace[answer]
		}
	}
	return nil
}

// addNamed adds the spans of other traces whose dtr entry names the request.
func addNamed(ctx context.Context, tx *sql.Tx, evidence []model.Evidence, maxSpans int) error {
	var at []int // places in evidence
	var ids []uint64
	var traces []string
	for i := range evidence {
		sent := evidence[i].Request.Sent
		if sent.SpanID.IsZero() {
			continue
		}
		trace := ""
		if own := evidence[i].Request.TraceContext().TraceID; !own.IsZero() {
			trace = own.String()
		}
		at, ids, traces = append(at, i), append(ids, number(sent.SpanID)), append(traces, trace)
	}
	if len(ids) == 0 {
		return nil
	}
	type named struct {
		wanted int
		facts  model.SpanFacts
	}
	columns := func(n *named) []any { return append([]any{&n.wanted}, factColumns(&n.facts)...) }
	found, err := collect(ctx, tx, columns, sqlWorkDtr, ids, traces, maxSpans)
	if err != nil {
		return err
	}
	for _, n := range found {
		e := &evidence[at[n.wanted]]
		e.ByDtr = append(e.ByDtr, n.facts)
	}
	return nil
}

// addHosts adds whether any span was seen from the request's host.
func addHosts(ctx context.Context, tx *sql.Tx, evidence []model.Evidence, _ int) error {
	seen := map[string]bool{}
	var hosts []string
	for i := range evidence {
		h := evidence[i].Request.Host
		if _, ok := seen[h]; !ok && h != "" {
			seen[h] = false
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	found, err := collect(ctx, tx, func(h *string) []any { return []any{h} }, sqlWorkHosts, hosts)
	if err != nil {
		return err
	}
	for _, h := range found {
		seen[h] = true
	}
	for i := range evidence {
		evidence[i].HostSeen = seen[evidence[i].Request.Host]
	}
	return nil
}

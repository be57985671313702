package duckdb

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Requests implements store.Reader.
func (s *Store) Requests(ctx context.Context, f store.Filter, p store.Page) ([]model.LinkedRequest, error) {
	const op = "requests"
	if err := cmp.Or(store.CheckLimit(p.Limit), f.Check(store.Field.OfRequest)); err != nil {
		return nil, &Error{Op: op, Kind: KindInvalid, Err: err}
	}
	c := where(p.Limit)
	s.filter(c, &f, requestFields, "start")
	c.before(p.Before, "start")
	seqs, err := s.seqs(ctx, op, c, sqlRequests)
	if err != nil {
		return nil, err
	}
	found, err := s.requestsBySeq(ctx, op, nil, seqs)
	return linked(inListingOrder(found)), err
}

// before adds that a row comes after a place in a listing.
func (c *conditions) before(p *store.Place, time string) {
	if p == nil {
		return
	}
	start, id := clampNanos(p.Start), unsigned(number(p.ID))
	c.and("("+time+" < ? OR "+time+" = ? AND id < ?)", start, start, id)
	c.and(time+" <= ?", start) // which spares looking at newer rows
}

func inListingOrder(found []storedRequest) []storedRequest {
	slices.SortFunc(found, func(a, b storedRequest) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(number(b.ID), number(a.ID)))
	})
	return found
}

// seqs answers a query for the seqs of rows.
func (s *Store) seqs(ctx context.Context, op string, c *conditions, query string) ([]uint64, error) {
	return readAll(ctx, s, op, func(n *uint64) []any { return []any{n} }, c.in(query), c.args...)
}

// requestsBySeq reads requests by their seqs, in no order; without a transaction where q is nil.
func (s *Store) requestsBySeq(ctx context.Context, op string, q querier, seqs []uint64) ([]storedRequest, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	if err := s.enter(op); err != nil {
		return nil, err
	}
	defer s.leave()
	if q == nil {
		q = s.db
	}
	var all []storedRequest
	for _, near := range clusters(seqs) {
		rows := seqRange{near[0], near[len(near)-1]}
		found, err := collect(ctx, q, requestColumns, strings.Replace(sqlRequestsBySeq, "/*rows*/", rows.text()+" AND "+among(near), 1))
		if err != nil {
			return nil, s.failure(ctx, op, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// DuckDB reads 2,048 rows at once. It calls list_contains while it reads them, and reads the other columns only where it has found
// some; but it compares each row with each of the list. Of a join it reads all columns of all rows that stand between.
const (
	fewRows     = 64      // how many rows a list may have
	farApart    = 2048    // rows that stand so far from each other are read apart
	farApartFew = 1 << 15 // so are those of a list
	maxClusters = 64      // a query has its price too
)

// among is the condition that a row is one of some.
func among(seqs []uint64) string {
	list := make([]byte, 0, 12*len(seqs))
	for i, n := range seqs {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, n, 10)
	}
	if len(seqs) <= fewRows {
		return "list_contains([" + string(list) + "]::UBIGINT[], seq)"
	}
	return "seq IN (SELECT unnest([" + string(list) + "]::UBIGINT[]))"
}

// clusters divides rows, in order, at the widest gaps between them.
func clusters(seqs []uint64) [][]uint64 {
	seqs = slices.Sorted(slices.Values(seqs))
	apart := uint64(farApart)
	if len(seqs) <= fewRows {
		apart = farApartFew
	}
	var gaps []int // places of rows that stand far from the one before
	for i := 1; i < len(seqs); i++ {
		if seqs[i]-seqs[i-1] >= apart {
			gaps = append(gaps, i)
		}
	}
	if len(gaps) >= maxClusters {
		slices.SortFunc(gaps, func(a, b int) int { return cmp.Compare(seqs[b]-seqs[b-1], seqs[a]-seqs[a-1]) })
		gaps = slices.Sorted(slices.Values(gaps[:maxClusters-1]))
	}
	var all [][]uint64
	from := 0
	for _, at := range append(gaps, len(seqs)) {
		all, from = append(all, seqs[from:at]), at
	}
	return all
}

// Request implements store.Reader.
func (s *Store) Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error) {
	r, err := s.request(ctx, "request", id)
	return r.LinkedRequest, err
}

func (s *Store) request(ctx context.Context, op string, id model.EventID) (storedRequest, error) {
	query := strings.Replace(sqlRequest, "/*id*/", strconv.FormatUint(number(id), 10), 1)
	found, err := read(ctx, s, op, requestColumns, query, s.find(idKey(keyRequest, number(id))))
	switch {
	case err != nil:
		return storedRequest{}, err
	case len(found) == 0:
		return storedRequest{}, store.ErrNotFound
	}
	found[0].Link.RequestID = id
	return found[0], nil
}

// Tail implements store.Reader.
func (s *Store) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	const op = "tail"
	err := f.Check(store.Field.OfRequest)
	if limit != 0 {
		err = cmp.Or(store.CheckLimit(limit), err)
	}
	if err != nil {
		return nil, 0, &Error{Op: op, Kind: KindInvalid, Err: err}
	}
	end, err := readAll(ctx, s, op, func(n *uint64) []any { return []any{n} }, "SELECT coalesce(max(seq), 0) FROM requests")
	if err != nil {
		return nil, 0, err
	}
	if limit == 0 {
		return nil, max(after, end[0]), nil
	}
	c := where(limit)
	c.and("seq > ?", unsigned(after))
	c.and("seq <= ?", unsigned(end[0]))
	s.filter(c, &f, requestFields, "start")
	seqs, err := s.seqs(ctx, op, c, sqlTail)
	if err != nil {
		return nil, 0, err
	}
	found, err := s.requestsBySeq(ctx, op, nil, seqs)
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(found, func(a, b storedRequest) int { return cmp.Compare(a.seq, b.seq) })
	if len(seqs) == limit {
		return linked(found), seqs[limit-1], nil
	}
	return linked(found), max(after, end[0]), nil
}

// Trace implements store.Reader.
func (s *Store) Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error) {
	const op = "trace"
	if err := store.CheckAtLeast(limit, 0); err != nil {
		return nil, refuse(op, err)
	}
	ranges := s.find(traceKey(keySpanTrace, id))
	// Few traces have more spans than are asked for, and what is not put in order is read sooner.
	found, err := read(ctx, s, op, spanColumns, withTrace(sqlTrace, id, limit+1), ranges)
	if len(found) > limit {
		found, err = read(ctx, s, op, spanColumns, withTrace(sqlTraceFirst, id, limit), ranges)
	}
	slices.SortFunc(found, func(a, b model.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(number(a.SpanID), number(b.SpanID)))
	})
	return found[:min(limit, len(found))], err
}

// TraceRequests implements store.Reader.
func (s *Store) TraceRequests(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.LinkedRequest, error) {
	const op = "trace requests"
	if err := store.CheckLimit(limit); err != nil {
		return nil, &Error{Op: op, Kind: KindInvalid, Err: err}
	}
	if id.IsZero() {
		return nil, nil
	}
	query := strings.Replace(withTrace(sqlTraceRequests, id, limit), "/*rows*/", near(s.find(traceKey(keyRequestTrace, id))), 1)
	seqs, err := readAll(ctx, s, op, func(n *uint64) []any { return []any{n} }, query)
	if err != nil {
		return nil, err
	}
	found, err := s.requestsBySeq(ctx, op, nil, seqs)
	found = slices.DeleteFunc(found, func(r storedRequest) bool { // joined to another one since
		return id != r.Sent.TraceID && id != r.Answer.TraceID && id != r.Link.Joined.TraceID
	})
	found = inListingOrder(found)
	return linked(found[:min(limit, len(found))]), err
}

// withTrace puts a trace id and a limit into a query. DuckDB plans a query without parameters once, one with them when it is
// prepared and again when it is run, and for all columns of a table that takes as long as reading a few rows.
func withTrace(query string, id tracecontext.TraceID, limit int) string {
	return strings.NewReplacer("/*trace*/", "'"+id.String()+"'::UUID", "/*limit*/", strconv.Itoa(limit)).Replace(query)
}

// Watermark implements store.Linker.
func (s *Store) Watermark(ctx context.Context) (store.Watermark, error) {
	found, err := readAll(ctx, s, "watermark", func(w *store.Watermark) []any { return []any{w} }, sqlWatermark)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// Position implements store.Writer.
func (s *Store) Position(ctx context.Context) (store.Position, error) {
	found, err := readAll(ctx, s, "position", func(p *store.Position) []any { return []any{p} }, sqlPosition)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// read answers a call of Store with a query for each of some stretches of rows.
func read[T any](ctx context.Context, s *Store, op string, columns func(*T) []any, query string, ranges []seqRange, args ...any) ([]T, error) {
	if err := s.enter(op); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := ctx.Err(); err != nil { // there may be no stretch to read
		return nil, s.failure(ctx, op, err)
	}
	var all []T
	for _, r := range ranges {
		found, err := readAll(ctx, s, op, columns, strings.Replace(query, "/*rows*/", r.text(), 1), args...)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// readAll answers a call of Store with one query.
func readAll[T any](ctx context.Context, s *Store, op string, columns func(*T) []any, query string, args ...any) ([]T, error) {
	if err := s.enter(op); err != nil {
		return nil, err
	}
	defer s.leave()
	found, err := collect(ctx, s.db, columns, query, args...)
	if err != nil {
		return nil, s.failure(ctx, op, err)
	}
	return found, nil
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// collect runs a query and scans all rows into the destinations that columns
// gives of each.
func collect[T any](ctx context.Context, q querier, columns func(*T) []any, query string, args ...any) ([]T, error) {
	found, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var all []T
	for found.Next() {
		var v T
		if err := found.Scan(columns(&v)...); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, found.Err()
}

// unsigned makes a parameter of a number that may have its first bit set, which
// database/sql does not take as it is.
func unsigned(n uint64) duckdb.TypedValue { return duckdb.Typed(n, duckdb.TYPE_UBIGINT) }

package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Requests implements store.Reader.
func (s *Store) Requests(ctx context.Context, f store.RequestFilter) ([]model.LinkedRequest, error) {
	if f.Limit < 1 || f.Limit > store.MaxLimit {
		return nil, invalid("requests", "the limit %d is not in 1 to %d", f.Limit, store.MaxLimit)
	}
	query, args := requestsQuery(f)
	found, err := read(ctx, s, "requests", requestColumns, query, args...)
	for i := range found {
		found[i].Link.RequestID = found[i].ID
	}
	return found, err
}

// requestsQuery puts the conditions of a filter into requests.sql. The conditions are
// constant text; all values are parameters.
func requestsQuery(f store.RequestFilter) (string, []any) {
	where := []string{"true"}
	args := []any{f.Limit}
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, condition)
	}
	equal := func(column, value string) {
		if value != "" {
			and(column+" = ?", value)
		}
	}
	if !f.From.IsZero() {
		and("start >= ?", clampNanos(f.From))
	}
	if !f.To.IsZero() {
		and("start < ?", clampNanos(f.To))
	}
	if f.Before != nil {
		start, id := clampNanos(f.Before.Start), unsigned(number(f.Before.ID))
		and("start <= ? AND (start < ? OR id < ?)", start, start, id)
	}
	equal("application_id", f.ApplicationID)
	equal("session_id", f.SessionID)
	equal("link_status", string(f.Status))
	equal("link_reason", string(f.Reason))
	equal("method", f.Method)
	equal("kind", string(f.Kind))
	if f.URLPart != "" {
		and("contains(lower(url), lower(?))", f.URLPart)
	}
	if !f.TraceID.IsZero() {
		id := f.TraceID.String()
		and("(sent_trace_id = ?::VARCHAR::UUID OR answer_trace_id = ?::VARCHAR::UUID OR link_trace_id = ?::VARCHAR::UUID)", id, id, id)
	}
	return strings.Replace(sqlRequests, "/*conditions*/", strings.Join(where, " AND "), 1), args
}

// Request implements store.Reader.
func (s *Store) Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error) {
	found, err := read(ctx, s, "request", requestColumns, sqlRequest, unsigned(number(id)))
	switch {
	case err != nil:
		return model.LinkedRequest{}, err
	case len(found) == 0:
		return model.LinkedRequest{}, store.ErrNotFound
	}
	found[0].Link.RequestID = id
	return found[0], nil
}

// Trace implements store.Reader.
func (s *Store) Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error) {
	return read(ctx, s, "trace", spanColumns, sqlTrace, id.String(), max(limit, 0))
}

// Watermark implements store.Linker.
func (s *Store) Watermark(ctx context.Context) (store.Watermark, error) {
	found, err := read(ctx, s, "watermark", func(w *store.Watermark) []any { return []any{w} }, sqlWatermark)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// read answers a call of Store with one query.
func read[T any](ctx context.Context, s *Store, op string, columns func(*T) []any, query string, args ...any) ([]T, error) {
	if err := s.enter(op); err != nil {
		return nil, err
	}
	defer s.leave()
	found, err := collect(ctx, s.db, columns, query, args...)
	if err != nil {
		return nil, failure(ctx, op, err)
	}
	return found, nil
}

// querier is a database or a transaction.
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

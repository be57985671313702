package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// timeColumns are the columns by which rows of each table grow old.
var timeColumns = [tables]string{"start", "start", "time", "time", "start", "start", "start"}

// Expire implements store.Janitor. Rows stand in the order of their coming, so that the oldest
// stretches of a table go whole, and their space in the file is used again.
func (s *Store) Expire(ctx context.Context, before store.Retention) error {
	const op = "expire"
	until := [tables]time.Time{
		requests: before.Requests, navigations: before.Navigations, webVitals: before.Navigations, actions: before.Navigations, pageEvents: before.Navigations,
		errorEvents: before.Errors, spans: before.Spans,
	}
	// Each table in a commit of its own, so that writing does not wait for all of them.
	for t, at := range until {
		if at.IsZero() {
			continue
		}
		query := fmt.Sprintf(sqlExpire, tableNames[t], timeColumns[t])
		err := s.submit(ctx, op, &change{rows: new(rows), run: func(ctx context.Context, conn *sql.Conn) error {
			s.writer.recent.forget()
			_, err := conn.ExecContext(ctx, query, clampNanos(at))
			return err
		}})
		if err != nil {
			return err
		}
	}
	return s.forget(ctx, op)
}

// forget drops what the directory holds of rows that are gone.
func (s *Store) forget(ctx context.Context, op string) error {
	found, err := readAll(ctx, s, op, func(n *sql.Null[uint64]) []any { return []any{n} }, sqlFirstSeq)
	if err != nil || !found[0].Valid {
		return err
	}
	first := found[0].V
	return s.submit(ctx, op, &change{rows: new(rows), run: func(ctx context.Context, conn *sql.Conn) error {
		groups, last := s.directory.forget(first)
		if last == 0 {
			return nil
		}
		for _, group := range groups {
			if _, err := conn.ExecContext(ctx, fmt.Sprintf(sqlForgetGroup, group)); err != nil {
				return err
			}
		}
		_, err := conn.ExecContext(ctx, sqlForgetJoined, unsigned(last))
		return err
	}})
}

// Usage implements store.Janitor.
func (s *Store) Usage(ctx context.Context) (store.Usage, error) {
	const op = "usage"
	columns := func(u *store.Usage) []any {
		return []any{&u.Requests, &u.Navigations, &u.WebVitals, &u.Errors, &u.Actions, &u.PageEvents, &u.Spans}
	}
	found, err := readAll(ctx, s, op, columns, sqlUsage)
	if err != nil {
		return store.Usage{}, err
	}
	u := found[0]
	for _, name := range []string{s.path, s.path + ".wal"} {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return store.Usage{}, s.failure(ctx, op, err)
		}
		u.Bytes += info.Size()
	}
	return u, nil
}

// PutAnnotation implements store.Annotator.
func (s *Store) PutAnnotation(ctx context.Context, a store.Annotation) error {
	const op = "put annotation"
	at, err := nanos(a.Time)
	if err != nil {
		return refuse(op, err)
	}
	end, err := nanos(a.End)
	if err != nil {
		return refuse(op, err)
	}
	tags, err := json.Marshal(a.Tags)
	if err != nil {
		return refuse(op, err)
	}
	args := []any{unsigned(number(a.ID)), at, end, valid(a.ApplicationID), valid(a.Title), valid(a.Text), string(tags)}
	return s.submit(ctx, op, &change{rows: new(rows), run: func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, sqlAnnotate, args...)
		return err
	}})
}

// DeleteAnnotation implements store.Annotator.
func (s *Store) DeleteAnnotation(ctx context.Context, id model.EventID) error {
	var gone int64
	err := s.submit(ctx, "delete annotation", &change{rows: new(rows), run: func(ctx context.Context, conn *sql.Conn) error {
		result, err := conn.ExecContext(ctx, sqlUnannotate, unsigned(number(id)))
		if err != nil {
			return err
		}
		gone, err = result.RowsAffected()
		return err
	}})
	if err == nil && gone == 0 {
		return store.ErrNotFound
	}
	return err
}

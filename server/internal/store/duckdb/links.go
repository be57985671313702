package duckdb

import (
	"context"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// PutLinks implements store.Linker. Links of requests that are not stored are left out.
func (s *Store) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	const op = "put links"
	if err := ctx.Err(); err != nil {
		return s.failure(ctx, op, err)
	}
	defer s.judging.begin(links)()
	c := &change{rows: new(rows), watermark: &next}
	latest := make(map[model.EventID]int, len(links))
	for i := range links {
		at, ok := latest[links[i].RequestID]
		if !ok || !links[i].JudgedAt.Before(links[at].JudgedAt) {
			latest[links[i].RequestID] = i
		}
	}
	for _, i := range latest {
		l := links[i]
		if l.Row == 0 {
			found, err := read(ctx, s, op, func(n *uint64) []any { return []any{n} }, sqlSeqOfRequest, s.find(idKey(keyRequest, number(l.RequestID))), unsigned(number(l.RequestID)))
			if err != nil {
				return err
			}
			if len(found) == 0 {
				continue
			}
			l.Row = found[0]
		}
		if at, err := nanos(l.JudgedAt); err == nil { // else putJudged says so
			l.JudgedAt = timeOf(at)
		}
		if err := putJudged(&c.judged, &l); err != nil {
			return invalid(op, "request %v: %w", l.RequestID, err)
		}
		c.links = append(c.links, l)
	}
	// What is due again must be looked for, whatever a call of Work has found meanwhile.
	defer func() {
		for i := range c.links {
			if l := &c.links[i]; !l.Due.IsZero() && !l.Final {
				s.settled.lower(l.Row)
			}
		}
	}()
	err := s.submit(ctx, op, c)
	if err == nil {
		s.pace.judgedTo(next)
	}
	return err
}

func (w *writer) putLinks(ctx context.Context, c *change) error {
	if len(c.links) == 0 {
		return nil
	}
	if err := w.judged.append(&c.judged, 0, len(c.links)); err != nil {
		return err
	}
	if err := w.judged.flush(); err != nil {
		return err
	}
	first, last := c.links[0].Row, c.links[0].Row
	for i := range c.links {
		first, last = min(first, c.links[i].Row), max(last, c.links[i].Row)
	}
	if _, err := w.conn.ExecContext(ctx, sqlPutLinks, unsigned(first), unsigned(last)); err != nil {
		return err
	}
	if w.recent.mayJoin(c.links) {
		result, err := w.conn.ExecContext(ctx, sqlPutJoined, unsigned(first), unsigned(last))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			w.joined.Store(true)
		}
	}
	_, err := w.conn.ExecContext(ctx, "DELETE FROM judged")
	return err
}

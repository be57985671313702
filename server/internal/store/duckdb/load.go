package duckdb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/FastFilter/xorfilter"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// loadStep is how many rows are read at once that no closed run holds; a run may be larger by as many.
const loadStep = 1 << 13

// loadDirectory reads the directory, and makes its open parts anew from the rows. Where more rows are in no closed run than a run
// takes, after a migration for example, it closes runs and stores them.
func loadDirectory(ctx context.Context, db *sql.DB) (*directory, error) {
	d := &directory{}
	if err := db.QueryRowContext(ctx, "SELECT seed0, seed1 FROM state").Scan(&d.seed[0], &d.seed[1]); err != nil {
		return nil, err
	}
	runs, err := d.loadClosed(ctx, db)
	if err != nil {
		return nil, err
	}
	var first sql.Null[uint64]
	if err := db.QueryRowContext(ctx, sqlFirstSeq).Scan(&first); err != nil {
		return nil, err
	}
	next := max(1, first.V) // of the rows that no closed run holds
	if n := len(d.groups); n > 0 {
		next = max(next, lastOf(d.groups[n-1].runs)+1)
	}
	d.groups = append(d.groups, &group{filter: newFilter(runKeys * groupRuns * groupBits), runs: runs})
	if len(runs) > 0 {
		if err := d.coverClosed(ctx, db); err != nil {
			return nil, err
		}
		next = lastOf(runs) + 1
	}
	d.openRun(next)
	return d, d.loadOpen(ctx, db, next)
}

// loadClosed reads the groups that are stored, and returns the runs that are in no closed one.
func (d *directory) loadClosed(ctx context.Context, db *sql.DB) ([]*run, error) {
	firsts, err := collect(ctx, db, func(n *uint64) []any { return []any{n} }, sqlGroups)
	if err != nil {
		return nil, err
	}
	var open []*run
	for _, first := range firsts {
		g, err := loadGroup(ctx, db, first)
		if err != nil {
			return nil, fmt.Errorf("the directory of the rows from %d on: %w", first, err)
		}
		if g.filter != nil {
			g.covered = len(g.runs)
			d.groups = append(d.groups, g)
		} else {
			open = g.runs
		}
	}
	return open, nil
}

// loadGroup reads a group's filters, of some megabytes; an open group has none of its own.
func loadGroup(ctx context.Context, db *sql.DB, first uint64) (*group, error) {
	type part struct {
		level  int
		rows   seqRange
		filter []byte
	}
	columns := func(p *part) []any { return []any{&p.level, &p.rows.first, &p.rows.last, &p.filter} }
	parts, err := collect(ctx, db, columns, fmt.Sprintf(sqlGroup, first))
	if err != nil {
		return nil, err
	}
	g := &group{}
	for _, p := range parts {
		if p.level == 0 {
			r := &run{seqRange: p.rows}
			r.closed, err = decodeRun(p.filter)
			g.runs = append(g.runs, r)
		} else {
			g.filter, err = decodeFilter(p.filter, len(newFilter(runKeys*groupRuns*groupBits)))
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// coverClosed has the open group's filter cover its closed runs, by the rows that they hold.
func (d *directory) coverClosed(ctx context.Context, db *sql.DB) error {
	g := d.groups[len(d.groups)-1]
	err := readKeys(ctx, db, seqRange{g.runs[0].first, lastOf(g.runs)}, func(seq uint64, keys []key) {
		at, _ := slices.BinarySearchFunc(g.runs, seq, func(r *run, seq uint64) int { return cmp.Compare(r.last, seq) })
		for _, k := range keys {
			set(g.filter, d.hash(k))
			if !k.answer {
				continue
			}
			if h := d.hash(k.shared()); g.runs[at].has(h) {
				set(g.filter, h)
			}
		}
	})
	g.covered = len(g.runs)
	return err
}

// loadOpen reads the rows from a seq on into the open run, and closes it whenever it is full.
func (d *directory) loadOpen(ctx context.Context, db *sql.DB, next uint64) error {
	var last uint64
	if err := db.QueryRowContext(ctx, sqlLastSeq).Scan(&last); err != nil {
		return err
	}
	for ; next <= last; next += loadStep {
		_, r := d.open()
		err := readKeys(ctx, db, seqRange{next, next + loadStep - 1}, func(seq uint64, keys []key) {
			d.add(r, keys)
			r.last = max(r.last, seq)
		})
		if err != nil {
			return err
		}
		if full, _ := d.full(); full == nil {
			continue
		}
		r.last = min(next+loadStep-1, last) // the next one begins after it
		var closed *xorfilter.BinaryFuse[uint16]
		err = inTransaction(ctx, db, func(tx *sql.Tx) (err error) {
			closed, err = d.closeRun(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		d.turn(closed)
	}
	return nil
}

// closeRun stores the open run where it is full, and the group with it. It returns the run's filter, for turn; nil
// where it is not closed.
func (d *directory) closeRun(ctx context.Context, in execer) (*xorfilter.BinaryFuse[uint16], error) {
	r, g := d.full()
	if r == nil {
		return nil, nil
	}
	closed, err := r.build()
	if err == nil {
		err = d.store(ctx, in, r, closed, g)
	}
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return closed, nil
}

// store stores the open run as it is closed, and the open group where that is not nil.
func (d *directory) store(ctx context.Context, in execer, r *run, closed *xorfilter.BinaryFuse[uint16], g *group) error {
	group, _ := d.open()
	first := group.runs[0].first
	if _, err := in.ExecContext(ctx, fmt.Sprintf(sqlPutGroup, first)); err != nil {
		return err
	}
	put := func(level int, from uint64, filter []byte) error {
		_, err := in.ExecContext(ctx, fmt.Sprintf(sqlPutFilter, first), level, unsigned(from), unsigned(r.last), filter)
		return err
	}
	if err := put(0, r.first, encodeRun(closed)); err != nil || g == nil {
		return err
	}
	return put(1, first, encodeFilter(d.complete(g)))
}

// execer is a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// readKeys reads the keys of the rows in a stretch, those of each table in their order.
func readKeys(ctx context.Context, db *sql.DB, rows seqRange, each func(seq uint64, keys []key)) error {
	for t, query := range sqlKeys {
		if err := readKeysOf(ctx, db, table(t), query, rows, each); err != nil {
			return fmt.Errorf("reading the keys of %s: %w", tableNames[t], err)
		}
	}
	return nil
}

func readKeysOf(ctx context.Context, db *sql.DB, t table, query string, rows seqRange, each func(seq uint64, keys []key)) error {
	found, err := db.QueryContext(ctx, query, unsigned(rows.first), unsigned(rows.last))
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var seq uint64
		keys, err := scanKeys(t, found, &seq)
		if err != nil {
			return err
		}
		each(seq, keys)
	}
	return found.Err()
}

// scanKeys reads the keys of a row from the columns that sqlKeys names.
func scanKeys(t table, found *sql.Rows, seq *uint64) ([]key, error) {
	var id model.EventID
	var session, page string
	switch t {
	case spans:
		var trace tracecontext.TraceID
		var span, named tracecontext.SpanID
		if err := found.Scan(seq, (*traceColumn)(&trace), (*idColumn)(&span), (*idColumn)(&named)); err != nil {
			return nil, err
		}
		return appendSpanKeys(nil, trace, span, named), nil
	case requests:
		var sent model.SpanContext
		var answer tracecontext.TraceID
		var response *int32
		var url string
		if err := found.Scan(seq, (*idColumn)(&id), &session, &page, (*traceColumn)(&sent.TraceID), (*traceColumn)(&answer),
			(*idColumn)(&sent.SpanID), &response, &url); err != nil {
			return nil, err
		}
		return appendRequestKeys(appendFrontendKeys(nil, keyRequest, id, session, page), sent, answer, response, url), nil
	default:
		if err := found.Scan(seq, (*idColumn)(&id), &session, &page); err != nil {
			return nil, err
		}
		return appendFrontendKeys(nil, idKeys[t], id, session, page), nil
	}
}

package duckdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// migration returns the script that brings a file to the next version. migrate_1.sql makes the tables of
// schema.sql as it is, which holds for as long as that is version 2's.
func migration(version int) string {
	return [schemaVersion - 1]string{strings.Replace(sqlMigrate1, "/*schema*/", sqlSchema, 1)}[version-1]
}

// prepareSchema creates the tables in a new file, brings those of an older file up to
// date, and refuses what it does not know.
func prepareSchema(ctx context.Context, db *sql.DB) error {
	var ours, all int
	err := db.QueryRowContext(ctx, `SELECT count(*) FILTER (table_name = 'schema_version'), count(*)
		FROM duckdb_tables() WHERE NOT temporary AND NOT internal AND database_name = current_database()`).Scan(&ours, &all)
	if err != nil {
		return err
	}
	if all == 0 {
		return inTransaction(ctx, db, sqlSchema, seedState)
	}
	refuse := func(format string, args ...any) error {
		return &Error{
			Op: "open", Kind: KindVersion, Err: fmt.Errorf(format, args...),
			Hint: "use the version of the program that wrote it, or another file",
		}
	}
	if ours == 0 {
		return refuse("the file is a database of another program")
	}
	var version int
	if err := db.QueryRowContext(ctx, "SELECT max(version) FROM schema_version").Scan(&version); err != nil {
		return err
	}
	if version < 1 || version > schemaVersion {
		return refuse("the file has format version %d, and this program knows versions up to %d", version, schemaVersion)
	}
	for ; version < schemaVersion; version++ {
		if err := inTransaction(ctx, db, migration(version), seedState); err != nil {
			return fmt.Errorf("bringing the file from format version %d to %d: %w", version, version+1, err)
		}
	}
	return nil
}

// inTransaction runs a script and then a function, both or neither.
func inTransaction(ctx context.Context, db *sql.DB, script string, then func(context.Context, *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // of what is committed, it does nothing
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if err := then(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// seedState gives the directory's hash its seed, for the life of the file.
func seedState(ctx context.Context, tx *sql.Tx) error {
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // it never fails
	_, err := tx.ExecContext(ctx, "UPDATE state SET seed0 = $1, seed1 = $2",
		unsigned(binary.BigEndian.Uint64(seed[:8])), unsigned(binary.BigEndian.Uint64(seed[8:])))
	return err
}

// loadDirectory reads the directory, and makes its open parts anew from the rows.
func loadDirectory(ctx context.Context, db *sql.DB) (*directory, error) {
	var seed [2]uint64
	if err := db.QueryRowContext(ctx, "SELECT seed0, seed1 FROM state").Scan(&seed[0], &seed[1]); err != nil {
		return nil, err
	}
	d := &directory{seed: seed}
	type stored struct {
		level int
		seqRange
		filter []byte
	}
	found, err := db.QueryContext(ctx, sqlDirectory)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var runs []*run
	for found.Next() {
		var s stored
		if err := found.Scan(&s.level, &s.first, &s.last, &s.filter); err != nil {
			return nil, err
		}
		if s.level == 0 {
			closed, err := decodeRun(s.filter)
			if err != nil {
				return nil, fmt.Errorf("the directory of the rows %d to %d: %w", s.first, s.last, err)
			}
			runs = append(runs, &run{seqRange: s.seqRange, closed: closed})
			continue
		}
		filter, err := decodeFilter(s.filter, len(newFilter(runKeys*groupRuns*groupBits)))
		if err != nil {
			return nil, fmt.Errorf("the directory of the rows %d to %d: %w", s.first, s.last, err)
		}
		d.groups = append(d.groups, &group{filter: filter, runs: runs})
		runs = nil
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	first := uint64(1) // of the rows that no closed group holds
	if n := len(d.groups); n > 0 {
		closed := d.groups[n-1].runs
		first = closed[len(closed)-1].last + 1
	}
	open := &group{filter: newFilter(runKeys * groupRuns * groupBits), runs: runs}
	d.groups = append(d.groups, open)
	openFirst := first
	if n := len(runs); n > 0 {
		openFirst = runs[n-1].last + 1
	}
	d.openRun(openFirst)
	return d, d.rebuild(ctx, db, open, first)
}

// rebuild adds the keys of the rows from first on to the open group, and those of its last run to that.
func (d *directory) rebuild(ctx context.Context, db *sql.DB, g *group, first uint64) error {
	r := g.runs[len(g.runs)-1]
	for t, query := range sqlKeys {
		if err := d.addKeys(ctx, db, table(t), query, g, r, first); err != nil {
			return fmt.Errorf("reading the keys of %s: %w", tableNames[t], err)
		}
	}
	return nil
}

func (d *directory) addKeys(ctx context.Context, db *sql.DB, t table, query string, g *group, r *run, first uint64) error {
	found, err := db.QueryContext(ctx, query, unsigned(first))
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
		for _, k := range keys {
			h := d.hash(k)
			set(g.filter, h)
			if seq >= r.first {
				r.add(h)
			}
		}
		r.last = max(r.last, seq)
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

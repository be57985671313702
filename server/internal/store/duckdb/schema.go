package duckdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"
)

// migration returns the script that brings a file to the next version.
func migration(version int) string {
	scripts := [schemaVersion - 1]struct{ moves, schema string }{{sqlMigrate1, sqlSchema2}, {sqlMigrate2, sqlSchema3}, {moves: sqlMigrate3}}
	return strings.Replace(scripts[version-1].moves, "/*schema*/", scripts[version-1].schema, 1)
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
	run := func(script string) error {
		return inTransaction(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, script); err != nil {
				return err
			}
			return seedState(ctx, tx)
		})
	}
	if all == 0 {
		return run(sqlSchema)
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
		if err := run(migration(version)); err != nil {
			return fmt.Errorf("bringing the file from format version %d to %d: %w", version, version+1, err)
		}
	}
	return nil
}

// inTransaction runs a function in a transaction, and commits what it did unless it fails.
func inTransaction(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // of what is committed, it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// seedState gives the directory's hash its seed, for the life of the file, where it has none yet.
func seedState(ctx context.Context, tx *sql.Tx) error {
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // it never fails
	_, err := tx.ExecContext(ctx, "UPDATE state SET seed0 = $1, seed1 = $2 WHERE seed0 = 0 AND seed1 = 0",
		unsigned(binary.BigEndian.Uint64(seed[:8])), unsigned(binary.BigEndian.Uint64(seed[8:])))
	return err
}

// Package duckdb is the embedded engine of package store: one file, written by
// one process, in DuckDB's format. Open gives the Store.
package duckdb

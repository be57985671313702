package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	driver "github.com/duckdb/duckdb-go/v2"
)

// Kind says what sort of failure an Error is.
type Kind string

// The kinds of failures.
const (
	KindInvalid  Kind = "invalid"  // the caller's values cannot be stored or asked for
	KindCanceled Kind = "canceled" // the context ended first
	KindClosed   Kind = "closed"   // the store is closed
	KindLocked   Kind = "locked"   // the file is open elsewhere
	KindVersion  Kind = "version"  // the file is of another program or a newer version of this one
	KindResource Kind = "resource" // memory or disk space ran out
	KindFatal    Kind = "fatal"    // the engine gave up; nothing works until the store is opened again
	KindEngine   Kind = "engine"   // anything else that the engine reports
)

// ErrClosed reports a call on a closed store.
var ErrClosed = errors.New("the store is closed")

// Error is what every method of the package returns where it fails, but for
// store.ErrNotFound.
type Error struct {
	Op   string // what was tried: open, write, requests, ...
	Kind Kind
	Err  error  // what happened
	Hint string // what to do about it; may be empty
}

// Error returns the operation, what happened, and the hint.
func (e *Error) Error() string {
	s := fmt.Sprintf("duckdb: %s: %v", e.Op, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Invalid reports whether the caller's values are at fault, so that trying again is no use.
func (e *Error) Invalid() bool { return e.Kind == KindInvalid }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

func invalid(op, format string, args ...any) error {
	return &Error{Op: op, Kind: KindInvalid, Err: fmt.Errorf(format, args...)}
}

const hintOpenHere = "this process has the file open already"

// failure wraps an error of the driver. The error of a context that has ended
// stands for whatever the interrupted driver reports.
func failure(ctx context.Context, op string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	if ctx.Err() != nil {
		return &Error{Op: op, Kind: KindCanceled, Err: ctx.Err()}
	}
	e := &Error{Op: op, Kind: KindEngine, Err: err}
	if errors.Is(err, ErrClosed) {
		e.Kind = KindClosed
		return e
	}
	var reported *driver.Error
	if !errors.As(err, &reported) {
		return e
	}
	switch reported.Type {
	case driver.ErrorTypeConnection:
		e.Kind, e.Hint = KindLocked, hintOpenHere
	case driver.ErrorTypeIO:
		switch {
		case strings.Contains(err.Error(), "Could not set lock"):
			e.Kind, e.Hint = KindLocked, "another process has the file open: stop it, or use another file"
		case strings.Contains(err.Error(), "not a valid DuckDB database"):
			e.Kind, e.Hint = KindVersion, "the file is damaged or of another program: use another file"
		default:
			e.Kind, e.Hint = KindResource, "see that the folder exists, may be written to, and that its disk has space"
		}
	case driver.ErrorTypeOutOfMemory:
		e.Kind, e.Hint = KindResource, "raise the memory limit of the store"
	case driver.ErrorTypeFatal, driver.ErrorTypeInternal:
		e.Kind, e.Hint = KindFatal, "restart; what was acknowledged is on disk"
	case driver.ErrorTypeSerialization:
		e.Kind, e.Hint = KindVersion, "the file is damaged or was written by a newer version: use that version, or another file"
	}
	return e
}

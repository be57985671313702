package tracecontext

import (
	"errors"
	"strconv"
)

// What a [SyntaxError] wraps, and what [PutDtr] and [Dtr.Validate] return.
var (
	// ErrTraceparent: the header breaks the grammar; ignore it, and tracestate with
	// it, and start a trace (W3C Trace Context Level 2, section 3.2.2).
	ErrTraceparent = errors.New("tracecontext: malformed traceparent")
	// ErrTracestate: the header breaks the grammar or its limits; ignore it, and keep
	// traceparent (W3C Trace Context Level 2, section 3.3).
	ErrTracestate = errors.New("tracecontext: malformed tracestate")
	// ErrTenant: not eight hexadecimal digits, a dash and eight more.
	ErrTenant = errors.New(`tracecontext: tenant is not of the form "2ead957c-980df25b" (lower-case hexadecimal)`)
	// ErrDtr: a dtr value of version 1 that breaks the grammar.
	ErrDtr = errors.New("tracecontext: malformed dtr entry")
	// ErrDtrVersion: a dtr value of a version that this package does not know.
	ErrDtrVersion = errors.New("tracecontext: unknown version of the dtr entry")
	// ErrSession: a value of the session cookie that breaks the grammar.
	ErrSession = errors.New("tracecontext: malformed session cookie")
	// ErrMissingValues: an id that the dtr entry needs is empty; send traceparent alone.
	ErrMissingValues = errors.New("tracecontext: an id of the dtr entry is missing")
	// ErrMaxLength: the list would be too long with the dtr entry, or is too long to be
	// read; leave tracestate as it was.
	ErrMaxLength = errors.New("tracecontext: tracestate exceeds its limits")
)

// SyntaxError says what is wrong with a header, and where.
type SyntaxError struct {
	Err    error  // ErrTraceparent, ErrTracestate, ErrDtr, ErrDtrVersion or ErrSession
	Part   string // name of the broken part in the header's grammar
	Offset int    // of that part, in bytes from the start of the text
	Member int    // tracestate only: number of the broken list-member, from 1, empty ones not counted
	Reason string // what the part should have been
}

// Error returns one line for an operator; it quotes nothing of the input.
func (e *SyntaxError) Error() string {
	s := e.Err.Error() + ": " + e.Part + " at offset " + strconv.Itoa(e.Offset)
	if e.Member > 0 {
		s += " (member " + strconv.Itoa(e.Member) + ")"
	}
	return s + ": " + e.Reason
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

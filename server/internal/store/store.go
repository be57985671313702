// Package store is the contract between the server and the engine that keeps
// its data: what may be written, what can be asked, and what each promises.
// It holds no engine; those are its sub-packages, proved by package storetest.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// ErrNotFound reports that nothing is stored under the id that was asked for.
var ErrNotFound = errors.New("store: not found")

// Batch is a group of values that become visible together. The writer reads it
// and keeps no reference after it returns.
type Batch struct {
	Requests    []model.RequestEvent
	Navigations []model.NavigationEvent
	WebVitals   []model.WebVital
	Spans       []model.Span
}

// Len returns the number of values in the batch.
func (b *Batch) Len() int {
	return len(b.Requests) + len(b.Navigations) + len(b.WebVitals) + len(b.Spans)
}

// Writer takes values in.
//
// Write returns nil only when the whole batch is durable and visible to every
// later read; on an error nothing of it is stored. Writing a value again (same
// event id; same trace and span id) is no error and changes nothing, so a
// sender may repeat a batch. An empty batch is no error. Calls may come from
// many goroutines; the engine may commit several together. When ctx ends first,
// Write returns its error, and the batch may or may not have been stored.
type Writer interface {
	Write(ctx context.Context, b Batch) error
}

// RequestFilter selects request events; zero fields select everything.
type RequestFilter struct {
	From, To      time.Time // Start in [From, To)
	ApplicationID string
	SessionID     string
	Status        model.LinkStatus // requests never judged count as pending
	Reason        model.LinkReason
	URLPart       string // substring of the URL, without case, no wildcards
	Method        string // upper case
	Kind          model.RequestKind
	TraceID       tracecontext.TraceID // carried, answered or joined

	Before *Position // only requests after this one in the order of the listing
	Limit  int       // at most so many; must be 1 to MaxLimit, else an error
}

// MaxLimit bounds RequestFilter.Limit.
const MaxLimit = 1000

// Position is a request's place in a listing.
type Position struct {
	Start time.Time
	ID    model.EventID
}

// Reader answers questions. The link of a request that was never judged has its id and
// the status pending. Results belong to the caller. A read sees every
// write that had returned before it began. Nothing found is an empty result,
// except where ErrNotFound is named.
type Reader interface {
	// Requests lists request events with their verdicts, newest Start first, equal
	// starts by descending id.
	Requests(ctx context.Context, f RequestFilter) ([]model.LinkedRequest, error)
	// Request returns one request event; ErrNotFound where there is none.
	Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error)
	// Trace returns the spans of a trace by ascending Start, then id; at most limit.
	Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error)
}

// Watermark is how far the link pass has come: everything written up to it has
// been judged. Zero is the beginning. It grows with each write.
type Watermark uint64

// Work is a portion of requests to judge.
type Work struct {
	Evidence []model.Evidence
	Next     Watermark // to be committed with the verdicts
	More     bool      // there is more to do right now
}

// Linker is what the link pass needs of an engine.
type Linker interface {
	// Watermark returns the committed position; zero in a new store.
	Watermark(ctx context.Context) (Watermark, error)
	// Work returns the requests that want a verdict, with their evidence: those written
	// after the watermark; those not final that a span written after it may concern (the
	// trace carried, answered or joined; the span id that a dtr entry names; a host seen for
	// the first time, where the reason is backend_not_instrumented); and those not final
	// whose verdict is due at now. A request appears once in a portion. limit, at least 1,
	// bounds the requests of one portion (some engines exceed it by what one write holds);
	// maxSpans bounds the spans of one trace, and those of other traces that a dtr entry
	// joins to one request: the first by Start, then id, in that order. Requests of one trace
	// may share its slice, which is only to be read.
	Work(ctx context.Context, after Watermark, now time.Time, limit, maxSpans int) (Work, error)
	// PutLinks stores verdicts and the watermark in one step; of several links for a
	// request the one judged last counts, now and in later calls. Links of requests that are
	// not stored are left out.
	PutLinks(ctx context.Context, links []model.Link, next Watermark) error
}

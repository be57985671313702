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

// Position is a place in the journal that feeds the store; zero is before all of it.
type Position uint64

// Batch is a group of values that become visible together. The writer reads it
// and keeps no reference after it returns.
type Batch struct {
	Requests    []model.RequestEvent
	Navigations []model.NavigationEvent
	WebVitals   []model.WebVital
	Errors      []model.ErrorEvent
	Actions     []model.ActionEvent
	PageEvents  []model.PageEvent
	Spans       []model.Span

	// Position is the place in the journal of the last of these values. It is committed
	// with them, and a batch whose Position is not after the committed one is left out
	// whole: it was stored before. Zero: not from a journal; such a batch is stored whatever
	// the position, and leaves it where it is.
	Position Position
}

// Len returns the number of values in the batch.
func (b *Batch) Len() int {
	return len(b.Requests) + len(b.Navigations) + len(b.WebVitals) + len(b.Errors) + len(b.Actions) + len(b.PageEvents) + len(b.Spans)
}

// Writer takes values in.
//
// Write returns nil only when the whole batch is durable and visible to every
// later read; on an error nothing of it is stored. Writing a value again (same
// kind and event id; same trace and span id) is no error and changes nothing, so a
// sender may repeat a batch. An empty batch is no error, and moves the position. Calls may come from
// many goroutines; the engine may commit several together. When ctx ends first,
// Write returns its error, and the batch may or may not have been stored.
type Writer interface {
	Write(ctx context.Context, b Batch) error
	// Position returns the committed position; zero in a new store.
	Position(ctx context.Context) (Position, error)
}

// MaxLimit bounds every limit of a listing: it must be 1 to MaxLimit, else an error.
// Other are the limit of Tail, which may be zero too, and those of Trace, Events and Evidence,
// which are not of a listing but of what belongs together: any from zero on.
const MaxLimit = 1000

// Place is an event's place in a listing that is ordered by start, newest first, equal
// starts by descending id.
type Place struct {
	Start time.Time
	ID    model.EventID
}

// Page bounds a listing.
type Page struct {
	Before *Place // only what comes after this place in the order of the listing; nil: from its top
	Limit  int    // at most so many; must be 1 to MaxLimit, else an error
}

// Reader answers questions. Text is ordered by its bytes, ids as they are written. The link of a request that was never judged has its id and
// the status pending. Results belong to the caller. A read sees every
// write that had returned before it began. Nothing found is an empty result,
// except where ErrNotFound is named. A Filter that is not well-formed (see Filter.Check) is an error.
type Reader interface {
	// Requests lists request events with their verdicts.
	Requests(ctx context.Context, f Filter, p Page) ([]model.LinkedRequest, error)
	// Request returns one request event; ErrNotFound where there is none.
	Request(ctx context.Context, id model.EventID) (model.LinkedRequest, error)
	// Tail lists requests in the order of writing (those of one write, or of writes that were
	// committed together, in any order), from after the place that the call
	// before returned; zero is the beginning, the end is what Tail returns for limit 0. Places
	// outlive a restart. Where fewer than limit are found, the place returned is the end, or the
	// place given where that is later: when what was written last has expired, the end may go back.
	Tail(ctx context.Context, after uint64, f Filter, limit int) ([]model.LinkedRequest, uint64, error)
	// Trace returns the spans of a trace by ascending Start, then id; at most limit.
	Trace(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.Span, error)
	// TraceRequests returns the requests that carried a trace, were answered with it or are
	// joined to it, in the order of Requests; at most limit.
	TraceRequests(ctx context.Context, id tracecontext.TraceID, limit int) ([]model.LinkedRequest, error)
	// Traces lists traces by their first entry span that the query selects, newest first, with
	// what is known of each.
	Traces(ctx context.Context, q TraceQuery) ([]TraceSummary, error)
	// Evidence returns what bears on a request's verdict; ErrNotFound where there is no such request.
	Evidence(ctx context.Context, id model.EventID, maxSpans int) (model.Evidence, error)

	// Facets counts the requests that a filter selects by the values of fields, in the order of
	// fields: of each the limit most frequent values, equal counts by value as text. A field that is no
	// facet is an error.
	Facets(ctx context.Context, f Filter, fields []Field, limit int) ([]Facet, error)
	// Coverage counts requests by time, by the value of a field and by verdict.
	Coverage(ctx context.Context, q CoverageQuery) ([]CoverageCount, error)
	// Endpoints sums requests up by host, method and endpoint, the most frequent first, equal
	// counts by host, method, endpoint; at most limit.
	Endpoints(ctx context.Context, f Filter, limit int) ([]Endpoint, error)
	// ServiceMap counts who called whom.
	ServiceMap(ctx context.Context, q ServiceMapQuery) (ServiceMap, error)
	// Services lists the services that ever sent spans, by name, and the hosts that they answered for; at
	// most limit. Neither goes when the spans do. Spans without a service are nobody's.
	Services(ctx context.Context, limit int) ([]Service, error)

	// Sessions lists sessions that have a request which the filter selects, by the start of the
	// last such request, newest first, equal ones by descending id; at most limit. Their counts are of what is
	// selected. Requests without a session id belong to none.
	Sessions(ctx context.Context, f Filter, limit int) ([]Session, error)
	// Events returns everything that a session or a page holds, each kind by ascending time, then id,
	// at most limit of each kind. A key that does not name just one of both is an error.
	Events(ctx context.Context, k EventsKey, limit int) (Events, error)
	// PageLoads lists navigations in the order of Requests. Of a filter's terms those on fields that navigations have count (see
	// Field.OfNavigation); another is an error.
	PageLoads(ctx context.Context, f Filter, p Page) ([]model.NavigationEvent, error)
	// ErrorGroups sums errors up by fingerprint, the most frequent first, equal counts by fingerprint; at most
	// limit. Terms as of PageLoads, with Field.OfError.
	ErrorGroups(ctx context.Context, f Filter, limit int) ([]ErrorGroup, error)
	// Errors lists the errors of one fingerprint, by time as Requests by start.
	Errors(ctx context.Context, fingerprint [8]byte, p Page) ([]model.ErrorEvent, error)

	// Annotations lists annotations whose time lies in [from, to), zero being no bound, by ascending time, then
	// id; at most limit.
	Annotations(ctx context.Context, from, to time.Time, limit int) ([]Annotation, error)
}

// Annotator keeps what people note on the time line. Both are durable when they return.
type Annotator interface {
	// PutAnnotation stores an annotation; an id that is stored already is replaced.
	PutAnnotation(ctx context.Context, a Annotation) error
	// DeleteAnnotation removes one; ErrNotFound where there is none.
	DeleteAnnotation(ctx context.Context, id model.EventID) error
}

// Janitor lets old data go.
type Janitor interface {
	// Expire removes what is older: events and spans of a kind whose start lies before
	// the time given for the kind. Engines may keep some of it for a while where its removal would be
	// dear, at most an hour's worth: what starts within the hour before that time. A request goes with its
	// verdict. What was learned of hosts and services stays, and so do annotations, the position and the
	// watermark. An id that has gone may be stored again, or left out as known.
	Expire(ctx context.Context, before Retention) error
	// Usage returns how much is stored.
	Usage(ctx context.Context) (Usage, error)
}

// Retention holds the time before which data of each kind may go; zero: never.
type Retention struct {
	Requests    time.Time
	Navigations time.Time // web vitals, actions and page events too
	Errors      time.Time
	Spans       time.Time
}

// Usage is how much an engine holds.
type Usage struct {
	Requests, Navigations, WebVitals, Errors, Actions, PageEvents, Spans int64
	Bytes                                                                int64 // on disk
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
	// whose verdict is due at now: at the Due of the link that is stored, or where there is none yet, as long after
	// the request came in as the engine was told when it was opened (FirstDue; zero: not by time alone), so that who
	// judges need not store that a verdict is pending. While PutLinks is storing a verdict, the request may be
	// left out of those that are due. A request appears once in a portion. limit, at least 1,
	// bounds the requests of one portion (some engines exceed it by what one write holds);
	// at least a quarter of limit, rounded down, is of those that are due, where there are so many.
	// maxSpans bounds the spans of one trace, and those of other traces that a dtr entry
	// joins to one request: the first by Start, then span id, then trace id, in that order. After the first
	// of one trace stand, in the same order and at most maxSpans of them, those of its others whose parent
	// is the span that the request carried, or that Server-Timing named. Requests of one trace
	// may share its slice, which is only to be read.
	Work(ctx context.Context, after Watermark, now time.Time, limit, maxSpans int) (Work, error)
	// PutLinks stores verdicts and the watermark in one step; of several links for a
	// request the one judged last counts, now and in later calls; of those judged at one time the last
	// given. Links of requests that are not stored are left out. A link's Row is not kept.
	PutLinks(ctx context.Context, links []model.Link, next Watermark) error
}

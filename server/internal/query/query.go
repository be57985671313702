package query

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// MaxTraceSpans bounds the spans of a trace that are read and shown; the rest is
// told by Trace.Truncated.
const MaxTraceSpans = 5000

// maxTraceRequests bounds the frontend requests that are shown on one trace.
const maxTraceRequests = 100

// Kind says what sort of error an Error is.
type Kind int

// The kinds of errors.
const (
	Invalid  Kind = iota + 1 // the question is malformed
	NotFound                 // nothing is stored under the id
)

// Error is a question that has no answer, and why.
type Error struct {
	Kind    Kind
	Message string // what is wrong; holds no value that the caller sent
	Hint    string // what to do
}

func (e *Error) Error() string { return e.Message }

// AsError returns the Error in err's chain, if there is one.
func AsError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// Explain puts a verdict into plain words.
type Explain func(v model.Verdict) Explanation

// Engine answers questions from a store. Its methods may be called from many
// goroutines.
type Engine struct {
	reader  store.Reader
	explain Explain
}

// New returns an Engine that reads from r and words verdicts by explain.
func New(r store.Reader, explain Explain) *Engine {
	return &Engine{reader: r, explain: explain}
}

// Filter selects requests for a listing; zero fields select everything.
type Filter struct {
	store.RequestFilter
	Cursor string // RequestPage.NextCursor of the page before
}

// Requests lists requests, newest first.
func (q *Engine) Requests(ctx context.Context, f Filter) (RequestPage, error) {
	if f.Cursor != "" {
		pos, ok := parseCursor(f.Cursor)
		if !ok {
			return RequestPage{}, &Error{Invalid, "cursor is not one of ours", "pass next_cursor of the page before as it was, or leave cursor out"}
		}
		f.Before = &pos
	}
	limit := f.Limit
	if limit < 1 || limit >= store.MaxLimit {
		return RequestPage{}, &Error{Invalid, "limit is out of range", fmt.Sprintf("limit must be 1 to %d", store.MaxLimit-1)}
	}
	f.Limit = limit + 1 // one more tells whether there is a next page
	found, err := q.reader.Requests(ctx, f.RequestFilter)
	if err != nil {
		return RequestPage{}, fmt.Errorf("listing requests: %w", err)
	}
	page := RequestPage{Requests: make([]Request, 0, min(limit, len(found)))}
	for i := range found[:min(limit, len(found))] {
		page.Requests = append(page.Requests, newRequest(&found[i]))
	}
	if len(found) > limit {
		last := found[limit-1]
		page.NextCursor = formatCursor(store.Position{Start: last.Start, ID: last.ID})
	}
	return page, nil
}

// Request returns one request with its verdict, the words for it, and its waterfall.
func (q *Engine) Request(ctx context.Context, id model.EventID) (RequestDetail, error) {
	r, err := q.reader.Request(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return RequestDetail{}, &Error{NotFound, "no request event has this id", "it may not have arrived yet, or is past its retention"}
	}
	if err != nil {
		return RequestDetail{}, fmt.Errorf("reading request %s: %w", id, err)
	}
	traceID := r.Link.Joined.TraceID
	if traceID.IsZero() {
		traceID = r.TraceContext().TraceID
	}
	var spans []model.Span
	if !traceID.IsZero() {
		if spans, err = q.reader.Trace(ctx, traceID, MaxTraceSpans+1); err != nil {
			return RequestDetail{}, fmt.Errorf("reading the trace of request %s: %w", id, err)
		}
	}
	return RequestDetail{
		Request:     newRequest(&r),
		Explanation: q.explain(r.Link.Verdict),
		Attributes:  r.Attributes,
		Trace:       waterfall(traceID, []model.LinkedRequest{r}, spans),
	}, nil
}

// Trace returns the waterfall of a trace: the frontend requests that led to it
// as roots, its spans below.
func (q *Engine) Trace(ctx context.Context, id tracecontext.TraceID) (Trace, error) {
	spans, requests, err := q.trace(ctx, id)
	if err != nil {
		return Trace{}, err
	}
	if len(spans) == 0 && len(requests) == 0 {
		return Trace{}, &Error{NotFound, "no span and no request event has this trace id", "its spans may not have arrived yet, may have been sampled out, or are past their retention"}
	}
	return waterfall(id, requests, spans), nil
}

func (q *Engine) trace(ctx context.Context, id tracecontext.TraceID) ([]model.Span, []model.LinkedRequest, error) {
	spans, err := q.reader.Trace(ctx, id, MaxTraceSpans+1)
	if err != nil {
		return nil, nil, fmt.Errorf("reading trace %s: %w", id, err)
	}
	requests, err := q.reader.Requests(ctx, store.RequestFilter{TraceID: id, Limit: maxTraceRequests})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the requests of trace %s: %w", id, err)
	}
	return spans, requests, nil
}

// newRequest shows a request event by the names of the linking contract.
func newRequest(r *model.LinkedRequest) Request {
	ids := r.TraceContext()
	status := r.Link.Status
	if status == "" {
		status = model.Pending
	}
	return Request{
		ID:               r.ID.String(),
		StartTime:        r.Start.UTC(),
		DurationMs:       milliseconds(r.Duration),
		Kind:             string(r.Kind),
		InitiatorType:    r.Initiator,
		URL:              r.URL,
		Method:           r.Method,
		StatusCode:       r.StatusCode,
		ErrorReason:      string(r.Error),
		TraceID:          traceIDText(ids.TraceID),
		SpanID:           spanIDText(ids.SpanID),
		Sampled:          r.Answer.Sampled,
		TraceContextHint: string(r.TraceContextHint),
		ServerTimingHint: string(r.ServerTimingHint),
		ApplicationID:    r.ApplicationID,
		InstanceID:       r.InstanceID,
		SessionID:        r.SessionID,
		PageID:           r.PageID,
		ViewID:           r.ViewID,
		Protocol:         r.Protocol,
		Delivery:         string(r.Delivery),
		TransferSize:     r.TransferSize,
		EncodedBodySize:  r.EncodedBodySize,
		DecodedBodySize:  r.DecodedBodySize,
		LinkStatus:       string(status),
		LinkReason:       string(r.Link.Reason),
		LinkDetail:       r.Link.Detail,
		LinkTraceID:      traceIDText(r.Link.Joined.TraceID),
		LinkSpanID:       spanIDText(r.Link.Joined.SpanID),
	}
}

func traceIDText(id tracecontext.TraceID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func spanIDText(id tracecontext.SpanID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// milliseconds returns d in ms, to the microsecond.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// cursorVersion is the first byte of a cursor; another form gets another number.
const cursorVersion = 1

// cursorSize is a version byte, the start in ns since the epoch, and the event id.
const cursorSize = 1 + 8 + 8

func formatCursor(p store.Position) string {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Start.UnixNano()))
	b = append(b, p.ID[:]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (store.Position, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != cursorSize || b[0] != cursorVersion {
		return store.Position{}, false
	}
	p := store.Position{Start: time.Unix(0, int64(binary.BigEndian.Uint64(b[1:9]))).UTC()} //nolint:gosec // written from an int64
	copy(p.ID[:], b[9:])
	return p, true
}

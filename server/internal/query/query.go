package query

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// The limits of answers.
const (
	// MaxLimit bounds the entries of one page; the store is asked for one more.
	MaxLimit = store.MaxLimit - 1
	// MaxTraceSpans bounds the spans of a trace that are read and shown; the rest is
	// told by Trace.Truncated.
	MaxTraceSpans = 5000
	// maxTraceRequests bounds the frontend requests that are shown on one trace.
	maxTraceRequests = 100
)

// Kind says what sort of error an Error is.
type Kind int

// The kinds of errors.
const (
	Invalid  Kind = iota + 1 // the question is malformed
	NotFound                 // nothing is stored under the id
	Busy                     // too many ask for it at once
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

// Explain puts a verdict into plain words. Evidence names what is known of the request or of many alike, as far
// as it is filled in; nil: nothing.
type Explain func(v model.Verdict, e *model.Evidence) Explanation

// Config is what an Engine works with.
type Config struct {
	Reader       store.Reader
	Annotator    store.Annotator
	Explain      Explain
	Explanations []ReasonExplanation // all that Explain may say, in general words
	// ApplicationNames are for people, by the application's id; it may lack any.
	ApplicationNames map[string]string
	Now              func() time.Time     // nil: time.Now
	NewID            func() model.EventID // of an annotation; nil: random
}

// Engine answers questions from a store. Its methods may be called from many
// goroutines.
type Engine struct {
	reader       store.Reader
	annotator    store.Annotator
	explain      Explain
	explanations []ReasonExplanation
	names        map[string]string // of applications
	clock        func() time.Time
	newID        func() model.EventID
	tail         *tail
}

// New returns an Engine.
func New(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = randomID
	}
	return &Engine{c.Reader, c.Annotator, c.Explain, c.Explanations, c.ApplicationNames, c.Now, c.NewID, newTail(c.Reader)}
}

func randomID() model.EventID {
	var id model.EventID
	for id.IsZero() {
		_, _ = rand.Read(id[:]) // never fails
	}
	return id
}

// Selection says which events a question is about.
type Selection struct {
	Range
	Filter string       // as docs/filters.md describes it
	Terms  []store.Term // which must hold as well
}

// filter reads a selection.
func (s *Selection) filter(of subject, within stretch) (store.Filter, error) {
	terms, err := parseFilter(s.Filter, of)
	if err != nil {
		return store.Filter{}, err
	}
	f := store.Filter{From: within.from, To: within.to, Terms: append(terms, s.Terms...)}
	if err := f.Check(of.has); err != nil {
		return store.Filter{}, &Error{Invalid, "a parameter or the filter is not usable: " + err.Error(), "docs/filters.md describes fields, values and limits"}
	}
	return f, nil
}

// listed reads the selection of a listing, whose range may be open.
func (q *Engine) listed(s Selection, of subject) (store.Filter, error) {
	within, err := q.open(s.Range)
	if err != nil {
		return store.Filter{}, err
	}
	return s.filter(of, within)
}

// summed reads the selection of a sum, whose range is the last day where it is left out.
func (q *Engine) summed(s Selection, of subject) (store.Filter, stretch, error) {
	within, err := q.closed(s.Range)
	if err != nil {
		return store.Filter{}, stretch{}, err
	}
	f, err := s.filter(of, within)
	return f, within, err
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxLimit {
		return &Error{Invalid, "limit is out of range", fmt.Sprintf("limit must be 1 to %d", MaxLimit)}
	}
	return nil
}

// RequestQuery asks for a page of requests.
type RequestQuery struct {
	Selection
	Cursor string // RequestPage.NextCursor of the page before
	Limit  int
}

// Requests lists requests, newest first.
func (q *Engine) Requests(ctx context.Context, in RequestQuery) (RequestPage, error) {
	f, err := q.listed(in.Selection, ofRequests())
	if err != nil {
		return RequestPage{}, err
	}
	p, err := requestListing.page(in.Limit, in.Cursor)
	if err != nil {
		return RequestPage{}, err
	}
	found, err := q.reader.Requests(ctx, f, p)
	if err != nil {
		return RequestPage{}, fmt.Errorf("listing requests: %w", err)
	}
	found, next := cut(requestListing, found, in.Limit, func(r *model.LinkedRequest) cursor { return cursorAt(r.Start, r.ID[:]) })
	return RequestPage{Requests: shown(found, newRequest), NextCursor: next}, nil
}

// shown turns stored values into those of the API; the list is never nil.
func shown[From, To any](from []From, turn func(*From) To) []To {
	to := make([]To, len(from))
	for i := range from {
		to[i] = turn(&from[i])
	}
	return to
}

// Request returns one request with its verdict, the words for it, its evidence and its waterfall.
func (q *Engine) Request(ctx context.Context, id model.EventID) (RequestDetail, error) {
	var evidence model.Evidence
	var beside errgroup.Group
	beside.Go(func() (err error) {
		evidence, err = q.evidence(ctx, id)
		return err
	})
	r, err := q.reader.Request(ctx, id)
	failed := beside.Wait()
	switch {
	case errors.Is(err, store.ErrNotFound):
		return RequestDetail{}, &Error{NotFound, "no request event has this id", "it may not have arrived yet, or is past its retention"}
	case err != nil:
		return RequestDetail{}, fmt.Errorf("reading request %s: %w", id, err)
	case failed != nil:
		return RequestDetail{}, failed
	}
	traceID := r.Link.Joined.TraceID
	if traceID.IsZero() {
		traceID = r.TraceContext().TraceID
	}
	var spans []model.Span
	if !traceID.IsZero() {
		if spans, err = q.spans(ctx, traceID); err != nil {
			return RequestDetail{}, err
		}
	}
	return RequestDetail{
		Request:     newRequest(&r),
		Explanation: q.explain(r.Link.Verdict, &evidence),
		Evidence:    newEvidence(&r, &evidence),
		Attributes:  Attributes(r.Attributes),
		Trace:       waterfall(traceID, []model.LinkedRequest{r}, spans),
	}, nil
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
		Host:             r.Host,
		Endpoint:         store.EndpointOf(r),
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
		ActionID:         r.ActionID,
		Client:           newClient(&r.Client),
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
		Service:          r.Link.Entry.Service,
	}
}

// milliseconds returns d in ms, to the microsecond.
func milliseconds(d time.Duration) float64 {
	return float64(d.Microseconds()) / 1000
}

// hundredths rounds to two decimals, what is less to six.
func hundredths(f float64) float64 {
	if f < 1 {
		return math.Round(f*1e6) / 1e6
	}
	return math.Round(f*100) / 100
}

// share returns part of whole; nil where there is no whole.
func share(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64((part*10_000+whole/2)/whole) / 10_000
	return &s
}

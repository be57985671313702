package duckdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The destinations of Scan, each laid over a field of the model.
type (
	idColumn     [8]byte
	traceColumn  [16]byte
	timeColumn   time.Time
	detailColumn model.Span
)

// restored is the destination of a column that says what others leave out. It stands behind them, and Scan fills
// destinations one after the other. It is not called with NULL.
type restored[T any] func(T) error

func (f restored[T]) Scan(src any) error {
	if src == nil {
		return nil
	}
	v, ok := src.(T)
	if !ok {
		return fmt.Errorf("what others leave out, as the Go type %T", src)
	}
	return f(v)
}

// sameID is the destination of a column that says whether an id is the same as another, and so left out.
func sameID[ID any](id, other *ID) restored[bool] {
	return func(same bool) error {
		if same {
			*id = *other
		}
		return nil
	}
}

func (c *idColumn) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*c = idColumn{}
	case uint64:
		binary.BigEndian.PutUint64(c[:], src)
	default:
		return fmt.Errorf("an id of the Go type %T", src)
	}
	return nil
}

func (c *traceColumn) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*c = traceColumn{}
	case []byte:
		if len(src) != len(c) {
			return fmt.Errorf("a trace id of %d bytes", len(src))
		}
		copy(c[:], src)
	case duckdb.UUID:
		*c = traceColumn(src)
	default:
		return fmt.Errorf("a trace id of the Go type %T", src)
	}
	return nil
}

func (c *timeColumn) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time of the Go type %T", src)
	}
	*c = timeColumn(timeOf(n))
	return nil
}

func (c *detailColumn) Scan(src any) error {
	rest, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("a span's detail of the Go type %T", src)
	}
	var parts [3][]byte
	for i := range parts {
		if parts[i], rest, ok = bytes.Cut(rest, []byte(endOfPart)); !ok {
			return fmt.Errorf("a span's detail of %d parts", i+1)
		}
	}
	c.StatusMessage, c.Attributes, c.Resource, c.Events = string(parts[0]), model.Attributes(parts[2]), model.Attributes(rest), nil
	if len(parts[1]) == 0 {
		return nil
	}
	var err error
	c.Events, err = decodeEvents(parts[1])
	return err
}

func contextColumns(c *model.SpanContext) []any {
	return []any{(*traceColumn)(&c.TraceID), (*idColumn)(&c.SpanID)}
}

func frontendColumns(id *model.EventID, f *model.Frontend) []any {
	c := &f.Client
	return []any{
		(*idColumn)(id), &f.ApplicationID, &f.InstanceID, &f.SessionID, &f.PageID, &f.ViewID, &f.ActionID,
		&f.AgentName, &f.AgentVersion, &c.Browser, &c.BrowserVersion, &c.OS, &c.Device, &c.Country, &c.Address,
	}
}

func clockColumns(c *model.Clock, received *time.Time) []any {
	return []any{&c.Offset, &c.Uncertainty, &c.Source, (*timeColumn)(received)}
}

// storedRequest is a request with its seq.
type storedRequest struct {
	seq    uint64
	bucket int16 // of its duration
	model.LinkedRequest
}

// requestColumns are the destinations of the columns of requests.
func requestColumns(r *storedRequest) []any {
	t := &r.Timing
	c := append([]any{&r.seq}, frontendColumns(&r.ID, &r.Frontend)...)
	c = append(c, &r.Kind, &r.Initiator, (*timeColumn)(&r.Start), &r.Duration, &r.bucket)
	c = append(c, clockColumns(&r.Clock, &r.Received)...)
	c = append(c, &r.URL, &r.Host, &r.URLPattern, &r.Method, &r.StatusCode, &r.Error, &r.TraceContextHint, &r.ServerTimingHint)
	c = append(c, contextColumns(&r.Sent)...)
	c = append(c, (*traceColumn)(&r.Answer.TraceID), sameID(&r.Answer.TraceID, &r.Sent.TraceID), (*idColumn)(&r.Answer.SpanID),
		&r.Answer.Sampled, &r.Answer.ResponseID, &r.Delivery, &r.Protocol, &r.TransferSize, &r.EncodedBodySize, &r.DecodedBodySize,
		&t.RedirectStart, &t.RedirectEnd, &t.WorkerStart, &t.FetchStart, &t.DomainLookupStart, &t.DomainLookupEnd,
		&t.ConnectStart, &t.ConnectEnd, &t.SecureConnectionStart, &t.RequestStart, &t.FirstInterimResponseStart,
		&t.ResponseStart, endAfter(&r.RequestEvent), &r.Attributes,
		&r.Link.Status, &r.Link.Reason, &r.Link.Detail,
	)
	c = append(c, contextColumns(&r.Link.Joined)...)
	e := &r.Link.Entry
	return append(c, linkIs(&r.LinkedRequest), &r.Link.Final, (*timeColumn)(&r.Link.Due), (*timeColumn)(&r.Link.JudgedAt),
		&e.Service, &e.Route, entryAfter(&r.LinkedRequest), &e.Duration)
}

func endAfter(r *model.RequestEvent) restored[int64] {
	return func(n int64) error {
		r.Timing.ResponseEnd = r.Duration + time.Duration(n)
		return nil
	}
}

func entryAfter(r *model.LinkedRequest) restored[int64] {
	return func(n int64) error {
		start, err := nanos(r.Start)
		r.Link.Entry.Start = timeOf(start + n)
		return err
	}
}

// What link_is is a sum of; put_links.sql has the same numbers.
const (
	linkIsSent   = 1
	linkIsAnswer = 2
	linkIsSpan   = 4
)

func linkIs(r *model.LinkedRequest) restored[uint8] {
	return func(is uint8) error {
		switch joined := &r.Link.Joined; {
		case is&linkIsSent != 0:
			joined.TraceID = r.Sent.TraceID
		case is&linkIsAnswer != 0:
			joined.TraceID = r.Answer.TraceID
		}
		if is&linkIsSpan != 0 {
			r.Link.Joined.SpanID = r.Answer.SpanID
		}
		return nil
	}
}

// linked returns what is asked for of requests.
func linked(found []storedRequest) []model.LinkedRequest {
	if len(found) == 0 {
		return nil
	}
	all := make([]model.LinkedRequest, len(found))
	for i := range found {
		all[i] = found[i].LinkedRequest
		all[i].Link.RequestID = all[i].ID
	}
	return all
}

func navigationColumns(n *model.NavigationEvent) []any {
	var seq uint64
	c := append([]any{&seq}, frontendColumns(&n.ID, &n.Frontend)...)
	c = append(c, (*timeColumn)(&n.Start), &n.Duration)
	c = append(c, clockColumns(&n.Clock, &n.Received)...)
	return append(c, &n.URL, &n.URLPattern, &n.Referrer, &n.Title, &n.Type, &n.ActivationStart, &n.DOMInteractive,
		&n.DOMContentLoadedEventStart, &n.DOMContentLoadedEventEnd, &n.DOMComplete, &n.LoadEventStart, &n.LoadEventEnd, &n.Attributes)
}

func webVitalColumns(v *model.WebVital) []any {
	var seq uint64
	c := append([]any{&seq}, frontendColumns(&v.ID, &v.Frontend)...)
	c = append(c, (*timeColumn)(&v.Time))
	c = append(c, clockColumns(&v.Clock, &v.Received)...)
	return append(c, &v.URL, &v.Name, &v.Value, &v.Rating, &v.Attributes)
}

func errorColumns(v *model.ErrorEvent) []any {
	var seq uint64
	c := append([]any{&seq}, frontendColumns(&v.ID, &v.Frontend)...)
	c = append(c, (*timeColumn)(&v.Time))
	c = append(c, clockColumns(&v.Clock, &v.Received)...)
	return append(c, &v.URL, &v.Source, &v.Type, &v.Message, &v.Stack, &v.Handled, (*idColumn)(&v.RequestID),
		(*idColumn)(&v.Fingerprint), &v.Attributes)
}

func actionColumns(a *model.ActionEvent) []any {
	var seq uint64
	c := append([]any{&seq}, frontendColumns(&a.ID, &a.Frontend)...)
	c = append(c, (*timeColumn)(&a.Start), &a.Duration)
	c = append(c, clockColumns(&a.Clock, &a.Received)...)
	return append(c, &a.URL, &a.Kind, &a.Name, &a.Attributes)
}

func pageEventColumns(e *model.PageEvent) []any {
	var seq uint64
	c := append([]any{&seq}, frontendColumns(&e.ID, &e.Frontend)...)
	c = append(c, (*timeColumn)(&e.Start), &e.Duration)
	c = append(c, clockColumns(&e.Clock, &e.Received)...)
	return append(c, &e.URL, &e.Type, &e.Name, &e.Attributes)
}

// spanColumns are the destinations of the columns of spans.
func spanColumns(s *model.Span) []any {
	var seq uint64
	return []any{
		&seq, (*traceColumn)(&s.TraceID), (*idColumn)(&s.SpanID), (*idColumn)(&s.ParentSpanID), &s.Name, &s.Kind, &s.Flags,
		(*timeColumn)(&s.Start), &s.Duration, (*timeColumn)(&s.Received), &s.TraceState, &s.DtrState,
		(*idColumn)(&s.Dtr.SpanID), sameID(&s.Dtr.SpanID, &s.ParentSpanID), &s.Dtr.Sampled, &s.Dtr.ApplicationID, &s.Dtr.InstanceID,
		&s.Dtr.SessionID, dtrAt(s), &s.Service, &s.Scope, &s.StatusCode, &s.Host, &s.Entry, &s.Route, &s.HTTPStatus, &s.Via,
		(*detailColumn)(s),
	}
}

func dtrAt(s *model.Span) restored[int16] {
	return func(at int16) error {
		if at < 0 || int(at) > len(s.TraceState) {
			return fmt.Errorf("a dtr entry at the byte %d of a trace state of %d", at, len(s.TraceState))
		}
		s.TraceState = s.TraceState[:at] + tracecontext.Dtr(s.Dtr).String() + s.TraceState[at:]
		return nil
	}
}

// factColumns are the destinations of the columns that work_traces.sql and
// work_dtr.sql name.
func factColumns(f *model.SpanFacts) []any {
	return append(contextColumns(&f.SpanContext),
		(*idColumn)(&f.ParentSpanID), &f.Kind, &f.Flags, (*timeColumn)(&f.Start), &f.Duration, &f.Service, &f.Route, &f.Entry, &f.Via,
		&f.DtrState, (*idColumn)(&f.Dtr.SpanID), &f.Dtr.Sampled, &f.Dtr.ApplicationID, &f.Dtr.InstanceID, &f.Dtr.SessionID)
}

package duckdb

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// The destinations of Scan, each laid over a field of the model.
type (
	idColumn     [8]byte
	traceColumn  [16]byte
	timeColumn   time.Time
	eventsColumn []model.SpanEvent
)

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

func (c *eventsColumn) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("events of the Go type %T", src)
	}
	*c = nil
	if len(b) == 0 {
		return nil
	}
	events, err := decodeEvents(b)
	*c = events
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
	c = append(c, contextColumns(&r.Answer.SpanContext)...)
	c = append(c,
		&r.Answer.Sampled, &r.Answer.ResponseID, &r.Delivery, &r.Protocol, &r.TransferSize, &r.EncodedBodySize, &r.DecodedBodySize,
		&t.RedirectStart, &t.RedirectEnd, &t.WorkerStart, &t.FetchStart, &t.DomainLookupStart, &t.DomainLookupEnd,
		&t.ConnectStart, &t.ConnectEnd, &t.SecureConnectionStart, &t.RequestStart, &t.FirstInterimResponseStart,
		&t.ResponseStart, &t.ResponseEnd, &r.Attributes,
		&r.Link.Status, &r.Link.Reason, &r.Link.Detail,
	)
	c = append(c, contextColumns(&r.Link.Joined)...)
	e := &r.Link.Entry
	return append(c, &r.Link.Final, (*timeColumn)(&r.Link.Due), (*timeColumn)(&r.Link.JudgedAt),
		&e.Service, &e.Route, (*timeColumn)(&e.Start), &e.Duration)
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
	return append(c, &v.URL, &v.Name, &v.Value, &v.Rating)
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

// spanColumns are the destinations of the columns of spans.
func spanColumns(s *model.Span) []any {
	var seq uint64
	return []any{
		&seq, (*traceColumn)(&s.TraceID), (*idColumn)(&s.SpanID), (*idColumn)(&s.ParentSpanID), &s.Name, &s.Kind, &s.Flags,
		(*timeColumn)(&s.Start), &s.Duration, (*timeColumn)(&s.Received), &s.TraceState, &s.DtrState,
		(*idColumn)(&s.Dtr.SpanID), &s.Dtr.Sampled, &s.Dtr.ApplicationID, &s.Dtr.InstanceID, &s.Dtr.SessionID,
		&s.Service, &s.Scope, &s.StatusCode, &s.StatusMessage, &s.Host, &s.Entry, &s.Route, &s.HTTPStatus, &s.Via,
		&s.Attributes, &s.Resource, (*eventsColumn)(&s.Events),
	}
}

// factColumns are the destinations of the columns that work_traces.sql and
// work_dtr.sql name.
func factColumns(f *model.SpanFacts) []any {
	return append(contextColumns(&f.SpanContext),
		(*idColumn)(&f.ParentSpanID), &f.Kind, &f.Flags, (*timeColumn)(&f.Start), &f.Duration, &f.Service, &f.Route, &f.Entry, &f.Via,
		&f.DtrState, (*idColumn)(&f.Dtr.SpanID), &f.Dtr.Sampled, &f.Dtr.ApplicationID, &f.Dtr.InstanceID, &f.Dtr.SessionID)
}

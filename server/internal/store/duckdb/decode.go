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
	idColumn         [8]byte
	traceColumn      [16]byte
	timeColumn       time.Time
	attributesColumn map[string]any
	eventsColumn     []model.SpanEvent
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

func (c *attributesColumn) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("attributes of the Go type %T", src)
	}
	*c = nil
	if s == "" {
		return nil
	}
	v, err := decodeJSON(s)
	if err != nil {
		return err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return errAttributes
	}
	*c = m
	return nil
}

func (c *eventsColumn) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("events of the Go type %T", src)
	}
	*c = nil
	if s == "" {
		return nil
	}
	events, err := decodeEvents(s)
	*c = events
	return err
}

func contextColumns(c *model.SpanContext) []any {
	return []any{(*traceColumn)(&c.TraceID), (*idColumn)(&c.SpanID)}
}

// requestColumns are the destinations of the columns of requests, without seq.
func requestColumns(r *model.LinkedRequest) []any {
	t := &r.Timing
	c := []any{
		(*idColumn)(&r.ID), &r.ApplicationID, &r.InstanceID, &r.SessionID, &r.PageID, &r.ViewID, &r.AgentName, &r.AgentVersion,
		&r.Kind, &r.Initiator, (*timeColumn)(&r.Start), &r.Duration, &r.Clock.Offset, &r.Clock.Uncertainty, &r.Clock.Source,
		(*timeColumn)(&r.Received), &r.URL, &r.Host, &r.Method, &r.StatusCode, &r.Error, &r.TraceContextHint, &r.ServerTimingHint,
	}
	c = append(c, contextColumns(&r.Sent)...)
	c = append(c, contextColumns(&r.Answer.SpanContext)...)
	c = append(c,
		&r.Answer.Sampled, &r.Answer.ResponseID, &r.Delivery, &r.Protocol, &r.TransferSize, &r.EncodedBodySize, &r.DecodedBodySize,
		&t.RedirectStart, &t.RedirectEnd, &t.WorkerStart, &t.FetchStart, &t.DomainLookupStart, &t.DomainLookupEnd,
		&t.ConnectStart, &t.ConnectEnd, &t.SecureConnectionStart, &t.RequestStart, &t.FirstInterimResponseStart,
		&t.ResponseStart, &t.ResponseEnd, (*attributesColumn)(&r.Attributes),
		&r.Link.Status, &r.Link.Reason, &r.Link.Detail,
	)
	c = append(c, contextColumns(&r.Link.Joined)...)
	return append(c, &r.Link.Final, (*timeColumn)(&r.Link.Due), (*timeColumn)(&r.Link.JudgedAt))
}

// spanColumns are the destinations of the columns of spans, without seq.
func spanColumns(s *model.Span) []any {
	return []any{
		(*traceColumn)(&s.TraceID), (*idColumn)(&s.SpanID), (*idColumn)(&s.ParentSpanID), &s.Name, &s.Kind, &s.Flags,
		(*timeColumn)(&s.Start), &s.Duration, (*timeColumn)(&s.Received), &s.TraceState, &s.DtrState,
		(*idColumn)(&s.Dtr.SpanID), &s.Dtr.Sampled, &s.Dtr.ApplicationID, &s.Dtr.InstanceID, &s.Dtr.SessionID,
		&s.Service, &s.Scope, &s.StatusCode, &s.StatusMessage, &s.Host,
		(*attributesColumn)(&s.Attributes), (*attributesColumn)(&s.Resource), (*eventsColumn)(&s.Events),
	}
}

// factColumns are the destinations of the columns that work_traces.sql and
// work_dtr.sql name.
func factColumns(f *model.SpanFacts) []any {
	return append(contextColumns(&f.SpanContext),
		(*idColumn)(&f.ParentSpanID), &f.Kind, &f.Flags, (*timeColumn)(&f.Start), &f.Service, &f.DtrState,
		(*idColumn)(&f.Dtr.SpanID), &f.Dtr.Sampled, &f.Dtr.ApplicationID, &f.Dtr.InstanceID, &f.Dtr.SessionID)
}

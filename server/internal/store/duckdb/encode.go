package duckdb

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// table is one of the tables of events.
type table int

const (
	requests table = iota
	navigations
	webVitals
	spans
	tables // how many
)

// tableNames are the names of the tables, as in schema.sql.
var tableNames = [tables]string{"requests", "navigations", "web_vitals", "spans"}

// row is a value in the form in which it is appended.
type row struct {
	key    rowKey
	host   string         // of a span that tells of one
	values []driver.Value // in the order of the columns in schema.sql; seq, the first, is the writer's
}

// rows are the rows of a batch. They hold nothing that its sender may change.
type rows [tables][]row

func (r *rows) count() (n int) {
	for _, t := range r {
		n += len(t)
	}
	return n
}

// encode turns a batch into rows. It fails where a value cannot be stored, so
// that what comes to the writer can.
func encode(b store.Batch) (*rows, error) {
	var r rows
	for i := range b.Requests {
		e := &b.Requests[i]
		v, err := requestValues(e)
		if err != nil {
			return nil, fmt.Errorf("request %v: %w", e.ID, err)
		}
		r[requests] = append(r[requests], row{key: rowKey{id: number(e.ID)}, values: v})
	}
	for i := range b.Navigations {
		e := &b.Navigations[i]
		v, err := navigationValues(e)
		if err != nil {
			return nil, fmt.Errorf("navigation %v: %w", e.ID, err)
		}
		r[navigations] = append(r[navigations], row{key: rowKey{id: number(e.ID)}, values: v})
	}
	for i := range b.WebVitals {
		e := &b.WebVitals[i]
		v, err := webVitalValues(e)
		if err != nil {
			return nil, fmt.Errorf("web vital %v: %w", e.ID, err)
		}
		r[webVitals] = append(r[webVitals], row{key: rowKey{id: number(e.ID)}, values: v})
	}
	for i := range b.Spans {
		s := &b.Spans[i]
		v, err := spanValues(s)
		if err != nil {
			return nil, fmt.Errorf("span %v of trace %v: %w", s.SpanID, s.TraceID, err)
		}
		r[spans] = append(r[spans], row{
			key:  rowKey{trace: s.TraceID, id: number(s.SpanID)},
			host: strings.ToValidUTF8(s.Host, "\ufffd"), values: v,
		})
	}
	return &r, nil
}

// encoder collects the values of a row; it keeps the first error.
type encoder struct {
	values []driver.Value
	err    error
}

func newEncoder(columns int) *encoder {
	return &encoder{values: append(make([]driver.Value, 0, columns), nil)}
}

func (e *encoder) put(v driver.Value) { e.values = append(e.values, v) }

// text puts strings; bytes that are not UTF-8 become U+FFFD.
func (e *encoder) text(strs ...string) {
	for _, s := range strs {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "\ufffd")
		}
		e.put(s)
	}
}

func (e *encoder) time(t time.Time) {
	n, err := nanos(t)
	e.fail(err)
	e.put(n)
}

func (e *encoder) durations(ds ...time.Duration) {
	for _, d := range ds {
		e.put(int64(d))
	}
}

func (e *encoder) trace(id tracecontext.TraceID) {
	if id.IsZero() {
		e.put(nil)
		return
	}
	e.put(duckdb.UUID(id))
}

func (e *encoder) span(id [8]byte) {
	if id == [8]byte{} {
		e.put(nil)
		return
	}
	e.put(number(id))
}

func (e *encoder) context(c model.SpanContext) {
	e.trace(c.TraceID)
	e.span(c.SpanID)
}

func (e *encoder) attributes(m map[string]any) {
	s, err := encodeAttributes(m)
	e.fail(err)
	e.put(s)
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) frontend(f *model.Frontend) {
	e.text(f.ApplicationID, f.InstanceID, f.SessionID, f.PageID, f.ViewID, f.AgentName, f.AgentVersion)
}

func (e *encoder) clock(c model.Clock, received time.Time) {
	e.durations(c.Offset, c.Uncertainty)
	e.text(string(c.Source))
	e.time(received)
}

func requestValues(r *model.RequestEvent) ([]driver.Value, error) {
	e := newEncoder(58)
	e.put(number(r.ID))
	e.frontend(&r.Frontend)
	e.text(string(r.Kind), r.Initiator)
	e.time(r.Start)
	e.durations(r.Duration)
	e.clock(r.Clock, r.Received)
	e.text(r.URL, r.Host, r.Method)
	e.put(int64(r.StatusCode))
	e.text(string(r.Error), string(r.TraceContextHint), string(r.ServerTimingHint))
	e.context(r.Sent)
	e.context(r.Answer.SpanContext)
	e.put(optional(r.Answer.Sampled))
	e.put(optional(r.Answer.ResponseID))
	e.text(string(r.Delivery), r.Protocol)
	e.put(r.TransferSize)
	e.put(r.EncodedBodySize)
	e.put(r.DecodedBodySize)
	t := &r.Timing
	e.durations(t.RedirectStart, t.RedirectEnd, t.WorkerStart, t.FetchStart, t.DomainLookupStart, t.DomainLookupEnd,
		t.ConnectStart, t.ConnectEnd, t.SecureConnectionStart, t.RequestStart, t.FirstInterimResponseStart,
		t.ResponseStart, t.ResponseEnd)
	e.attributes(r.Attributes)
	e.verdict(&model.Link{Verdict: model.Verdict{Status: model.Pending}})
	return e.values, e.err
}

func (e *encoder) verdict(l *model.Link) {
	e.text(string(l.Status), string(l.Reason), l.Detail)
	e.context(l.Joined)
	e.put(l.Final)
	e.time(l.Due)
	e.time(l.JudgedAt)
}

// linkValues returns the columns of judged.sql.
func linkValues(l *model.Link) ([]driver.Value, error) {
	e := &encoder{values: make([]driver.Value, 0, 9)}
	e.put(number(l.RequestID))
	e.verdict(l)
	return e.values, e.err
}

func navigationValues(n *model.NavigationEvent) ([]driver.Value, error) {
	e := newEncoder(27)
	e.put(number(n.ID))
	e.frontend(&n.Frontend)
	e.time(n.Start)
	e.durations(n.Duration)
	e.clock(n.Clock, n.Received)
	e.text(n.URL, n.Referrer, n.Title, n.Type)
	e.durations(n.ActivationStart, n.DOMInteractive, n.DOMContentLoadedEventStart, n.DOMContentLoadedEventEnd,
		n.DOMComplete, n.LoadEventStart, n.LoadEventEnd)
	e.attributes(n.Attributes)
	return e.values, e.err
}

func webVitalValues(v *model.WebVital) ([]driver.Value, error) {
	e := newEncoder(18)
	e.put(number(v.ID))
	e.frontend(&v.Frontend)
	e.time(v.Time)
	e.clock(v.Clock, v.Received)
	e.text(v.URL, v.Name)
	e.put(v.Value)
	e.text(v.Rating)
	return e.values, e.err
}

func spanValues(s *model.Span) ([]driver.Value, error) {
	e := newEncoder(25)
	e.put(duckdb.UUID(s.TraceID))
	e.put(number(s.SpanID))
	e.span(s.ParentSpanID)
	e.text(s.Name)
	e.put(int8(s.Kind))
	e.put(s.Flags)
	e.time(s.Start)
	e.durations(s.Duration)
	e.time(s.Received)
	e.text(s.TraceState, string(s.DtrState))
	e.span(s.Dtr.SpanID)
	e.put(s.Dtr.Sampled)
	e.text(s.Dtr.ApplicationID, s.Dtr.InstanceID, s.Dtr.SessionID)
	e.text(s.Service, s.Scope)
	e.put(s.StatusCode)
	e.text(s.StatusMessage, s.Host)
	e.attributes(s.Attributes)
	e.attributes(s.Resource)
	events, err := encodeEvents(s.Events)
	e.fail(err)
	e.put(events)
	return e.values, e.err
}

// number returns an id as the number that its column holds.
func number[ID ~[8]byte](id ID) uint64 {
	b := [8]byte(id)
	return binary.BigEndian.Uint64(b[:])
}

func optional[T any](p *T) driver.Value {
	if p == nil {
		return nil
	}
	return *p
}

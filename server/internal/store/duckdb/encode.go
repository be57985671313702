package duckdb

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
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
	errorEvents
	actions
	spans
	tables // how many
)

// tableNames are the names of the tables, as in schema.sql.
var tableNames = [tables]string{"requests", "navigations", "web_vitals", "errors", "actions", "spans"}

// idKeys are the kinds of the keys by which rows of a table are the same; not of spans.
var idKeys = [...]keyKind{keyRequest, keyNavigation, keyWebVital, keyError, keyAction}

// row is a value in the form in which it is appended.
type row struct {
	id      rowID
	keys    []key          // for the directory; the first is that of the id
	host    string         // of a span that tells of one
	service string         // of a span
	values  []driver.Value // in the order of the columns in schema.sql; seq, the first, is the writer's
}

// rowID is the identity of a row within its table; trace is zero but for spans.
type rowID struct {
	trace tracecontext.TraceID
	id    uint64
}

// rows are the rows of a batch. They hold nothing that its sender may change.
type rows struct {
	of       [tables][]row
	requests []recentRequest   // what recent keeps of each row of requests
	facts    []model.SpanFacts // and of each row of spans

	memory encoder // of the rows, to be used again
}

func (r *rows) count() (n int) {
	for _, t := range r.of {
		n += len(t)
	}
	return n
}

// The columns of each table, seq among them.
var columnCounts = [tables]int{70, 35, 25, 30, 26, 29}

// encode turns a batch into rows. It fails where a value cannot be stored, so
// that what comes to the writer can.
func encode(b store.Batch, firstDue time.Duration, memory encoder) (*rows, error) {
	var r rows
	counts := [tables]int{len(b.Requests), len(b.Navigations), len(b.WebVitals), len(b.Errors), len(b.Actions), len(b.Spans)}
	e := encoder{values: memory.values[:0], keys: memory.keys[:0]}
	size := 0
	for t, n := range counts {
		size += n * columnCounts[t]
		r.of[t] = make([]row, n)
	}
	// Rows point into these, so they must not grow.
	e.values = slices.Grow(e.values, size)
	e.keys = slices.Grow(e.keys, 6*len(b.Requests)+3*(b.Len()-len(b.Requests)))
	r.requests = make([]recentRequest, len(b.Requests))
	for i := range b.Requests {
		v := &r.requests[i].event
		*v = cleanRequest(&b.Requests[i])
		l := &r.requests[i].link
		*l = model.Link{RequestID: v.ID, Verdict: model.Verdict{Status: model.Pending}}
		if firstDue > 0 && !v.Received.IsZero() {
			l.Due = v.Received.Add(firstDue)
		}
		if r.of[requests][i] = e.row(number(v.ID), func() { e.request(v, l) }); e.err != nil {
			return nil, fmt.Errorf("request %v: %w", v.ID, e.err)
		}
	}
	for i := range b.Navigations {
		v := &b.Navigations[i]
		if r.of[navigations][i] = e.row(number(v.ID), func() { e.navigation(v) }); e.err != nil {
			return nil, fmt.Errorf("navigation %v: %w", v.ID, e.err)
		}
	}
	for i := range b.WebVitals {
		v := &b.WebVitals[i]
		if r.of[webVitals][i] = e.row(number(v.ID), func() { e.webVital(v) }); e.err != nil {
			return nil, fmt.Errorf("web vital %v: %w", v.ID, e.err)
		}
	}
	for i := range b.Errors {
		v := &b.Errors[i]
		if r.of[errorEvents][i] = e.row(number(v.ID), func() { e.errorEvent(v) }); e.err != nil {
			return nil, fmt.Errorf("error %v: %w", v.ID, e.err)
		}
	}
	for i := range b.Actions {
		v := &b.Actions[i]
		if r.of[actions][i] = e.row(number(v.ID), func() { e.action(v) }); e.err != nil {
			return nil, fmt.Errorf("action %v: %w", v.ID, e.err)
		}
	}
	r.facts = make([]model.SpanFacts, len(b.Spans))
	names := interned{}
	for i := range b.Spans {
		v := &b.Spans[i]
		r.facts[i] = factsOf(v, names)
		out := e.row(number(v.SpanID), func() { e.span(v) })
		if e.err != nil {
			return nil, fmt.Errorf("span %v of trace %v: %w", v.SpanID, v.TraceID, e.err)
		}
		out.id.trace, out.host, out.service = v.TraceID, valid(v.Host), valid(v.Service)
		r.of[spans][i] = out
	}
	r.memory = encoder{values: e.values, keys: e.keys}
	return &r, nil
}

// encoder collects the values and keys of rows; it keeps the first error.
type encoder struct {
	values []driver.Value
	keys   []key
	err    error
}

// row makes a row of what put appends.
func (e *encoder) row(id uint64, put func()) row {
	v, k := len(e.values), len(e.keys)
	e.put(nil) // seq
	put()
	return row{id: rowID{id: id}, keys: e.keys[k:len(e.keys):len(e.keys)], values: e.values[v:len(e.values):len(e.values)]}
}

func (e *encoder) put(v driver.Value) { e.values = append(e.values, v) }

// valid returns s in UTF-8: bytes that are not become U+FFFD.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// cleanRequest returns a copy of a request as it is read from its row.
func cleanRequest(r *model.RequestEvent) model.RequestEvent {
	c := *r
	for _, s := range []*string{
		&c.ApplicationID, &c.InstanceID, &c.SessionID, &c.PageID, &c.ViewID, &c.ActionID, &c.AgentName, &c.AgentVersion,
		&c.Client.Browser, &c.Client.BrowserVersion, &c.Client.OS, &c.Client.Device, &c.Client.Country, &c.Client.Address,
		(*string)(&c.Kind), &c.Initiator, (*string)(&c.Clock.Source), &c.URL, &c.Host, &c.URLPattern, &c.Method, (*string)(&c.Error),
		(*string)(&c.TraceContextHint), (*string)(&c.ServerTimingHint), (*string)(&c.Delivery), &c.Protocol, (*string)(&c.Attributes),
	} {
		*s = valid(*s)
	}
	for _, t := range []*time.Time{&c.Start, &c.Received} {
		if n, err := nanos(*t); err == nil { // else encode says so
			*t = timeOf(n)
		}
	}
	c.Answer.Sampled, c.Answer.ResponseID = copied(c.Answer.Sampled), copied(c.Answer.ResponseID)
	return c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func (e *encoder) text(strs ...string) {
	for _, s := range strs {
		e.put(valid(s))
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

func (e *encoder) id(id [8]byte) {
	if id == [8]byte{} {
		e.put(nil)
		return
	}
	e.put(number(id))
}

func (e *encoder) context(c model.SpanContext) {
	e.trace(c.TraceID)
	e.id(c.SpanID)
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// frontend puts the columns from the id on that all events of frontends have.
func (e *encoder) frontend(kind keyKind, id model.EventID, f *model.Frontend) {
	e.keys = appendFrontendKeys(e.keys, kind, id, valid(f.SessionID), valid(f.PageID))
	e.put(number(id))
	c := &f.Client
	e.text(f.ApplicationID, f.InstanceID, f.SessionID, f.PageID, f.ViewID, f.ActionID, f.AgentName, f.AgentVersion,
		c.Browser, c.BrowserVersion, c.OS, c.Device, c.Country, c.Address)
}

func (e *encoder) clock(c model.Clock, received time.Time) {
	e.durations(c.Offset, c.Uncertainty)
	e.text(string(c.Source))
	e.time(received)
}

func (e *encoder) request(r *model.RequestEvent, l *model.Link) {
	e.frontend(keyRequest, r.ID, &r.Frontend)
	e.keys = appendRequestKeys(e.keys, r.Sent, r.Answer.TraceID, r.Answer.ResponseID, valid(r.URL))
	e.text(string(r.Kind), r.Initiator)
	e.time(r.Start)
	e.durations(r.Duration)
	e.put(model.DurationBucket(r.Duration))
	e.clock(r.Clock, r.Received)
	e.text(r.URL, r.Host, r.URLPattern, r.Method)
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
	e.text(string(r.Attributes))
	e.link(l)
}

// link puts the columns of a link.
func (e *encoder) link(l *model.Link) {
	e.text(string(l.Status), string(l.Reason), l.Detail)
	e.context(l.Joined)
	e.put(l.Final)
	e.time(l.Due)
	e.time(l.JudgedAt)
	e.text(l.Entry.Service, l.Entry.Route)
	e.time(l.Entry.Start)
	e.durations(l.Entry.Duration)
}

// linkValues returns the columns of judged.sql.
func linkValues(l *model.Link) ([]driver.Value, error) {
	e := &encoder{values: make([]driver.Value, 0, 14)}
	e.put(l.Row)
	e.put(number(l.RequestID))
	e.link(l)
	return e.values, e.err
}

func (e *encoder) navigation(n *model.NavigationEvent) {
	e.frontend(keyNavigation, n.ID, &n.Frontend)
	e.time(n.Start)
	e.durations(n.Duration)
	e.clock(n.Clock, n.Received)
	e.text(n.URL, n.URLPattern, n.Referrer, n.Title, n.Type)
	e.durations(n.ActivationStart, n.DOMInteractive, n.DOMContentLoadedEventStart, n.DOMContentLoadedEventEnd,
		n.DOMComplete, n.LoadEventStart, n.LoadEventEnd)
	e.text(string(n.Attributes))
}

func (e *encoder) webVital(v *model.WebVital) {
	e.frontend(keyWebVital, v.ID, &v.Frontend)
	e.time(v.Time)
	e.clock(v.Clock, v.Received)
	e.text(v.URL, v.Name)
	e.put(v.Value)
	e.text(v.Rating)
}

func (e *encoder) errorEvent(v *model.ErrorEvent) {
	e.frontend(keyError, v.ID, &v.Frontend)
	e.time(v.Time)
	e.clock(v.Clock, v.Received)
	e.text(v.URL, v.Source, v.Type, v.Message, v.Stack)
	e.put(v.Handled)
	e.id(v.RequestID)
	e.put(number(v.Fingerprint))
	e.text(string(v.Attributes))
}

func (e *encoder) action(a *model.ActionEvent) {
	e.frontend(keyAction, a.ID, &a.Frontend)
	e.time(a.Start)
	e.durations(a.Duration)
	e.clock(a.Clock, a.Received)
	e.text(a.URL, a.Kind, a.Name, string(a.Attributes))
}

func (e *encoder) span(s *model.Span) {
	var named tracecontext.SpanID
	if s.Kind == model.SpanServer && s.DtrState == model.DtrValid {
		named = s.Dtr.SpanID
	}
	e.keys = appendSpanKeys(e.keys, s.TraceID, s.SpanID, named)
	e.put(duckdb.UUID(s.TraceID))
	e.put(number(s.SpanID))
	e.id(s.ParentSpanID)
	e.text(s.Name)
	e.put(int8(s.Kind))
	e.put(s.Flags)
	e.time(s.Start)
	e.durations(s.Duration)
	e.time(s.Received)
	e.text(s.TraceState, string(s.DtrState))
	e.id(s.Dtr.SpanID)
	e.put(s.Dtr.Sampled)
	e.text(s.Dtr.ApplicationID, s.Dtr.InstanceID, s.Dtr.SessionID)
	e.text(s.Service, s.Scope)
	e.put(s.StatusCode)
	e.text(s.StatusMessage, s.Host)
	e.put(s.Entry)
	e.text(s.Route)
	e.put(int64(s.HTTPStatus))
	e.text(s.Via, string(s.Attributes), string(s.Resource))
	events, err := encodeEvents(s.Events)
	e.fail(err)
	e.text(events)
}

// storedEvent is a span's event as its column holds it.
type storedEvent struct {
	Name       string          `json:"name"`
	Time       int64           `json:"time"` // nanoseconds since 1970
	Attributes json.RawMessage `json:"attributes,omitempty"`
}

func encodeEvents(events []model.SpanEvent) (string, error) {
	if len(events) == 0 {
		return "", nil
	}
	list := make([]storedEvent, len(events))
	for i, ev := range events {
		at, err := nanos(ev.Time)
		if err != nil {
			return "", err
		}
		list[i] = storedEvent{Name: ev.Name, Time: at, Attributes: json.RawMessage(valid(string(ev.Attributes)))}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // attributes stay as they are
	err := enc.Encode(list)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func decodeEvents(b []byte) ([]model.SpanEvent, error) {
	var list []storedEvent
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	events := make([]model.SpanEvent, len(list))
	for i, ev := range list {
		events[i] = model.SpanEvent{Name: ev.Name, Time: timeOf(ev.Time), Attributes: model.Attributes(ev.Attributes)}
	}
	return events, nil
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

package duckdb

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2/mapping"

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
	pageEvents
	spans
	tables // how many
)

// tableNames are the names of the tables, as in schema.sql.
var tableNames = [tables]string{"requests", "navigations", "web_vitals", "errors", "actions", "page_events", "spans"}

// idKeys are the kinds of the keys by which rows of a table are the same; not of spans.
var idKeys = [...]keyKind{keyRequest, keyNavigation, keyWebVital, keyError, keyAction, keyPageEvent}

// row is what the writer needs to know of a row beside its columns.
type row struct {
	id      rowID
	keys    []key  // for the directory; the first is that of the id
	host    string // of a span that tells of one
	service string // of a span
}

// rowID is the identity of a row within its table; trace is zero but for spans.
type rowID struct {
	trace tracecontext.TraceID
	id    uint64
}

// rows are the rows of a batch. They hold nothing that its sender may change.
type rows struct {
	of       [tables][]row
	requests []recentRequest // what recent keeps of each row of requests
	spans    []recentSpan    // and of each row of spans
	received []time.Time     // of each row of spans

	memory *encoder // which holds the columns, and can be used again
}

func (r *rows) count() (n int) {
	for _, t := range r.of {
		n += len(t)
	}
	return n
}

// encode turns a batch into rows. It fails where a value cannot be stored, so
// that what comes to the writer can. The rows are good for as long as their memory is not used for others.
func encode(b store.Batch, firstDue time.Duration, e *encoder) (*rows, error) {
	e.reset()
	r := rows{memory: e}
	for t, n := range [tables]int{len(b.Requests), len(b.Navigations), len(b.WebVitals), len(b.Errors), len(b.Actions), len(b.PageEvents), len(b.Spans)} {
		r.of[t] = make([]row, 0, n)
	}
	// Rows point into these, so they must not grow.
	e.keys = slices.Grow(e.keys, 7*len(b.Requests)+3*(b.Len()-len(b.Requests)))
	r.requests = make([]recentRequest, len(b.Requests))
	for i := range b.Requests {
		v := &r.requests[i].event
		*v, r.requests[i].texts = cleanRequest(&b.Requests[i])
		l := &r.requests[i].link
		*l = model.Link{RequestID: v.ID, Verdict: model.Verdict{Status: model.Pending}}
		if firstDue > 0 && !v.Received.IsZero() {
			l.Due = v.Received.Add(firstDue)
		}
		c := e.begin(requests)
		putRequest(c, v)
		putPending(c, l.Due)
		e.keys = appendFrontendKeys(e.keys, keyRequest, v.ID, v.SessionID, v.PageID)
		e.keys = appendRequestKeys(e.keys, v.Sent, v.Answer.TraceID, v.Answer.ResponseID, v.URL)
		if err := r.end(requests, row{id: rowID{id: number(v.ID)}}); err != nil {
			return nil, fmt.Errorf("request %v: %w", v.ID, err)
		}
	}
	for i := range b.Navigations {
		v := &b.Navigations[i]
		putNavigation(e.begin(navigations), v)
		if err := r.endFrontend(navigations, v.ID, &v.Frontend); err != nil {
			return nil, fmt.Errorf("navigation %v: %w", v.ID, err)
		}
	}
	for i := range b.WebVitals {
		v := &b.WebVitals[i]
		putWebVital(e.begin(webVitals), v)
		if err := r.endFrontend(webVitals, v.ID, &v.Frontend); err != nil {
			return nil, fmt.Errorf("web vital %v: %w", v.ID, err)
		}
	}
	for i := range b.Errors {
		v := &b.Errors[i]
		putError(e.begin(errorEvents), v)
		if err := r.endFrontend(errorEvents, v.ID, &v.Frontend); err != nil {
			return nil, fmt.Errorf("error %v: %w", v.ID, err)
		}
	}
	for i := range b.Actions {
		v := &b.Actions[i]
		putAction(e.begin(actions), v)
		if err := r.endFrontend(actions, v.ID, &v.Frontend); err != nil {
			return nil, fmt.Errorf("action %v: %w", v.ID, err)
		}
	}
	for i := range b.PageEvents {
		v := &b.PageEvents[i]
		putPageEvent(e.begin(pageEvents), v)
		if err := r.endFrontend(pageEvents, v.ID, &v.Frontend); err != nil {
			return nil, fmt.Errorf("page event %v: %w", v.ID, err)
		}
	}
	r.spans = make([]recentSpan, len(b.Spans))
	r.received = make([]time.Time, len(b.Spans))
	names := interned{}
	for i := range b.Spans {
		v := &b.Spans[i]
		r.spans[i].facts, r.received[i] = factsOf(v, names), v.Received
		putSpan(e.begin(spans), v)
		e.keys = appendSpanKeys(e.keys, v.TraceID, v.SpanID, r.spans[i].name())
		err := r.end(spans, row{id: rowID{trace: v.TraceID, id: number(v.SpanID)}, host: names.of(v.Host), service: names.of(v.Service)})
		if err != nil {
			return nil, fmt.Errorf("span %v of trace %v: %w", v.SpanID, v.TraceID, err)
		}
	}
	return &r, nil
}

// end ends a row whose columns and keys were put.
func (r *rows) end(t table, one row) error {
	e := r.memory
	one.keys = e.keys[e.ended:len(e.keys):len(e.keys)]
	e.ended = len(e.keys)
	r.of[t] = append(r.of[t], one)
	e.columns[t].endRow()
	return e.columns[t].err
}

// endFrontend ends the row of an event that has the keys of its frontend alone.
func (r *rows) endFrontend(t table, id model.EventID, f *model.Frontend) error {
	r.memory.keys = appendFrontendKeys(r.memory.keys, idKeys[t], id, valid(f.SessionID), valid(f.PageID))
	return r.end(t, row{id: rowID{id: number(id)}})
}

// encoder collects the columns and keys of rows.
type encoder struct {
	columns [tables]columns
	keys    []key
	ended   int // the keys of rows that have ended
}

func (e *encoder) reset() {
	for t := range e.columns {
		e.columns[t].reset()
	}
	e.keys, e.ended = e.keys[:0], 0
}

// begin begins a row; its seq is the writer's to set.
func (e *encoder) begin(t table) *columns {
	c := &e.columns[t]
	c.uint64(0)
	return c
}

// valid returns s in UTF-8: bytes that are not become U+FFFD.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// cleanRequest returns a copy of a request as it is read from its row. Its texts are in one piece of memory of their own: those of r
// may be parts of a much larger text, a whole record of the journal, which what is kept must not hold in memory. size is their bytes.
func cleanRequest(r *model.RequestEvent) (_ model.RequestEvent, size int) {
	c := *r
	texts := [...]*string{
		&c.ApplicationID, &c.InstanceID, &c.SessionID, &c.PageID, &c.ViewID, &c.ActionID, &c.AgentName, &c.AgentVersion,
		&c.Client.Browser, &c.Client.BrowserVersion, &c.Client.OS, &c.Client.Device, &c.Client.Country, &c.Client.Address,
		(*string)(&c.Kind), &c.Initiator, (*string)(&c.Clock.Source), &c.URL, &c.Host, &c.URLPattern, &c.Method, (*string)(&c.Error),
		(*string)(&c.TraceContextHint), (*string)(&c.ServerTimingHint), (*string)(&c.Delivery), &c.Protocol, (*string)(&c.Attributes),
	}
	for _, s := range texts {
		*s = valid(*s)
		size += len(*s)
	}
	var own strings.Builder
	own.Grow(size)
	for _, s := range texts {
		own.WriteString(*s)
	}
	rest := own.String()
	for _, s := range texts {
		*s, rest = rest[:len(*s)], rest[len(*s):]
	}
	for _, t := range [...]*time.Time{&c.Start, &c.Received} {
		if n, err := nanos(*t); err == nil { // else encode says so
			*t = timeOf(n)
		}
	}
	c.Answer.Sampled, c.Answer.ResponseID = copied(c.Answer.Sampled), copied(c.Answer.ResponseID)
	return c, size
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func putContext(c *columns, s model.SpanContext) {
	c.optionalTrace(s.TraceID)
	c.optionalID(s.SpanID)
}

// ownID returns an id as its column has it where another column may have the same: none then.
func ownID[ID tracecontext.TraceID | tracecontext.SpanID](id, other ID) (own ID, same bool) {
	if id == own || id != other {
		return id, false
	}
	return own, true
}

// putFrontend puts the columns from the id on that all events of frontends have.
func putFrontend(c *columns, id model.EventID, f *model.Frontend) {
	c.uint64(number(id))
	c.text(f.ApplicationID, f.InstanceID, f.SessionID, f.PageID, f.ViewID, f.ActionID, f.AgentName, f.AgentVersion)
	d := &f.Client
	c.text(d.Browser, d.BrowserVersion, d.OS, d.Device, d.Country, d.Address)
}

func putClock(c *columns, clock model.Clock, received time.Time) {
	c.durations(clock.Offset, clock.Uncertainty)
	c.text(string(clock.Source))
	c.time(received)
}

func putRequest(c *columns, r *model.RequestEvent) {
	putFrontend(c, r.ID, &r.Frontend)
	c.text(string(r.Kind), r.Initiator)
	c.time(r.Start)
	c.durations(r.Duration)
	c.int16(model.DurationBucket(r.Duration))
	putClock(c, r.Clock, r.Received)
	c.text(r.URL, r.Host, r.URLPattern, r.Method)
	c.int64s(int64(r.StatusCode))
	c.text(string(r.Error), string(r.TraceContextHint), string(r.ServerTimingHint))
	putContext(c, r.Sent)
	own, same := ownID(r.Answer.TraceID, r.Sent.TraceID)
	c.optionalTrace(own)
	c.bool(same)
	c.optionalID(r.Answer.SpanID)
	c.optionalBool(r.Answer.Sampled)
	c.optionalInt32(r.Answer.ResponseID)
	c.text(string(r.Delivery), r.Protocol)
	c.int64s(r.TransferSize, r.EncodedBodySize, r.DecodedBodySize)
	t := &r.Timing
	c.durations(t.RedirectStart, t.RedirectEnd, t.WorkerStart, t.FetchStart, t.DomainLookupStart, t.DomainLookupEnd,
		t.ConnectStart, t.ConnectEnd, t.SecureConnectionStart, t.RequestStart, t.FirstInterimResponseStart,
		t.ResponseStart, t.ResponseEnd-r.Duration)
	c.blob(valid(string(r.Attributes)))
}

// putPending puts the link of a request that nobody has judged.
func putPending(c *columns, due time.Time) {
	c.text(string(model.Pending), "", "")
	putContext(c, model.SpanContext{})
	c.uint8(0)
	c.bool(false)
	c.time(due)
	c.time(time.Time{})
	c.text("", "")
	c.optionalInt64(nil)
	c.durations(0)
}

// putJudged puts a row of judged.sql.
func putJudged(c *columns, l *model.Link) error {
	c.uint64(l.Row)
	c.uint64(number(l.RequestID))
	c.text(string(l.Status), string(l.Reason), l.Detail)
	putContext(c, l.Joined)
	c.bool(l.Final)
	c.time(l.Due)
	c.time(l.JudgedAt)
	c.text(l.Entry.Service, l.Entry.Route)
	c.time(l.Entry.Start)
	c.durations(l.Entry.Duration)
	c.endRow()
	return c.err
}

func putNavigation(c *columns, n *model.NavigationEvent) {
	putFrontend(c, n.ID, &n.Frontend)
	c.time(n.Start)
	c.durations(n.Duration)
	putClock(c, n.Clock, n.Received)
	c.text(n.URL, n.URLPattern, n.Referrer, n.Title, n.Type)
	c.durations(n.ActivationStart, n.DOMInteractive, n.DOMContentLoadedEventStart, n.DOMContentLoadedEventEnd,
		n.DOMComplete, n.LoadEventStart, n.LoadEventEnd)
	c.blob(valid(string(n.Attributes)))
}

func putWebVital(c *columns, v *model.WebVital) {
	putFrontend(c, v.ID, &v.Frontend)
	c.time(v.Time)
	putClock(c, v.Clock, v.Received)
	c.text(v.URL, v.Name)
	c.double(v.Value)
	c.text(v.Rating)
	c.blob(valid(string(v.Attributes)))
}

func putError(c *columns, v *model.ErrorEvent) {
	putFrontend(c, v.ID, &v.Frontend)
	c.time(v.Time)
	putClock(c, v.Clock, v.Received)
	c.text(v.URL, v.Source, v.Type, v.Message, v.Stack)
	c.bool(v.Handled)
	c.optionalID(v.RequestID)
	c.uint64(number(v.Fingerprint))
	c.blob(valid(string(v.Attributes)))
}

func putAction(c *columns, a *model.ActionEvent) {
	putFrontend(c, a.ID, &a.Frontend)
	c.time(a.Start)
	c.durations(a.Duration)
	putClock(c, a.Clock, a.Received)
	c.text(a.URL, a.Kind, a.Name)
	c.blob(valid(string(a.Attributes)))
}

func putPageEvent(c *columns, e *model.PageEvent) {
	putFrontend(c, e.ID, &e.Frontend)
	c.time(e.Start)
	c.durations(e.Duration)
	putClock(c, e.Clock, e.Received)
	c.text(e.URL, e.Type, e.Name)
	c.blob(valid(string(e.Attributes)))
}

func putSpan(c *columns, s *model.Span) {
	c.trace(s.TraceID)
	c.uint64(number(s.SpanID))
	c.optionalID(s.ParentSpanID)
	c.text(s.Name)
	c.int8(int8(s.Kind))
	c.uint32(s.Flags)
	c.time(s.Start)
	c.durations(s.Duration)
	c.time(s.Received)
	at := putTraceState(c, s)
	c.text(string(s.DtrState))
	own, same := ownID(s.Dtr.SpanID, s.ParentSpanID)
	c.optionalID(own)
	c.bool(same)
	c.bool(s.Dtr.Sampled)
	c.text(s.Dtr.ApplicationID, s.Dtr.InstanceID, s.Dtr.SessionID)
	c.optionalInt16(at, at > 0)
	c.text(s.Service, s.Scope)
	c.int8(s.StatusCode)
	c.text(s.Host)
	c.bool(s.Entry)
	c.text(s.Route)
	c.int64s(int64(s.HTTPStatus))
	c.text(s.Via)
	events, err := encodeEvents(s.Events)
	if err != nil {
		c.fail(err)
	}
	c.blob(valid(s.StatusMessage), endOfPart, events, endOfPart, valid(string(s.Attributes)), endOfPart, valid(string(s.Resource)))
}

// endOfPart is what separates the parts of a span's detail: a byte that UTF-8 does not have.
const endOfPart = "\xff"

// putTraceState puts the trace state without the value of its dtr entry, which has columns of its own, and returns where that
// stands; zero where all of the state is put.
func putTraceState(c *columns, s *model.Span) int16 {
	state := valid(s.TraceState)
	at, length := findDtr(state, s)
	if at == 0 {
		c.text(state)
		return 0
	}
	c.putText(c.next(mapping.TypeVarchar), state[:at], state[at+length:])
	return int16(at) //nolint:gosec // findDtr sees to it
}

// findDtr returns where in a trace state the value of a span's dtr entry stands, and its length; zero where it is not there
// as it would be written, or too far behind.
func findDtr(state string, s *model.Span) (at, length int) {
	if s.DtrState != model.DtrValid {
		return 0, 0
	}
	var memory [256]byte
	value := tracecontext.Dtr(s.Dtr).AppendTo(memory[:0])
	for {
		i := strings.IndexByte(state[at:], '=')
		if i < 0 {
			return 0, 0
		}
		if at += i + 1; at > math.MaxInt16 {
			return 0, 0
		}
		if len(state)-at >= len(value) && state[at:at+len(value)] == string(value) {
			return at, len(value)
		}
	}
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

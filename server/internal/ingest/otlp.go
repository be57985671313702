package ingest

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The limits of one export.
const (
	MaxTraceBytes   = 16 << 20 // both as sent and decompressed
	maxTraceSpans   = 1 << 17  // each becomes some 400 bytes beside its text
	maxTraceNesting = 64       // of lists and maps, each counted; what is kept nests at most maxValueDepth deep
)

var (
	errTooManySpans = errors.New("the body holds more than 131072 spans")
	errTooDeep      = errors.New("the body nests too deep")
)

// The limits of one span. What is beyond is cut or left out, and counted; only
// a name that is too long costs the span.
const (
	maxNameBytes       = 4096
	maxTraceStateBytes = 4096 // 8 times what W3C asks to be kept
	maxAttributes      = 128  // of a span, a resource; the default of OpenTelemetry SDKs
	maxEventAttributes = 32
	maxEvents          = 128
	maxKeyBytes        = 256
	maxValueBytes      = 16 << 10
	maxServiceBytes    = 512 // of the name that spans are known by; its attribute may be longer
	maxValueDepth      = 8
	maxValueElements   = 1024 // of a list or map, all levels counted
)

// maxResourceCopies bounds the bytes that the resources of one export take once they
// stand beside each of their spans, as a store keeps them. Without it, one resource
// of a few megabytes and many small spans would make terabytes. Spans beyond it keep
// all but the attributes of their resource.
const maxResourceCopies = 16 << 20

// The times that a span may have, seen from when it came in.
const (
	maxSpanAge   = 30 * 24 * time.Hour
	maxSpanAhead = 24 * time.Hour
)

// arenaBytes is the least piece of memory that texts are put into.
const arenaBytes = 64 << 10

// traceDecoder turns exports, which traceCheck has passed, into spans (ADR-6). Its zero value is
// ready for use, by one goroutine; what it returns does not alias what it read.
type traceDecoder struct {
	tenant tracecontext.Tenant

	received time.Time
	window   window
	spans    []model.Span
	left     int // spans left out
	dropped  int // attributes and events cut or left out
	copied   int // bytes of resources, see maxResourceCopies

	arena          strings.Builder // texts that spans keep, one after the other
	attrs, evAttrs attributesText  // of the span, resource or event at hand
	events         []model.SpanEvent
	facts          entryFacts // of the span at hand
}

// decode appends the spans of an export.
func (d *traceDecoder) decode(spans []model.Span, body []byte, received time.Time) ([]model.Span, error) {
	before := len(spans)
	d.received, d.window, d.spans = received, windowAt(received), spans
	d.left, d.dropped, d.copied = 0, 0, 0
	if d.arena.Cap()-d.arena.Len() < len(body) {
		d.arena = strings.Builder{}
		d.arena.Grow(max(arenaBytes, len(body)))
	}
	f := fields{text: body}
	for f.next() {
		if f.message(exportResourceSpans) {
			if err := d.resourceSpans(f.data()); err != nil {
				return spans[:before], err
			}
		}
	}
	spans, d.spans, d.events = d.spans, nil, nil
	if f.malformed {
		spans = spans[:before]
	}
	return spans, f.err()
}

// ofResource is what the spans of one resource share.
type ofResource struct {
	text    model.Attributes
	service string
	count   int // attributes
}

func (d *traceDecoder) resourceSpans(body []byte) error {
	resource, err := d.resource(body)
	if err != nil {
		return err
	}
	f := fields{text: body}
	for f.next() {
		if f.message(resourceSpansScopeSpans) || f.message(resourceSpansScopeSpansV0) {
			if err := d.scopeSpans(f.data(), &resource); err != nil {
				return err
			}
		}
	}
	return f.err()
}

// resource reads the resource, wherever it stands in the message.
func (d *traceDecoder) resource(body []byte) (ofResource, error) {
	var r ofResource
	d.attrs.reset()
	f := fields{text: body}
	for f.next() {
		if !f.message(resourceSpansResource) {
			continue
		}
		of := fields{text: f.data()}
		for of.next() {
			if !of.message(resourceAttributes) {
				continue
			}
			kv, err := parseKeyValue(of.data())
			if err != nil {
				return r, err
			}
			kept, err := d.attrs.add(&kv, maxAttributes)
			if err != nil {
				return r, err
			}
			if kept && string(kv.key) == "service.name" {
				r.service = d.text(textOf(kv.value), maxServiceBytes)
			}
		}
		if err := of.err(); err != nil {
			return r, err
		}
	}
	r.text, r.count = d.keepAttributes(&d.attrs), d.attrs.kept
	return r, f.err()
}

func (d *traceDecoder) scopeSpans(body []byte, resource *ofResource) error {
	scope, n := "", 0
	f := fields{text: body}
	for f.next() {
		switch {
		case f.message(scopeSpansSpans):
			n++
		case f.message(scopeSpansScope):
			of := fields{text: f.data()}
			for of.next() {
				if of.message(scopeName) {
					scope = d.text(of.data(), maxNameBytes)
				}
			}
			if err := of.err(); err != nil {
				return err
			}
		}
	}
	if f.malformed {
		return f.err()
	}
	d.reserve(n)
	f = fields{text: body}
	for f.next() {
		if !f.message(scopeSpansSpans) {
			continue
		}
		n := len(d.spans)
		d.spans = append(d.spans, model.Span{})
		s := &d.spans[n]
		good, err := d.span(s, f.data())
		if err != nil {
			return err
		}
		if !good {
			d.left++
			d.spans = d.spans[:n]
			continue
		}
		s.Service, s.Scope = resource.service, scope
		if d.copied += len(resource.text); d.copied <= maxResourceCopies {
			s.Resource = resource.text
		} else {
			d.dropped += resource.count
		}
	}
	return f.err()
}

// reserve makes room for n more spans, at most doubling what there is.
func (d *traceDecoder) reserve(n int) {
	if have := len(d.spans); cap(d.spans)-have < n {
		grown := make([]model.Span, have, have+max(have, n))
		copy(grown, d.spans)
		d.spans = grown
	}
}

// span reads a span; what it has from resource and scope is left to the caller.
func (d *traceDecoder) span(s *model.Span, body []byte) (good bool, err error) {
	var head spanHead
	var traceState []byte
	firstEvent, events := len(d.events), 0
	d.attrs.reset()
	d.facts = entryFacts{}
	f := fields{text: body}
	for f.next() {
		if head.take(&f) {
			continue
		}
		switch {
		case f.message(spanTraceState):
			traceState = f.data()
		case f.is(spanKind, protowire.VarintType):
			s.Kind = kindOf(f.number)
		case f.is(spanFlags, protowire.Fixed32Type):
			s.Flags = uint32(f.number) //nolint:gosec // of 32 bits
		case f.message(spanAttributes):
			err = d.attribute(f.data())
		case f.message(spanEvents):
			if events++; events > maxEvents {
				d.dropped++
				continue
			}
			err = d.event(f.data())
		case f.message(spanStatus):
			err = d.status(s, f.data())
		}
		if err != nil {
			return false, err
		}
	}
	if f.malformed || head.check(d.window) != spanGood {
		d.events = d.events[:firstEvent]
		return false, f.err()
	}
	copy(s.TraceID[:], head.traceID)
	copy(s.SpanID[:], head.spanID)
	copy(s.ParentSpanID[:], head.parentID)
	s.Name = d.text(head.name, maxNameBytes)
	s.Start = timeOf(head.start)
	if head.end > head.start { // else a clock was set back while the span ran
		s.Duration = time.Duration(head.end - head.start) //nolint:gosec // both lie in the window
	}
	s.Received = d.received
	if len(traceState) > 0 {
		d.traceState(s, traceState)
	}
	s.Attributes = d.keepAttributes(&d.attrs)
	if len(d.events) > firstEvent {
		s.Events = d.events[firstEvent:len(d.events):len(d.events)]
	}
	d.entry(s)
	return true, nil
}

func (d *traceDecoder) attribute(body []byte) error {
	kv, err := parseKeyValue(body)
	if err != nil {
		return err
	}
	kept, err := d.attrs.add(&kv, maxAttributes)
	if kept {
		d.facts.note(&kv)
	}
	return err
}

func (d *traceDecoder) status(s *model.Span, body []byte) error {
	f := fields{text: body}
	for f.next() {
		switch {
		case f.message(statusMessage):
			s.StatusMessage = d.text(f.data(), maxValueBytes)
		case f.is(statusCode, protowire.VarintType):
			s.StatusCode = int8(min(max(int32(f.number), 0), 2)) //nolint:gosec // an enum is an int32, cut as protobuf cuts it
		}
	}
	return f.err()
}

func (d *traceDecoder) event(body []byte) error {
	var name []byte
	var at uint64
	d.evAttrs.reset()
	f := fields{text: body}
	for f.next() {
		switch {
		case f.is(eventTime, protowire.Fixed64Type):
			at = f.number
		case f.message(eventName):
			name = f.data()
		case f.message(eventAttributes):
			kv, err := parseKeyValue(f.data())
			if err != nil {
				return err
			}
			if _, err := d.evAttrs.add(&kv, maxEventAttributes); err != nil {
				return err
			}
		}
	}
	switch {
	case f.malformed:
		return f.err()
	case !d.window.holds(at):
		d.dropped++
		return nil
	}
	d.events = append(d.events, model.SpanEvent{
		Name: d.text(name, maxNameBytes), Time: timeOf(at), Attributes: d.keepAttributes(&d.evAttrs),
	})
	return nil
}

// traceState keeps a trace state, and reads the tenant's dtr entry from it.
func (d *traceDecoder) traceState(s *model.Span, raw []byte) {
	var text string
	if len(raw) <= maxTraceStateBytes {
		s.TraceState = d.text(raw, maxTraceStateBytes)
		text = s.TraceState
	} else { // not kept, and still read
		d.dropped++
		text = string(raw)
	}
	dtr, found, err := tracecontext.FindDtr(text, d.tenant)
	switch {
	case !found:
	case err != nil:
		s.DtrState = model.DtrInvalid
	default:
		s.DtrState = model.DtrValid
		s.Dtr = model.Dtr{
			SpanID: dtr.SpanID, Sampled: dtr.Sampled,
			ApplicationID: dtr.ApplicationID, InstanceID: dtr.InstanceID, SessionID: dtr.SessionID,
		}
	}
}

func kindOf(number uint64) model.SpanKind {
	if number > uint64(model.SpanConsumer) {
		return model.SpanUnspecified
	}
	return model.SpanKind(number)
}

func timeOf(ns uint64) time.Time {
	return time.Unix(0, int64(ns)).UTC() //nolint:gosec // it lies in the window
}

// keepAttributes puts finished attributes into the arena.
func (d *traceDecoder) keepAttributes(a *attributesText) model.Attributes {
	d.dropped += a.dropped
	return model.Attributes(d.keep(a.finish()))
}

// text keeps s in valid UTF-8, cut to at most limit bytes at a rune's border.
// Protobuf leaves UTF-8 to the sender, and engines refuse what is none.
func (d *traceDecoder) text(s []byte, limit int) string {
	if len(s) > limit {
		d.dropped++
		s = cut(s, limit)
	}
	if !utf8.Valid(s) {
		return strings.ToValidUTF8(string(s), "\ufffd")
	}
	return d.keep(s)
}

// keep copies s into the arena.
func (d *traceDecoder) keep(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	start := d.arena.Len()
	d.arena.Write(s)
	return d.arena.String()[start:]
}

// cut returns at most limit bytes of s, which is longer, up to the border of a rune.
func cut(s []byte, limit int) []byte {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

package ingest

import (
	"math"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"

	"google.golang.org/protobuf/encoding/protowire"
)

// spanReason says why a span was left out.
type spanReason int

const (
	spanGood    spanReason = iota
	badTraceID             // all zero, or not 16 bytes
	badSpanID              // all zero, or not 8 bytes; also of the parent where it is not 8 bytes or empty
	ownParent              // its parent is itself
	badTime                // start or end is missing, or too long ago or ahead
	badName                // longer than maxNameBytes
	spanReasons            // their number
)

// String returns the reason as counters and answers have it.
func (r spanReason) String() string {
	return [...]string{"", "bad_trace_id", "bad_span_id", "own_parent", "bad_time", "oversized_name"}[r]
}

// spanHead is the part of a span that decides whether it is taken.
type spanHead struct {
	traceID, spanID, parentID, name []byte // as sent
	start, end                      uint64 // ns since 1970
}

// take notes a field, and reports whether it belongs to the head.
func (h *spanHead) take(f *fields) bool {
	switch f.num {
	case spanTraceID:
		if f.typ == protowire.BytesType {
			h.traceID = f.data()
		}
	case spanSpanID:
		if f.typ == protowire.BytesType {
			h.spanID = f.data()
		}
	case spanParentID:
		if f.typ == protowire.BytesType {
			h.parentID = f.data()
		}
	case spanName:
		if f.typ == protowire.BytesType {
			h.name = f.data()
		}
	case spanStart:
		if f.typ == protowire.Fixed64Type {
			h.start = f.number
		}
	case spanEnd:
		if f.typ == protowire.Fixed64Type {
			h.end = f.number
		}
	default:
		return false
	}
	return true
}

// check returns why the span must be left out, if it must.
func (h *spanHead) check(w window) spanReason {
	switch {
	case len(h.traceID) != len(tracecontext.TraceID{}) || tracecontext.TraceID(h.traceID).IsZero():
		return badTraceID
	case len(h.spanID) != len(tracecontext.SpanID{}) || tracecontext.SpanID(h.spanID).IsZero():
		return badSpanID
	case len(h.parentID) != 0 && len(h.parentID) != len(tracecontext.SpanID{}):
		return badSpanID
	case len(h.parentID) != 0 && tracecontext.SpanID(h.parentID) == tracecontext.SpanID(h.spanID):
		return ownParent
	case !w.holds(h.start) || !w.holds(h.end):
		return badTime
	case len(h.name) > maxNameBytes:
		return badName
	default:
		return spanGood
	}
}

// window is the time that a span may be of, in ns since 1970.
type window struct{ first, last uint64 }

func windowAt(received time.Time) window {
	now := received.UnixNano()
	return window{
		uint64(max(0, now-int64(maxSpanAge))),
		uint64(min(max(0, now), math.MaxInt64-int64(maxSpanAhead)) + int64(maxSpanAhead)),
	}
}

func (w window) holds(ns uint64) bool { return ns >= w.first && ns <= w.last }

// traceCheck is the walk over an export on its way in: it finds what makes the body
// or a span unfit, and keeps nothing, so that its memory does not hang on the body.
type traceCheck struct {
	window   window
	spans    int // all of them
	rejected [spanReasons]int
}

// export walks an ExportTraceServiceRequest.
func (c *traceCheck) export(body []byte) error {
	f := fields{text: body}
	for f.next() {
		if f.message(exportResourceSpans) {
			if err := c.resourceSpans(f.data()); err != nil {
				return err
			}
		}
	}
	return f.err()
}

func (c *traceCheck) resourceSpans(body []byte) error {
	f := fields{text: body}
	for f.next() {
		var err error
		switch {
		case f.message(resourceSpansResource):
			err = checkAttributes(f.data(), resourceAttributes)
		case f.message(resourceSpansScopeSpans), f.message(resourceSpansScopeSpansV0):
			err = c.scopeSpans(f.data())
		}
		if err != nil {
			return err
		}
	}
	return f.err()
}

func (c *traceCheck) scopeSpans(body []byte) error {
	f := fields{text: body}
	for f.next() {
		var err error
		switch {
		case f.message(scopeSpansScope):
			err = checkAttributes(f.data(), scopeAttributes)
		case f.message(scopeSpansSpans):
			err = c.span(f.data())
		}
		if err != nil {
			return err
		}
	}
	return f.err()
}

func (c *traceCheck) span(body []byte) error {
	if c.spans++; c.spans > maxTraceSpans {
		return errTooManySpans
	}
	var head spanHead
	f := fields{text: body}
	for f.next() {
		if head.take(&f) || f.typ != protowire.BytesType {
			continue
		}
		var err error
		switch f.num {
		case spanAttributes:
			err = checkKeyValue(f.data(), 0)
		case spanEvents:
			err = checkAttributes(f.data(), eventAttributes)
		case spanLinks:
			err = checkAttributes(f.data(), linkAttributes)
		case spanStatus:
			err = checkAttributes(f.data(), 0)
		}
		if err != nil {
			return err
		}
	}
	c.rejected[head.check(c.window)]++
	return f.err()
}

// accepted returns how many spans are good.
func (c *traceCheck) accepted() int { return c.rejected[spanGood] }

// checkAttributes walks a message whose field num holds attributes.
func checkAttributes(body []byte, num protowire.Number) error {
	f := fields{text: body}
	for f.next() {
		if f.message(num) {
			if err := checkKeyValue(f.data(), 0); err != nil {
				return err
			}
		}
	}
	return f.err()
}

func checkKeyValue(body []byte, depth int) error {
	if kv, ok := plainKeyValue(body); ok {
		return checkValue(kv.value, depth+1)
	}
	f := fields{text: body}
	for f.next() {
		if f.message(keyValueValue) {
			if err := checkValue(f.data(), depth+1); err != nil {
				return err
			}
		}
	}
	return f.err()
}

func checkValue(body []byte, depth int) error {
	if depth > maxTraceNesting {
		return errTooDeep
	}
	if _, rest, ok := short(valueString, body); ok && len(rest) == 0 {
		return nil
	}
	f := fields{text: body}
	for f.next() {
		nested := checkValue
		switch {
		case f.message(valueArray):
		case f.message(valueMap):
			nested = checkKeyValue
		default:
			continue
		}
		of := fields{text: f.data()}
		for of.next() {
			if of.message(arrayValues) {
				if err := nested(of.data(), depth+1); err != nil {
					return err
				}
			}
		}
		if err := of.err(); err != nil {
			return err
		}
	}
	return f.err()
}

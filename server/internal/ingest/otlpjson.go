package ingest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The decoder of JSON recurses as deep as its input nests and makes a value of
// a few hundred bytes out of two, so what it may be given is checked before: a
// body within these limits decodes into less than 100 MiB.
const (
	maxTraceObjects   = 1 << 18 // objects: spans, events, key-values, values
	maxTraceCommas    = 1 << 20 // elements and members, such as the texts in entityRefs
	maxTraceJSONDepth = 200     // of objects and arrays; a level of an attribute's value takes up to four
)

var (
	errMalformedJSON   = errors.New("the body is not an ExportTraceServiceRequest in JSON")
	errTooManyMessages = errors.New("the body holds too many spans, events and attributes")
)

// protoOfJSON turns an export in JSON into one in protobuf. It changes the body.
func protoOfJSON(body []byte) ([]byte, error) {
	if err := scanJSON(body); err != nil {
		return nil, err
	}
	blankIDs(body)
	export := ptraceotlp.NewExportRequest()
	if err := export.UnmarshalJSON(body); err != nil {
		return nil, errMalformedJSON
	}
	body, err := export.MarshalProto()
	if err != nil {
		return nil, errMalformedJSON
	}
	return body, nil
}

// scanJSON checks a body in JSON before it is decoded. It also finds what the
// decoder lets pass: text after the value, and text that is not UTF-8.
func scanJSON(body []byte) error {
	if !utf8.Valid(body) || !json.Valid(body) {
		return errMalformedJSON
	}
	first, objects, commas, depth, quoted := byte(0), 0, 0, 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if first == 0 && c > ' ' {
			first = c
		}
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxTraceJSONDepth {
				return errTooDeep
			}
			if c == '{' {
				objects++
			}
		case c == '}', c == ']':
			depth--
		case c == ',':
			commas++
		}
	}
	switch {
	case first != '{':
		return errMalformedJSON
	case objects > maxTraceObjects || commas > maxTraceCommas:
		return errTooManyMessages
	default:
		return nil
	}
}

// idObject is an object of an export that is being walked.
type idObject struct {
	spanID    []byte // the value of its span id, quotes included; nil: none so far
	badParent bool
}

// blankIDs empties, in place, what stands for an id and is none, so that its span is left out by itself as it
// is in protobuf: the decoder would refuse the whole export. The body is valid JSON.
func blankIDs(body []byte) {
	var open []idObject
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{':
			open = append(open, idObject{})
		case '}':
			o := &open[len(open)-1]
			if o.badParent { // a span whose parent is not told would pass for a root
				blank(o.spanID)
			}
			open = open[:len(open)-1]
		case '"':
			end := closingQuote(body, i)
			if open != nil {
				checkID(&open[len(open)-1], body[i+1:end], body[end+1:])
			}
			i = end
		}
	}
}

// checkID looks at a member of an object: its name, and what follows the name.
func checkID(o *idObject, name, rest []byte) {
	size := len(tracecontext.SpanID{})
	switch string(name) {
	case "traceId", "trace_id":
		size = len(tracecontext.TraceID{})
	case "spanId", "span_id", "parentSpanId", "parent_span_id":
	default:
		return
	}
	rest, isName := bytes.CutPrefix(bytes.TrimLeft(rest, jsonSpace), []byte(":"))
	rest = bytes.TrimLeft(rest, jsonSpace)
	if !isName || rest[0] != '"' { // a text in the place of a value; or no text, which the decoder refuses
		return
	}
	value := rest[:closingQuote(rest, 0)+1]
	var id tracecontext.TraceID
	digits := value[1 : len(value)-1]
	good := len(digits) == 0
	if len(digits) == 2*size {
		_, err := hex.Decode(id[:], digits)
		good = err == nil
	}
	switch name[0] {
	case 's':
		o.spanID = value
	case 'p':
		o.badParent = o.badParent || !good
	}
	if !good {
		blank(value)
	}
}

const jsonSpace = " \t\r\n"

// closingQuote returns where the text ends whose first quote stands at i.
func closingQuote(body []byte, i int) int {
	for i++; body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i
}

// blank makes a text in quotes an empty one, with spaces behind it.
func blank(text []byte) {
	for i := range text {
		text[i] = ' '
	}
	if len(text) > 1 {
		text[0], text[1] = '"', '"'
	}
}

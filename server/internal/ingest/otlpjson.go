package ingest

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
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

// protoOfJSON turns an export in JSON into one in protobuf.
func protoOfJSON(body []byte) ([]byte, error) {
	if err := scanJSON(body); err != nil {
		return nil, err
	}
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

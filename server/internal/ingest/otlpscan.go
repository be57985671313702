package ingest

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The decoder of OTLP recurses as deep as its input nests and makes a value of
// a few hundred bytes out of two, so what it may be given is checked before: a
// body within these limits decodes into less than 100 MiB.
const (
	maxTraceMessages  = 1 << 18 // messages, as protobuf has it: spans, events, key-values, values
	maxTraceNesting   = 64      // of messages; a span's attribute is the seventh level
	maxTraceJSONDepth = 200     // of objects and arrays; a level of an attribute's value takes up to four
)

var (
	errMalformedProto  = errors.New("the body is not an ExportTraceServiceRequest in protobuf")
	errMalformedJSON   = errors.New("the body is not an ExportTraceServiceRequest in JSON")
	errTooDeep         = errors.New("the body nests too deep")
	errTooManyMessages = errors.New("the body holds too many spans, events and attributes")
)

// protoMessage is the part of a message's schema that nests: the fields that
// hold messages.
type protoMessage map[protowire.Number]*protoMessage

// exportTraceServiceRequest is that message of OTLP (opentelemetry-proto,
// collector/trace/v1/trace_service.proto and trace/v1/trace.proto).
var exportTraceServiceRequest = func() *protoMessage {
	anyValue, keyValue := &protoMessage{}, &protoMessage{}
	*anyValue = protoMessage{
		5: {1: anyValue}, // array_value.values
		6: {1: keyValue}, // kvlist_value.values
	}
	*keyValue = protoMessage{2: anyValue}
	span := &protoMessage{
		9:  keyValue,
		11: {3: keyValue}, // events
		13: {4: keyValue}, // links
		15: {},            // status
	}
	scopeSpans := &protoMessage{1: {3: keyValue}, 2: span}
	resourceSpans := &protoMessage{
		1:    {1: keyValue, 3: {}}, // resource, with entity_refs
		2:    scopeSpans,
		1000: scopeSpans, // where it stood before OTLP 0.15
	}
	return &protoMessage{1: resourceSpans}
}()

// scanProto checks a body in protobuf before it is decoded.
func scanProto(body []byte) error {
	messages := 0
	return exportTraceServiceRequest.scan(body, 1, &messages)
}

func (m *protoMessage) scan(body []byte, depth int, messages *int) error {
	if depth > maxTraceNesting {
		return errTooDeep
	}
	if *messages++; *messages > maxTraceMessages {
		return errTooManyMessages
	}
	for len(body) > 0 {
		field, wireType, n := protowire.ConsumeTag(body)
		if n < 0 || wireType == protowire.StartGroupType { // OTLP has no groups
			return errMalformedProto
		}
		body = body[n:]
		if wireType != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, wireType, body); n < 0 {
				return errMalformedProto
			}
			body = body[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return errMalformedProto
		}
		body = body[n:]
		if nested := (*m)[field]; nested != nil {
			if err := nested.scan(value, depth+1, messages); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanJSON checks a body in JSON before it is decoded. It also finds what the
// decoder lets pass: text after the value, and text that is not UTF-8.
func scanJSON(body []byte) error {
	if !utf8.Valid(body) || !json.Valid(body) {
		return errMalformedJSON
	}
	first, objects, depth, quoted := byte(0), 0, 0, false
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
		}
	}
	switch {
	case first != '{':
		return errMalformedJSON
	case objects > maxTraceMessages:
		return errTooManyMessages
	default:
		return nil
	}
}

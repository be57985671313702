package ingest

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var errMalformedProto = errors.New("the body is not an ExportTraceServiceRequest in protobuf")

// fields reads a message of protobuf field by field (protobuf.dev, "Encoding").
// Groups, which OTLP has none of, are malformed. It moves by numbers, not by pointers: those cost more while
// garbage is collected.
type fields struct {
	text []byte // the message
	at   int    // where the next field begins

	num      protowire.Number
	typ      protowire.Type
	number   uint64 // the value, where it is a varint or fixed
	from, to int    // the value, where it has a length

	malformed bool
}

// data returns the value of a field that has a length; it is part of the message.
func (f *fields) data() []byte { return f.text[f.from:f.to:f.to] }

// next moves to the next field. After the last one, or at one that cannot be read, it
// returns false; err tells which.
func (f *fields) next() bool {
	if f.at >= len(f.text) {
		return false
	}
	tag, ok := f.varint()
	if !ok {
		return f.fail()
	}
	num := tag >> 3
	if num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return f.fail()
	}
	f.num, f.typ = protowire.Number(num), protowire.Type(tag&7)
	switch left := len(f.text) - f.at; f.typ {
	case protowire.BytesType:
		size, ok := f.varint()
		if !ok || size > uint64(len(f.text)-f.at) { //nolint:gosec // at is within text
			return f.fail()
		}
		f.from = f.at
		f.to = f.at + int(size) //nolint:gosec // within text
		f.at = f.to
	case protowire.VarintType:
		if f.number, ok = f.varint(); !ok {
			return f.fail()
		}
	case protowire.Fixed64Type:
		if left < 8 {
			return f.fail()
		}
		f.number = binary.LittleEndian.Uint64(f.text[f.at:])
		f.at += 8
	case protowire.Fixed32Type:
		if left < 4 {
			return f.fail()
		}
		f.number = uint64(binary.LittleEndian.Uint32(f.text[f.at:]))
		f.at += 4
	default:
		return f.fail()
	}
	return true
}

// varint takes a varint off the message.
func (f *fields) varint() (v uint64, ok bool) {
	if at := f.at; at < len(f.text) && f.text[at] < 0x80 {
		f.at = at + 1
		return uint64(f.text[at]), true
	}
	v, n := protowire.ConsumeVarint(f.text[f.at:])
	if n < 0 {
		return 0, false
	}
	f.at += n
	return v, true
}

func (f *fields) fail() bool {
	f.malformed = true
	return false
}

// err returns what ended the message: nil where it was read to its end.
func (f *fields) err() error {
	if f.malformed {
		return errMalformedProto
	}
	return nil
}

// is reports whether the field is this one, of this type. One of another type is
// unknown, as protobuf has it, and left out.
func (f *fields) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// message reports whether the field is this one and holds a message or text.
func (f *fields) message(num protowire.Number) bool { return f.is(num, protowire.BytesType) }

// The fields of OTLP's messages (opentelemetry-proto, collector/trace/v1,
// trace/v1, resource/v1 and common/v1).
const (
	exportResourceSpans = 1

	resourceSpansResource     = 1
	resourceSpansScopeSpans   = 2
	resourceSpansScopeSpansV0 = 1000 // where they stood before OTLP 0.15
	resourceAttributes        = 1

	scopeSpansScope = 1
	scopeSpansSpans = 2
	scopeName       = 1
	scopeAttributes = 3

	spanTraceID    = 1
	spanSpanID     = 2
	spanTraceState = 3
	spanParentID   = 4
	spanName       = 5
	spanKind       = 6
	spanStart      = 7
	spanEnd        = 8
	spanAttributes = 9
	spanEvents     = 11
	spanLinks      = 13
	spanStatus     = 15
	spanFlags      = 16

	eventTime       = 1
	eventName       = 2
	eventAttributes = 3

	linkAttributes = 4

	statusMessage = 2
	statusCode    = 3

	keyValueKey   = 1
	keyValueValue = 2

	valueString = 1
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4
	valueArray  = 5
	valueMap    = 6
	valueBytes  = 7

	arrayValues = 1 // also of a map
)

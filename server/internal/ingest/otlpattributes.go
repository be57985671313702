package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// keyValue is an attribute as sent.
type keyValue struct {
	key   []byte
	value []byte // an AnyValue; empty where it is missing
}

func parseKeyValue(body []byte) (keyValue, error) {
	if kv, ok := plainKeyValue(body); ok {
		return kv, nil
	}
	var kv keyValue
	f := fields{text: body}
	for f.next() {
		switch {
		case f.message(keyValueKey):
			kv.key = f.data()
		case f.message(keyValueValue) && len(f.data()) > 0: // an empty one merges into what is there
			kv.value = f.data()
		}
	}
	return kv, f.err()
}

// plainKeyValue reads a key and a value and nothing else, as every sender writes them: the key first, or
// last, as the OpenTelemetry Collector does.
func plainKeyValue(body []byte) (kv keyValue, ok bool) {
	var rest []byte
	if kv.key, rest, ok = short(keyValueKey, body); ok {
		kv.value, rest, ok = short(keyValueValue, rest)
	} else if kv.value, rest, ok = short(keyValueValue, body); ok {
		kv.key, rest, ok = short(keyValueKey, rest)
	}
	return kv, ok && len(rest) == 0
}

// short reads a field whose value is shorter than 16 KiB, where the message begins with it.
func short(num byte, message []byte) (value, rest []byte, ok bool) {
	if len(message) < 2 || message[0] != num<<3|byte(protowire.BytesType) {
		return nil, nil, false
	}
	begin, size := 2, int(message[1])
	if size >= 0x80 {
		if len(message) == 2 || message[2] >= 0x80 {
			return nil, nil, false
		}
		begin, size = 3, size&0x7f|int(message[2])<<7
	}
	if size > len(message)-begin {
		return nil, nil, false
	}
	end := begin + size
	return message[begin:end:end], message[end:], true
}

// anyValue is the field of an AnyValue that is set; num is 0 where there is none.
type anyValue struct {
	num    protowire.Number
	number uint64
	data   []byte
}

// textOf returns the text of an AnyValue; empty where it is another type.
func textOf(value []byte) []byte {
	one, err := parseValue(value)
	if err != nil || one.num != valueString {
		return nil
	}
	return one.data
}

// parseValue returns the field of an AnyValue that is set: the last, as of every oneof.
func parseValue(value []byte) (anyValue, error) {
	if text, rest, ok := short(valueString, value); ok && len(rest) == 0 {
		return anyValue{num: valueString, data: text}, nil
	}
	var one anyValue
	f := fields{text: value}
	for f.next() {
		want := protowire.BytesType
		switch f.num {
		case valueBool, valueInt:
			want = protowire.VarintType
		case valueDouble:
			want = protowire.Fixed64Type
		case valueString, valueArray, valueMap, valueBytes:
		default:
			continue
		}
		if f.typ == want {
			one = anyValue{f.num, f.number, f.data()}
		}
	}
	return one, f.err()
}

// attributesText writes attributes down as model.Attributes has them, in the order in
// which they were sent. Of two with one name the first counts.
type attributesText struct {
	buf   []byte
	names []nameMark // within the objects that are being written, from the outermost on

	kept, dropped int
	elements      int // of the value at hand
}

// nameMark is a name within buf, and a few bits of it to compare first.
type nameMark struct {
	mark       uint64
	start, end int
}

func (a *attributesText) reset() {
	a.buf, a.names = append(a.buf[:0], '{'), a.names[:0]
	a.kept, a.dropped = 0, 0
}

// finish returns the text, which is good until the next reset; empty for none.
func (a *attributesText) finish() []byte {
	if a.kept == 0 {
		return nil
	}
	a.buf = append(a.buf, '}')
	return a.buf
}

// add writes an attribute, unless there are limit of them or its name or value is
// beyond the limits.
func (a *attributesText) add(kv *keyValue, limit int) (kept bool, err error) {
	if a.kept == limit || len(kv.key) > maxKeyBytes {
		a.dropped++
		return false, nil
	}
	before := len(a.buf)
	a.elements = 0
	ok := a.name(kv.key, 0)
	if ok {
		ok, err = a.value(kv.value, 1)
	}
	if !ok {
		a.buf = a.buf[:before]
		a.names = a.names[:a.kept]
		a.dropped++
		return false, err
	}
	a.kept++
	return true, nil
}

// name writes a name and its colon; false where the object, whose names begin at first
// in names, has it already.
func (a *attributesText) name(key []byte, first int) bool {
	if len(a.names) > first {
		a.buf = append(a.buf, ',')
	}
	start := len(a.buf)
	a.buf = model.AppendText(a.buf, key)
	n := nameMark{markOf(a.buf[start+1 : len(a.buf)-1]), start, len(a.buf)}
	for _, other := range a.names[first:] {
		if other.mark == n.mark && bytes.Equal(a.buf[other.start:other.end], a.buf[start:]) {
			return false
		}
	}
	a.names = append(a.names, n)
	a.buf = append(a.buf, ':')
	return true
}

// markOf returns what different names seldom have in common: length and last bytes.
func markOf(name []byte) uint64 {
	var last uint64
	if n := len(name); n >= 8 {
		last = binary.LittleEndian.Uint64(name[n-8:])
	} else {
		for _, c := range name {
			last = last<<8 | uint64(c)
		}
	}
	return last ^ uint64(len(name))<<56
}

// value writes an AnyValue. ok is false where it is empty, or nests or holds too much.
func (a *attributesText) value(value []byte, depth int) (ok bool, err error) {
	if a.elements++; depth > maxValueDepth || a.elements > maxValueElements {
		return false, nil
	}
	one, err := parseValue(value)
	if err != nil {
		return false, err
	}
	switch one.num {
	case valueString:
		text := one.data
		if len(text) > maxValueBytes {
			a.dropped++
			text = cut(text, maxValueBytes)
		}
		a.buf = model.AppendText(a.buf, text)
	case valueBool:
		a.buf = strconv.AppendBool(a.buf, one.number != 0)
	case valueInt:
		a.buf = strconv.AppendInt(a.buf, int64(one.number), 10) //nolint:gosec // an int64 as protobuf writes it
	case valueDouble:
		a.buf = model.AppendFloat(a.buf, math.Float64frombits(one.number))
	case valueBytes:
		if len(one.data) > base64.StdEncoding.DecodedLen(maxValueBytes) {
			return false, nil
		}
		a.buf = append(a.buf, '"')
		a.buf = base64.StdEncoding.AppendEncode(a.buf, one.data)
		a.buf = append(a.buf, '"')
	case valueArray:
		return a.array(one.data, depth)
	case valueMap:
		return a.object(one.data, depth)
	default:
		return false, nil
	}
	return true, nil
}

func (a *attributesText) array(body []byte, depth int) (ok bool, err error) {
	a.buf = append(a.buf, '[')
	f := fields{text: body}
	for first := true; f.next(); {
		if !f.message(arrayValues) {
			continue
		}
		if !first {
			a.buf = append(a.buf, ',')
		}
		first = false
		if ok, err := a.element(f.data(), depth); !ok {
			return false, err
		}
	}
	a.buf = append(a.buf, ']')
	return !f.malformed, f.err()
}

func (a *attributesText) object(body []byte, depth int) (ok bool, err error) {
	first := len(a.names)
	a.buf = append(a.buf, '{')
	f := fields{text: body}
	for f.next() {
		if !f.message(arrayValues) {
			continue
		}
		kv, err := parseKeyValue(f.data())
		if err != nil {
			return false, err
		}
		if len(kv.key) > maxKeyBytes {
			a.dropped++
			kv.key = cut(kv.key, maxKeyBytes)
		}
		before := len(a.buf)
		if !a.name(kv.key, first) {
			a.buf = a.buf[:before]
			a.dropped++
			if a.elements++; a.elements > maxValueElements { // each is compared with all names
				return false, nil
			}
			continue
		}
		if ok, err := a.element(kv.value, depth); !ok {
			return false, err
		}
	}
	a.buf = append(a.buf, '}')
	a.names = a.names[:first]
	return !f.malformed, f.err()
}

// element writes a value within a list or map, where null keeps the place of an empty one.
func (a *attributesText) element(value []byte, depth int) (ok bool, err error) {
	before := len(a.buf)
	ok, err = a.value(value, depth+1)
	if ok || err != nil {
		return ok, err
	}
	one, err := parseValue(value)
	if err != nil || one.num != 0 || a.elements > maxValueElements {
		return false, err
	}
	a.buf = append(a.buf[:before], "null"...)
	return true, nil
}

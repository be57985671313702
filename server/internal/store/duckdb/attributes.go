package duckdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// Attributes are kept as JSON text that tells int64 from float64: a number with a
// point, an exponent or a name (NaN, Infinity, as DuckDB's JSON functions read
// them) is a float. encoding/json makes no such difference.

// maxNesting bounds lists and maps within each other.
const maxNesting = 100

var errNesting = fmt.Errorf("lists and maps nest deeper than %d", maxNesting)

// encodeAttributes returns "" for no attributes.
func encodeAttributes(m map[string]any) (string, error) {
	if len(m) == 0 {
		return "", nil
	}
	b, err := appendJSON(make([]byte, 0, 64*len(m)), m, 0)
	return string(b), err
}

func appendJSON(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, errNesting
	}
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v), nil
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			if b, err = appendJSON(b, v[k], depth+1); err != nil {
				return nil, fmt.Errorf("%q: %w", k, err)
			}
		}
		return append(b, '}'), nil
	default:
		return nil, fmt.Errorf("an attribute of the Go type %T", v)
	}
}

func appendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !slices.ContainsFunc(b[start:], func(c byte) bool { return c == '.' || c == 'e' }) {
		b = append(b, ".0"...)
	}
	return b
}

// appendString quotes as RFC 8259, section 7, asks. Bytes that are not UTF-8
// become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ':
				b = fmt.Appendf(b, `\u%04x`, c)
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r)
		i += size
	}
	return append(b, '"')
}

var errAttributes = errors.New("stored attributes are not readable")

// decodeJSON reads what appendJSON wrote.
func decodeJSON(s string) (any, error) {
	d := decoder{s: s}
	v, err := d.value(0)
	if err == nil && d.s != "" {
		err = errAttributes
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

type decoder struct{ s string }

func (d *decoder) take(token string) bool {
	if len(d.s) < len(token) || d.s[:len(token)] != token {
		return false
	}
	d.s = d.s[len(token):]
	return true
}

func (d *decoder) value(depth int) (any, error) {
	switch {
	case d.s == "" || depth > maxNesting:
		return nil, errAttributes
	case d.s[0] == '"':
		return d.text()
	case d.take("{"):
		m := map[string]any{}
		for first := true; !d.take("}"); first = false {
			if !first && !d.take(",") {
				return nil, errAttributes
			}
			k, err := d.text()
			if err != nil || !d.take(":") {
				return nil, errAttributes
			}
			if m[k], err = d.value(depth + 1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case d.take("["):
		list := []any{}
		for first := true; !d.take("]"); first = false {
			if !first && !d.take(",") {
				return nil, errAttributes
			}
			v, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case d.take("true"):
		return true, nil
	case d.take("false"):
		return false, nil
	case d.take("null"):
		return nil, nil
	default:
		return d.number()
	}
}

func (d *decoder) text() (string, error) {
	escaped := false
	for i := 1; i < len(d.s); i++ {
		switch d.s[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			quoted := d.s[:i+1]
			d.s = d.s[i+1:]
			if !escaped {
				return quoted[1:i], nil
			}
			var s string
			if json.Unmarshal([]byte(quoted), &s) != nil {
				return "", errAttributes
			}
			return s, nil
		}
	}
	return "", errAttributes
}

func (d *decoder) number() (any, error) {
	n, float := 0, false
	for ; n < len(d.s); n++ {
		c := d.s[n]
		if c == ',' || c == ']' || c == '}' {
			break
		}
		float = float || c != '-' && (c < '0' || c > '9')
	}
	text := d.s[:n]
	d.s = d.s[n:]
	if float {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errAttributes
		}
		return f, nil
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, errAttributes
	}
	return i, nil
}

// The keys of a span event in its stored form.
const (
	eventName       = "name"
	eventTime       = "time" // nanoseconds since 1970
	eventAttributes = "attributes"
)

func encodeEvents(events []model.SpanEvent) (string, error) {
	if len(events) == 0 {
		return "", nil
	}
	list := make([]any, len(events))
	for i, e := range events {
		at, err := nanos(e.Time)
		if err != nil {
			return "", err
		}
		m := map[string]any{eventName: e.Name, eventTime: at}
		if len(e.Attributes) > 0 {
			m[eventAttributes] = e.Attributes
		}
		list[i] = m
	}
	b, err := appendJSON(nil, list, 0)
	return string(b), err
}

func decodeEvents(s string) ([]model.SpanEvent, error) {
	v, err := decodeJSON(s)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errAttributes
	}
	events := make([]model.SpanEvent, len(list))
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, errAttributes
		}
		name, ok := m[eventName].(string)
		at, ok2 := m[eventTime].(int64)
		if !ok || !ok2 {
			return nil, errAttributes
		}
		attributes, _ := m[eventAttributes].(map[string]any)
		events[i] = model.SpanEvent{Name: name, Time: timeOf(at), Attributes: attributes}
	}
	return events, nil
}

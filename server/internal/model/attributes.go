package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Attributes are the fields of an event or a span that have no place of their own:
// one JSON object as text (RFC 8259), each name once, without space between tokens;
// empty for none. They move through the server as they are, since few readers look
// inside. The names of a span's stand in the order in which they were sent, of which two
// equal ones are the first; other writers put them in order. A number with a point or an exponent is a float, any other an int64.
type Attributes string

// maxAttributeNesting bounds lists and maps within each other.
const maxAttributeNesting = 100

var (
	errNesting    = fmt.Errorf("lists and maps nest deeper than %d", maxAttributeNesting)
	errAttributes = errors.New("the text is not a JSON object as Attributes holds it")
)

// NewAttributes writes attributes down. Values are nil, string, bool, int64, float64,
// []any and map[string]any; strings that are not UTF-8 get U+FFFD, and numbers that JSON
// cannot write become their names as strings, as protobuf's JSON has them.
func NewAttributes(m map[string]any) (Attributes, error) {
	if len(m) == 0 {
		return "", nil
	}
	b, err := appendValue(make([]byte, 0, 64*len(m)), m, 0)
	return Attributes(b), err
}

// Map reads attributes; nil where there are none.
func (a Attributes) Map() (map[string]any, error) {
	if a == "" {
		return nil, nil
	}
	d := attributeDecoder{s: string(a)}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok || d.s != "" {
		return nil, errAttributes
	}
	return m, nil
}

func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxAttributeNesting {
		return nil, errNesting
	}
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return AppendText(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return AppendFloat(b, v), nil
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendValue(b, item, depth+1); err != nil {
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
			b = append(AppendText(b, k), ':')
			if b, err = appendValue(b, v[k], depth+1); err != nil {
				return nil, fmt.Errorf("%q: %w", k, err)
			}
		}
		return append(b, '}'), nil
	default:
		return nil, fmt.Errorf("an attribute of the Go type %T", v)
	}
}

// AppendFloat writes a float as Attributes holds it.
func AppendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !slices.ContainsFunc(b[start:], func(c byte) bool { return c == '.' || c == 'e' }) {
		b = append(b, ".0"...)
	}
	return b
}

// AppendText writes a string as Attributes holds it (RFC 8259, section 7).
func AppendText[T ~string | ~[]byte](b []byte, s T) []byte {
	b = append(b, '"')
	clean := 0 // where what is not copied yet begins
	for i := 0; i < len(s); {
		if i+8 <= len(s) && plainWord(uint64(s[i])|uint64(s[i+1])<<8|uint64(s[i+2])<<16|uint64(s[i+3])<<24|
			uint64(s[i+4])<<32|uint64(s[i+5])<<40|uint64(s[i+6])<<48|uint64(s[i+7])<<56) {
			i += 8
			continue
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(append(b, s[clean:i]...), "\ufffd"...)
		} else {
			b = append(b, s[clean:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			default:
				const digits = "0123456789abcdef"
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
		}
		i++
		clean = i
	}
	return append(append(b, s[clean:]...), '"')
}

// plainWord reports whether eight bytes are ASCII that needs no escape: none of them is a
// control character, a quote or a backslash.
func plainWord(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^('"'*ones), w^('\\'*ones)
	// Of a byte below 0x80, subtracting borrows its highest bit where it is less.
	return (w|(w-' '*ones)|(quote-ones)|(backslash-ones))&highs == 0
}

// attributeDecoder reads what appendValue wrote.
type attributeDecoder struct{ s string }

func (d *attributeDecoder) take(token string) bool {
	if len(d.s) < len(token) || d.s[:len(token)] != token {
		return false
	}
	d.s = d.s[len(token):]
	return true
}

func (d *attributeDecoder) value(depth int) (any, error) {
	switch {
	case d.s == "" || depth > maxAttributeNesting:
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

func (d *attributeDecoder) text() (string, error) {
	if d.s == "" || d.s[0] != '"' {
		return "", errAttributes
	}
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

func (d *attributeDecoder) number() (any, error) {
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
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
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

package servertiming

import (
	"iter"
	"strconv"
	"strings"
)

// Limits of [Metrics]. The specification sets none; browsers were seen to pass on
// 500 metrics and descriptions of 16,000 characters.
const (
	// MaxMetrics is the largest number of metrics read from all fields together;
	// later ones are ignored.
	MaxMetrics = 1000
	// MaxFieldLen is the longest field, in bytes, that is read: net/http's default
	// limit for all headers. A longer one is ignored.
	MaxFieldLen = 1 << 20
)

// Metric is one server-timing-metric (W3C Server Timing, section 2).
type Metric struct {
	Name string // as sent; names are compared without case here
	// Duration is the dur parameter, usually in milliseconds; 0 where it is missing or
	// is no number.
	Duration float64
	// Description is the desc parameter without its quotes; empty where missing.
	Description string
}

// Metrics returns the metrics of several Server-Timing header fields in order.
//
// Fields are split and read as W3C Server Timing, section 2, says, and where its
// algorithm and its prose differ, as the prose, the web platform tests and browsers
// have it: a parameter without a value counts (and hides later ones of its name),
// characters between a value and the next separator are ignored, parameter names
// have no case, and an unterminated quoted string is empty. A list element that
// does not begin with a token is skipped.
//
// Strings alias the fields; only a quoted string with escapes is copied.
func Metrics(fields ...string) iter.Seq[Metric] {
	return func(yield func(Metric) bool) {
		n := 0
		for _, field := range fields {
			if len(field) > MaxFieldLen {
				continue
			}
			for field != "" {
				var element string
				element, field = cutElement(field)
				m, ok := parseMetric(element)
				if !ok {
					continue
				}
				if n++; n > MaxMetrics || !yield(m) {
					return
				}
			}
		}
	}
}

// Parse returns what [Metrics] yields.
func Parse(fields ...string) []Metric {
	var metrics []Metric
	for m := range Metrics(fields...) {
		metrics = append(metrics, m)
	}
	return metrics
}

// cutElement splits the first element of a comma-separated list from the rest;
// commas within quoted strings do not count (Fetch, section 2.2.2, "get, decode, and
// split").
func cutElement(list string) (element, rest string) {
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case ',':
			return list[:i], list[i+1:]
		case '"':
			n, _ := quotedLen(list[i:])
			i += n - 1
		}
	}
	return list, ""
}

// parseMetric reads one list element.
func parseMetric(s string) (m Metric, ok bool) {
	m.Name, s = cutToken(trimStart(s))
	if m.Name == "" {
		return Metric{}, false
	}
	var hasDuration, hasDescription bool
	for {
		semicolon := strings.IndexByte(s, ';')
		if semicolon < 0 {
			return m, true
		}
		var name, value string
		name, s = cutToken(trimStart(s[semicolon+1:]))
		if name == "" {
			continue
		}
		if after, found := strings.CutPrefix(trimStart(s), "="); found {
			value, s = cutValue(trimStart(after))
		}
		// "only the first instance is to be considered, even if the server-timing-param
		// is incomplete or invalid"
		switch {
		case !hasDuration && strings.EqualFold(name, "dur"):
			hasDuration = true
			m.Duration = parseFloat(value)
		case !hasDescription && strings.EqualFold(name, "desc"):
			hasDescription = true
			m.Description = value
		}
	}
}

// cutValue splits a token or a quoted string from what follows it.
func cutValue(s string) (value, rest string) {
	if s == "" || s[0] != '"' {
		return cutToken(s)
	}
	n, closed := quotedLen(s)
	if !closed {
		return "", ""
	}
	value, rest = s[1:n-1], s[n:]
	if strings.IndexByte(value, '\\') < 0 {
		return value, rest
	}
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String(), rest
}

// quotedLen returns the length of the quoted string that s begins with, quotes
// included; where it does not end, the length of s and false.
func quotedLen(s string) (n int, closed bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, true
		case '\\':
			i++
		}
	}
	return len(s), false
}

// cutToken splits a token (RFC 9110, section 5.6.2) from what follows it.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenChar[s[i]] {
		i++
	}
	return s[:i], s[i:]
}

func trimStart(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// parseFloat reads a number by HTML's rules for parsing floating-point number
// values: what follows the number is ignored, and what is no number is 0.
func parseFloat(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\f\r")
	end := floatLen(s)
	if end == 0 {
		return 0
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	if err != nil { // out of range, which HTML calls an error too
		return 0
	}
	return f
}

// floatLen returns the length of the longest decimal number that s begins with.
func floatLen(s string) int {
	digits := func(i int) int {
		n := i
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n - i
	}
	i := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		i++
	}
	whole := digits(i)
	i += whole
	if i < len(s) && s[i] == '.' {
		fraction := digits(i + 1)
		if whole == 0 && fraction == 0 {
			return 0
		}
		i += 1 + fraction
	} else if whole == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		sign := 1
		if i+1 < len(s) && (s[i+1] == '-' || s[i+1] == '+') {
			sign++
		}
		if n := digits(i + sign); n > 0 {
			i += sign + n
		}
	}
	return i
}

// isTokenChar is tchar of RFC 9110, section 5.6.2.
var isTokenChar = func() (t [256]bool) {
	for c := byte('0'); c <= '9'; c++ {
		t[c] = true
	}
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

package query

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// MaxFilterBytes bounds the text of a filter.
const MaxFilterBytes = 4096

// ParseFilter reads a filter of requests as docs/filters.md describes it.
func ParseFilter(text string) ([]store.Term, error) { return parseFilter(text, ofRequests()) }

func parseFilter(text string, of subject) ([]store.Term, error) {
	if len(text) > MaxFilterBytes {
		return nil, &Error{Invalid, fmt.Sprintf("filter is longer than %d bytes", MaxFilterBytes), "leave terms out, or ask in several questions"}
	}
	p := filterParser{text: text, of: of}
	if err := p.checkCharacters(); err != nil {
		return nil, err
	}
	var terms []store.Term
	for {
		p.skipSpace()
		if p.end() {
			return terms, nil
		}
		if len(terms) == store.MaxTerms {
			return nil, p.fail(p.at, fmt.Sprintf("there are more than %d terms", store.MaxTerms), "leave some out, or join values of one field by commas: host:a.example,b.example")
		}
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
}

// FormatFilter writes terms in the one form that ParseFilter reads as the same terms.
func FormatFilter(terms []store.Term) string {
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteByte(' ')
		}
		if t.Not {
			b.WriteByte('-')
		}
		b.WriteString(string(t.Field))
		b.WriteByte(':')
		switch t.Op {
		case store.Greater:
			b.WriteByte('>')
		case store.Less:
			b.WriteByte('<')
		case store.Equal, store.Contains:
		}
		for j, v := range t.Values {
			if j > 0 {
				b.WriteByte(',')
			}
			if t.Op == store.Contains {
				b.WriteString("*" + quoted(v) + "*")
			} else {
				b.WriteString(quoted(v))
			}
		}
	}
	return b.String()
}

// quoted writes a value, in quotes where it would be read as something else without.
func quoted(v string) string {
	if v != "" && !strings.ContainsAny(v, ` ",*\<>`) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

type filterParser struct {
	text string
	at   int // bytes read
	of   subject
}

func (p *filterParser) end() bool { return p.at == len(p.text) }

func (p *filterParser) skipSpace() {
	for !p.end() && p.text[p.at] == ' ' {
		p.at++
	}
}

// fail makes an error that names the place as people count it: characters, from 1.
func (p *filterParser) fail(at int, what, hint string) error {
	return &Error{Invalid, fmt.Sprintf("filter, character %d: %s", utf8.RuneCountInString(p.text[:at])+1, what), hint}
}

func (p *filterParser) checkCharacters() error {
	for i, r := range p.text {
		if r == utf8.RuneError || r < ' ' || r == 0x7f {
			return p.fail(i, "a character that is not text", "separate terms by spaces; write the filter in UTF-8, percent-encoded in a URL")
		}
	}
	return nil
}

// term reads one term: [-]name:match, or a text that the URL contains.
func (p *filterParser) term() (store.Term, error) {
	var t store.Term
	if p.text[p.at] == '-' {
		t.Not = true
		p.at++
	}
	if p.end() || p.text[p.at] == ' ' {
		return t, p.fail(p.at, "nothing follows the minus", `write -name:value, or quote it to search for a minus: "-"`)
	}
	name, isName := p.name()
	if !isName {
		return p.bare(t)
	}
	start := p.at
	field, known := fieldOf(name)
	if !known || !p.of.has(field) {
		what, hint := "there is no field of this name", p.suggest(name)
		if known {
			what = p.of.name + " have no such field"
			hint = p.of.name + " have: " + strings.Join(namesOf(p.of), ", ")
		}
		return t, p.fail(start, what, hint)
	}
	t.Field = field
	p.at += len(name) + 1
	if err := p.match(&t); err != nil {
		return t, err
	}
	if !p.end() && p.text[p.at] != ' ' {
		return t, p.fail(p.at, "the term goes on after its value", `separate terms by spaces, and quote a value that holds spaces, quotes or commas: url:"a b"`)
	}
	return t, nil
}

func (p *filterParser) suggest(name string) string {
	hint := `quote it to search for it in the URL: "a:b"`
	if near := closest(name, allNames(p.of)); near != "" {
		return "did you mean " + near + ":? Else " + hint
	}
	return "fields are " + strings.Join(namesOf(p.of), ", ") + "; " + hint
}

// name looks ahead for the name of a term, which ends in a colon; a URL's scheme is none.
func (p *filterParser) name() (string, bool) {
	rest := p.text[p.at:]
	n := strings.IndexFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '_'
	})
	if n < 1 || rest[n] != ':' || strings.HasPrefix(rest[n:], "://") {
		return "", false
	}
	return strings.ToLower(rest[:n]), true
}

// bare reads a word or a quoted text that the URL contains.
func (p *filterParser) bare(t store.Term) (store.Term, error) {
	start := p.at
	t.Field, t.Op = store.FieldURL, store.Contains
	if !p.of.has(t.Field) {
		return t, p.fail(start, p.of.name+" have no URL to search in", "write name:value")
	}
	var v string
	if p.text[p.at] == '"' {
		var err error
		if v, err = p.quotedText(); err != nil {
			return t, err
		}
		if !p.end() && p.text[p.at] != ' ' {
			return t, p.fail(p.at, "the text goes on after its closing quote", `separate terms by spaces, and write a quote within quotes as \"`)
		}
	} else {
		n := strings.IndexByte(p.text[p.at:], ' ')
		if n < 0 {
			n = len(p.text) - p.at
		}
		v = p.text[p.at : p.at+n]
		if inner, ok := starred(v); ok {
			v = inner
		}
		p.at += n
	}
	if v == "" {
		return t, p.fail(start, "an empty text", "write what the URL contains, or leave the term out")
	}
	t.Values = []string{v}
	return t, p.checkLength(start, v)
}

// starred strips the stars at both ends of a word.
func starred(v string) (string, bool) {
	if len(v) < 2 || v[0] != '*' || v[len(v)-1] != '*' {
		return v, false
	}
	return v[1 : len(v)-1], true
}

// match reads what follows the colon: >n, <n, or one or more values separated by commas.
func (p *filterParser) match(t *store.Term) error {
	start := p.at
	if !p.end() && (p.text[p.at] == '>' || p.text[p.at] == '<') {
		t.Op = store.Greater
		if p.text[p.at] == '<' {
			t.Op = store.Less
		}
		if !t.Field.IsNumber() {
			return p.fail(start, "this field is not compared by size", "numbers are duration and code; quote the value if it begins with this sign")
		}
		p.at++
	}
	for first := true; first || !p.end() && p.text[p.at] == ','; first = false {
		if !first {
			p.at++
		}
		if len(t.Values) == store.MaxValues {
			return p.fail(p.at, fmt.Sprintf("there are more than %d values", store.MaxValues), "leave some out, or search for a part that they share: name:*part*")
		}
		at := p.at
		v, contains, err := p.value()
		if err != nil {
			return err
		}
		if contains && t.Op != store.Contains && !first || !contains && t.Op == store.Contains {
			return p.fail(at, "whole values and parts in one term", "write all values as *part*, or none, or two terms")
		}
		if contains {
			t.Op = store.Contains
		}
		if v, err = p.checkValue(t, at, v); err != nil {
			return err
		}
		t.Values = append(t.Values, v)
	}
	if len(t.Values) > 1 && (t.Op == store.Greater || t.Op == store.Less) {
		return p.fail(start, "several values to compare by size", "write one number; of two bounds each is a term: duration:>100 duration:<500")
	}
	return nil
}

// value reads one value, and says whether it is a part: *part*.
func (p *filterParser) value() (v string, contains bool, err error) {
	start := p.at
	star := strings.HasPrefix(p.text[p.at:], `*"`)
	if star {
		p.at++
	}
	if !p.end() && p.text[p.at] == '"' {
		if v, err = p.quotedText(); err != nil || !star {
			return v, false, err
		}
		if p.end() || p.text[p.at] != '*' {
			return "", false, p.fail(p.at, "the closing star is missing", `a part has a star at both ends: name:*"a part"*`)
		}
		p.at++
		return v, true, nil
	}
	n := strings.IndexAny(p.text[p.at:], ` ,"`)
	if n < 0 {
		n = len(p.text) - p.at
	}
	word := p.text[p.at : p.at+n]
	p.at += n
	inner, contains := starred(word)
	switch {
	case word == "":
		return "", false, p.fail(start, "a value is missing", `write name:value; name:"" selects what has none`)
	case strings.Contains(inner, "*"):
		return "", false, p.fail(start, "a star stands at both ends of a part, or nowhere", `write name:*part*, or quote a value that has stars: name:"a*b"`)
	}
	return inner, contains, nil
}

// quotedText reads a text in quotes; \" and \\ stand for a quote and a backslash.
func (p *filterParser) quotedText() (string, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for !p.end() {
		c := p.text[p.at]
		p.at++
		switch c {
		case '"':
			return b.String(), nil
		case '\\':
			if p.end() || p.text[p.at] != '"' && p.text[p.at] != '\\' {
				return "", p.fail(p.at-1, `a backslash stands before a quote or a backslash alone`, `write \\ for a backslash`)
			}
			b.WriteByte(p.text[p.at])
			p.at++
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail(start, "the closing quote is missing", `close the text with a quote; write a quote within as \"`)
}

func (p *filterParser) checkLength(at int, v string) error {
	if len(v) > store.MaxValueBytes {
		return p.fail(at, fmt.Sprintf("a value longer than %d bytes", store.MaxValueBytes), "search for a part of it: name:*part*")
	}
	return nil
}

// checkValue holds a value against its field and returns it as the store has it.
func (p *filterParser) checkValue(t *store.Term, at int, v string) (string, error) {
	if err := p.checkLength(at, v); err != nil {
		return "", err
	}
	switch {
	case v == "" && t.Field == store.FieldStatusCode:
		return "", p.fail(at, "a number is never empty", "code:0 selects what has no status code")
	case v == "" && t.Field == store.FieldDuration:
		return "", p.fail(at, "a number is never empty", "duration:0 selects what took no time")
	case v == "" && t.Field == store.FieldTrace:
		return "", p.fail(at, "a trace is looked up by its id alone", "status:unlinked selects what is joined to no trace")
	case t.Field.IsNumber():
		if t.Op == store.Contains {
			return "", p.fail(at, "a number is not searched for a part", "write a number, >number or <number")
		}
		n, ok := parseNumber(t.Field, v)
		if !ok {
			hint := "write digits, such as code:404 or code:>399; there is no >="
			if t.Field == store.FieldDuration {
				hint = "write a number of milliseconds, or one with a unit: 500, 500ms, 1.5s, 2m; there is no >="
			}
			return "", p.fail(at, "not a number", hint)
		}
		return n, nil
	case t.Field == store.FieldTrace:
		v = normal(t.Field, v)
		if _, err := tracecontext.ParseTraceID(v); err != nil || t.Op != store.Equal || len(t.Values) > 0 {
			return "", p.fail(at, "not one trace id", "a trace is looked up by its whole id, 32 hexadecimal digits, not all zero")
		}
		return v, nil
	}
	if t.Op == store.Contains {
		if v == "" {
			return "", p.fail(at, "an empty part", "write name:*part*, or leave the term out")
		}
		return v, nil
	}
	v = normal(t.Field, v)
	if allowed := Values(t.Field); v != "" && allowed != nil && !slices.Contains(allowed, v) {
		hint := "it is one of " + strings.Join(allowed, ", ")
		if near := closest(v, allowed); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return "", p.fail(at, "the field never has this value", hint)
	}
	return v, nil
}

// maxNumberDigits bounds the digits of a number, all of which a float64 keeps.
const maxNumberDigits = 15

// parseNumber reads a number, for a duration also with a unit, and writes it as the store reads it.
func parseNumber(f store.Field, v string) (string, bool) {
	scale := 1.0
	if f == store.FieldDuration {
		for _, u := range []struct {
			unit  string
			scale float64
		}{{"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}} {
			if n, ok := strings.CutSuffix(v, u.unit); ok {
				v, scale = n, u.scale
				break
			}
		}
	}
	whole, fraction, point := strings.Cut(v, ".")
	if !digits(whole) || point && !digits(fraction) || len(whole)+len(fraction) > maxNumberDigits {
		return "", false
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n*scale > float64(maxRange/time.Millisecond) && f == store.FieldDuration {
		return "", false
	}
	if f == store.FieldDuration {
		n = math.Round(n*scale*1000) / 1000 // to the microsecond
	}
	return strconv.FormatFloat(n, 'f', -1, 64), true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// equal makes the term that a field has a value.
func equal(f store.Field, v string) store.Term {
	return store.Term{Field: f, Values: []string{v}}
}

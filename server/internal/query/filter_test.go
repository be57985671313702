package query

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/store"
)

const hex32 = "2fdcef91d451fdffd6e5e36abc6bb609"

// wellFormed are filters with the form in which they are written back.
var wellFormed = []struct{ text, canonical string }{
	{"", ""},
	{"   ", ""},
	{"status:unlinked", "link.status:unlinked"},
	{"link.status:unlinked,partial", "link.status:unlinked,partial"},
	{"  status:linked   -kind:resource ", "link.status:linked -request.kind:resource"},
	{"Status:linked", "link.status:linked"},
	{`host:API.Example:8443`, "server.address:api.example:8443"},
	{`method:get`, "http.request.method:GET"},
	{`country:de`, "geo.country.iso_code:DE"},
	{`host:*shop*`, "server.address:*shop*"},
	{`host:*shop*,*"a b"*`, `server.address:*shop*,*"a b"*`},
	{`endpoint:"GET /a b"`, `endpoint:"GET /a b"`},
	{`endpoint:"a,b",c`, `endpoint:"a,b",c`},
	{`endpoint:"say \"so\" \\"`, `endpoint:"say \"so\" \\"`},
	{`endpoint:"a*b"`, `endpoint:"a*b"`},
	{`reason:""`, `link.reason:""`},
	{"code:404", "http.response.status_code:404"},
	{"code:>399 code:<500", "http.response.status_code:>399 http.response.status_code:<500"},
	{"code:0,404", "http.response.status_code:0,404"},
	{"duration:>500", "duration_ms:>500"},
	{"duration:>1.5s", "duration_ms:>1500"},
	{"duration:<250us", "duration_ms:<0.25"},
	{"duration_ms:>2m", "duration_ms:>120000"},
	{"duration:>1h", "duration_ms:>3600000"},
	{"duration:0.0001", "duration_ms:0"},
	{"trace:" + strings.ToUpper(hex32), "trace.id:" + hex32},
	{"-trace:" + hex32, "-trace.id:" + hex32},
	{"checkout", "url.full:*checkout*"},
	{"-checkout", "-url.full:*checkout*"},
	{"*checkout*", "url.full:*checkout*"},
	{"a*b", `url.full:*"a*b"*`},
	{`"two words"`, `url.full:*"two words"*`},
	{`-"two words"`, `-url.full:*"two words"*`},
	{"https://shop.example/a?b=c,d", `url.full:*"https://shop.example/a?b=c,d"*`},
	{"url:https://shop.example/", "url.full:https://shop.example/"},
	{"/a:b", "url.full:*/a:b*"},
	{"a-b:c", "url.full:*a-b:c*"},
	{"größe", "url.full:*größe*"},
	{"*", `url.full:*"*"*`},
	{"--a", "-url.full:*-a*"}, // the second minus is part of the text
}

func TestParseFilter(t *testing.T) {
	for _, c := range wellFormed {
		terms, err := ParseFilter(c.text)
		if err != nil {
			e, _ := AsError(err)
			t.Errorf("ParseFilter(%q): %v (%s)", c.text, err, e.Hint)
			continue
		}
		got := FormatFilter(terms)
		if got != c.canonical {
			t.Errorf("ParseFilter(%q) is written %q, want %q", c.text, got, c.canonical)
		}
		f := store.Filter{Terms: terms}
		if err := f.Check(store.Field.OfRequest); err != nil {
			t.Errorf("the store refuses %q: %v", c.text, err)
		}
	}
}

func TestParseFilterSaysWhereAndWhatIsWrong(t *testing.T) {
	many := strings.Repeat("a ", store.MaxTerms+1)
	for _, c := range []struct{ text, message, hint string }{
		{"hots:a", "filter, character 1: there is no field of this name", "did you mean host:?"},
		{"status:linked hots:a", "filter, character 15: there is no field of this name", "did you mean host:?"},
		{"größe zzzzzzzz:a", "filter, character 7: there is no field of this name", "fields are "},
		{"localhost:8318", "filter, character 1: there is no field of this name", "quote it"},
		{"status:linkd", "filter, character 8: the field never has this value", "did you mean linked? it is one of linked, partial"},
		{"status:LINKED", "filter, character 8: the field never has this value", "it is one of linked"},
		{"reason:exact,lost", "filter, character 14: the field never has this value", "tracestate_lost"},
		{"kind:beacon", "filter, character 6: the field never has this value", "document, resource, fetch, xhr"},
		{"host:", "filter, character 6: a value is missing", `name:""`},
		{"host: a", "filter, character 6: a value is missing", ""},
		{"host:a,", "filter, character 8: a value is missing", ""},
		{"host:>5", "filter, character 6: this field is not compared by size", "duration and code"},
		{"duration:fast", "filter, character 10: not a number", "1.5s"},
		{"duration:>=5", "filter, character 11: not a number", "there is no >="},
		{"duration:>-5", "filter, character 11: not a number", ""},
		{"duration:1e3", "filter, character 10: not a number", ""},
		{"duration:NaN", "filter, character 10: not a number", ""},
		{"duration:>5,6", "filter, character 10: several values to compare by size", "each is a term"},
		{"duration:>9999999h", "filter, character 11: not a number", ""},
		{"code:*4*", "filter, character 6: a number is not searched for a part", ""},
		{"code:40x", "filter, character 6: not a number", "code:404"},
		{"host:a*", "filter, character 6: a star stands at both ends", "name:*part*"},
		{"host:a,*b*", "filter, character 8: whole values and parts in one term", ""},
		{"host:*b*,a", "filter, character 10: whole values and parts in one term", ""},
		{"host:**", "filter, character 6: an empty part", ""},
		{`host:"a`, "filter, character 6: the closing quote is missing", ""},
		{`host:"a\n"`, "filter, character 8: a backslash stands before a quote or a backslash alone", `\\`},
		{`host:"a"b`, "filter, character 9: the term goes on after its value", ""},
		{`host:*"a"`, "filter, character 10: the closing star is missing", ""},
		{`host:a"b`, "filter, character 7: the term goes on after its value", ""},
		{`"a"b`, "filter, character 4: the text goes on after its closing quote", ""},
		{`""`, "filter, character 1: an empty text", ""},
		{"-", "filter, character 2: nothing follows the minus", ""},
		{"a\nb", "filter, character 2: a character that is not text", ""},
		{"a\x00", "filter, character 2: a character that is not text", ""},
		{"\xff", "filter, character 1: a character that is not text", "UTF-8"},
		{`trace:""`, "filter, character 7: a trace is looked up by its id alone", "status:unlinked"},
		{`code:""`, "filter, character 6: a number is never empty", "code:0"},
		{`duration:""`, "filter, character 10: a number is never empty", "duration:0"},
		{"trace:abc", "filter, character 7: not one trace id", "32 hexadecimal"},
		{"trace:" + strings.Repeat("0", 32), "filter, character 7: not one trace id", ""},
		{"trace:" + hex32 + "," + hex32, "filter, character 40: not one trace id", ""},
		{"trace:*2f*", "filter, character 7: not one trace id", ""},
		{"source:csp", "filter, character 1: requests have no such field", "requests have: "},
		{many, "filter, character 65: there are more than 32 terms", "join values"},
		{"host:" + strings.Repeat("a,", store.MaxValues) + "a", "filter, character 70: there are more than 32 values", ""},
		{"host:" + strings.Repeat("a", store.MaxValueBytes+1), "filter, character 6: a value longer than 1024 bytes", ""},
		{strings.Repeat("a", MaxFilterBytes+1), "filter is longer than 4096 bytes", ""},
	} {
		terms, err := ParseFilter(c.text)
		e, ok := AsError(err)
		if !ok || e.Kind != Invalid || !strings.HasPrefix(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) || e.Hint == "" {
			t.Errorf("ParseFilter(%.60q): %v, hint %v\nwant %q, hint %q", c.text, err, e, c.message, c.hint)
		}
		if terms != nil {
			t.Errorf("ParseFilter(%.60q) is refused and gives %v", c.text, terms)
		}
	}
}

func TestFilterKnowsWhatItSelects(t *testing.T) {
	if _, err := parseFilter("source:csp exception:TypeError", ofErrors()); err != nil {
		t.Errorf("errors: %v", err)
	}
	if _, err := parseFilter("duration:>500 browser:Chrome checkout", ofPageLoads()); err != nil {
		t.Errorf("page loads: %v", err)
	}
	_, err := parseFilter("status:linked", ofPageLoads())
	if e, ok := AsError(err); !ok || !strings.Contains(e.Hint, "page loads have: ") || strings.Contains(e.Hint, "status") {
		t.Errorf("page loads have no status, and the error is %v", err)
	}
}

func TestEveryFieldHasOneShortNameAtMost(t *testing.T) {
	names, fields := map[string]bool{}, map[store.Field]bool{}
	for _, a := range Aliases() {
		if names[a.Name] || fields[a.Field] {
			t.Errorf("the alias %q of %s is not the only one", a.Name, a.Field)
		}
		names[a.Name], fields[a.Field] = true, true
	}
	for _, f := range store.Fields() {
		if names[string(f)] {
			t.Errorf("%s is the name of a field and the alias of another", f)
		}
	}
}

// TestFiltersAreDocumented: the guide names every field, alias and value that is checked.
func TestFiltersAreDocumented(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	alias := map[store.Field]string{}
	for _, a := range Aliases() {
		alias[a.Field] = "`" + a.Name + "`"
	}
	for _, f := range store.Fields() {
		row := "| `" + string(f) + "` | " + alias[f] + " |"
		if alias[f] == "" {
			row = "| `" + string(f) + "` | |"
		}
		if !strings.Contains(string(guide), row) {
			t.Errorf("docs/filters.md has no row %q", row)
		}
		for _, v := range Values(f) {
			if !strings.Contains(string(guide), "`"+v+"`") {
				t.Errorf("docs/filters.md does not name the value %q of %s", v, f)
			}
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	if len(wellFormed) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range wellFormed {
		f.Add(c.text)
		f.Add(c.canonical)
	}
	for _, s := range []string{`host:"a`, "a\x00", "duration:>=5", "-", `*"`, `host:*"`, `\`, "trace:", strings.Repeat("-", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := ParseFilter(text)
		if err != nil {
			if e, ok := AsError(err); !ok || e.Hint == "" {
				t.Errorf("ParseFilter(%q): %v has no hint", text, err)
			}
			return
		}
		filter := store.Filter{Terms: terms}
		if err := filter.Check(store.Field.OfRequest); err != nil {
			t.Errorf("the store refuses %q: %v", text, err)
		}
		written := FormatFilter(terms)
		again, err := ParseFilter(written)
		if err != nil && len(written) <= MaxFilterBytes {
			t.Fatalf("%q is written %q, which is refused: %v", text, written, err)
		}
		if err == nil && !cmp.Equal(terms, again) {
			t.Errorf("%q reads as %+v, written %q, which reads as %+v", text, terms, written, again)
		}
	})
}

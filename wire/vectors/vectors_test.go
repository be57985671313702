package vectors

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases, err := parse([]byte(`# a comment line
name: first
comment: why: because
expect: ok
input: a"b
field: " \tx"
field:

name: second
expect: error
`), []string{"input", "field*"})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 2 || cases[0].Name != "first" || cases[0].Comment != "why: because" || cases[1].Expect != "error" {
		t.Fatalf("cases = %+v", cases)
	}
	c := cases[0]
	if c.Line != 2 || c.Get("input") != `a"b` || !slices.Equal(c.All("field"), []string{" \tx", ""}) || !c.Has("field") || cases[1].Has("input") {
		t.Errorf("case = %+v", c)
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"name: a\nexpect: ok\nfoo: 1\n", `unknown key "foo"`},
		{"name: a\nexpect: ok\ninput: 1\ninput: 2\n", `a second "input"`},
		{"name: a\nname: b\nexpect: ok\n", `a second "name"`},
		{"name: a\nexpect: ok\n\nname: a\nexpect: ok\n", "a second case"},
		{"name: a\n", "lacks"},
		{"expect: ok\n", "lacks"},
		{"name a\n", "want key: value"},
		{"name: \"a\n", "JSON string"},
		{"name:  a\n", "white space"},
		{"name: a \n", "white space"},
	} {
		if _, err := parse([]byte(tt.text), []string{"input"}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parse(%q) error = %v, want %q", tt.text, err, tt.want)
		}
	}
}

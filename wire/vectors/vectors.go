// Package vectors holds the test vectors of the wire formats, which the tests of every
// language run, and reads them for Go tests. README.md says how the files are written.
package vectors

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

//go:embed *.txt
var files embed.FS

// Case is one vector. Name, comment and expectation are in every one; the other
// keys depend on the file.
type Case struct {
	Name    string
	Comment string // why the case is there; may be empty
	Expect  string
	Line    int // of the case's first line
	values  map[string][]string
}

// String names the case by its line and name.
func (c Case) String() string { return fmt.Sprintf("line %d: %s", c.Line, c.Name) }

// Get returns the value of a key; empty where the case does not have it.
func (c Case) Get(key string) string {
	if values := c.values[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// All returns the values of a key that may come several times, in order.
func (c Case) All(key string) []string { return c.values[key] }

// Has reports whether the case has the key.
func (c Case) Has(key string) bool { return len(c.values[key]) > 0 }

// Load reads the file name.txt; keys are those that its cases may have beside name,
// comment and expect, and those that end in "*" may come several times in a case. A file
// that is missing, empty or malformed ends the test.
func Load(tb testing.TB, name string, keys ...string) []Case {
	tb.Helper()
	text, err := files.ReadFile(name + ".txt")
	if err != nil {
		tb.Fatal(err)
	}
	cases, err := parse(text, keys)
	if err != nil {
		tb.Fatalf("%s.txt: %v", name, err)
	}
	if len(cases) == 0 {
		tb.Fatalf("%s.txt has no cases", name)
	}
	return cases
}

func parse(text []byte, keys []string) ([]Case, error) {
	var cases []Case
	seen := make(map[string]bool)
	fresh := true // the next line begins a case
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line := strings.TrimSuffix(string(line), "\n")
		if line == "" {
			fresh = true
			continue
		}
		if line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, ":")
		if !found {
			return nil, fmt.Errorf("line %d: want key: value", number)
		}
		value, err := unquote(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if fresh {
			cases = append(cases, Case{Line: number, values: make(map[string][]string)})
			fresh = false
		}
		c := &cases[len(cases)-1]
		if err := set(c, key, value, keys); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if key == "name" {
			if seen[value] {
				return nil, fmt.Errorf("line %d: a second case with the name %q", number, value)
			}
			seen[value] = true
		}
	}
	for _, c := range cases {
		if c.Name == "" || c.Expect == "" {
			return nil, fmt.Errorf("line %d: the case lacks name or expect", c.Line)
		}
	}
	return cases, nil
}

// set stores one line of a case.
func set(c *Case, key, value string, keys []string) error {
	var field *string
	switch key {
	case "name":
		field = &c.Name
	case "comment":
		field = &c.Comment
	case "expect":
		field = &c.Expect
	default:
		repeated := slices.Contains(keys, key+"*")
		if !repeated && !slices.Contains(keys, key) {
			return fmt.Errorf("unknown key %q", key)
		}
		if !repeated && c.Has(key) {
			return fmt.Errorf("a second %q", key)
		}
		c.values[key] = append(c.values[key], value)
		return nil
	}
	if *field != "" {
		return fmt.Errorf("a second %q", key)
	}
	*field = value
	return nil
}

// unquote takes one space off the front; a value that then begins with a double
// quote is a JSON string.
func unquote(value string) (string, error) {
	value = strings.TrimPrefix(value, " ")
	if !strings.HasPrefix(value, `"`) {
		if strings.TrimSpace(value) != value {
			return "", fmt.Errorf("white space at an end of a value wants a JSON string: %q", value)
		}
		return value, nil
	}
	var s string
	if err := json.Unmarshal([]byte(value), &s); err != nil {
		return "", fmt.Errorf("a value that begins with a double quote is a JSON string: %w", err)
	}
	return s, nil
}

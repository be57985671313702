package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// maxFileBytes is far more than a thousand applications take.
const maxFileBytes = 1 << 20

// FileError is a place in the configuration file that cannot be used.
type FileError struct {
	File string
	Line int    // 0: not known
	Key  string // as nested: "applications[0].id"; empty: not known
	Err  error
	Hint string // what to do
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

func (e *FileError) Unwrap() error { return e.Err }

// file is a configuration file.
type file struct {
	name  string
	lines map[string]int // of each key that it sets, by nesting
}

// readFile reads a file into the struct that into points to; no name: none.
func readFile(name string, into any) (*file, error) {
	f := &file{name: name, lines: map[string]int{}}
	if name == "" {
		return f, nil
	}
	data, err := readBounded(name)
	if err != nil {
		return nil, fmt.Errorf("the configuration file: %w (name it with --config)", err)
	}
	document, err := loadYAML(data)
	if err != nil {
		line := 0
		if at, ok := errors.AsType[*yaml.LoadError](err); ok {
			line, err = at.Mark.Line, errors.New(at.Message)
		}
		return nil, &FileError{File: name, Line: line, Err: err, Hint: "write YAML: one key: value a line, lists as [a, b]"}
	}
	if document == nil {
		return f, nil
	}
	if err := f.decode(document, reflect.ValueOf(into).Elem(), ""); err != nil {
		return nil, err
	}
	return f, nil
}

// loadYAML returns what the one document holds; nil where it is empty.
func loadYAML(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var document, second yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil, nil //nolint:nilnil // comments only
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("after --- begins a second document")
	}
	if len(document.Content) == 0 {
		return nil, nil //nolint:nilnil // nothing
	}
	return document.Content[0], nil
}

// readBounded reads a file, or a pipe, that is not larger than settings can be.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFileBytes)
	}
	return data, nil
}

// lineOf returns the line of a key, or of what it is nested in.
func (f *file) lineOf(key string) int {
	for key != "" {
		if n := f.lines[key]; n > 0 {
			return n
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return 0
}

func (f *file) fail(n *yaml.Node, key, problem, hint string) error {
	return &FileError{f.name, n.Line, key, errors.New(problem), hint}
}

// decode reads a node into a value. An absent value (null) leaves it as it is.
func (f *file) decode(n *yaml.Node, v reflect.Value, key string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return f.decodeStruct(n, v, key)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return f.fail(n, key, "this is a list", "write [a, b], or one item a line after a hyphen")
		}
		f.lines[key] = n.Line
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", key, i)
			f.lines[at] = item.Line
			if err := f.decode(item, v.Index(i), at); err != nil {
				return err
			}
		}
		return nil
	default:
		if n.Kind != yaml.ScalarNode {
			return f.fail(n, key, "this is one value", "write "+key+": value")
		}
		f.lines[key] = n.Line
		if problem, hint := setScalar(v, n.Value); problem != "" {
			return f.fail(n, key, problem, hint)
		}
		return nil
	}
}

func (f *file) decodeStruct(n *yaml.Node, v reflect.Value, key string) error {
	if n.Kind != yaml.MappingNode {
		return f.fail(n, key, "here stand keys with values", "write one key: value a line")
	}
	prefix := key
	if prefix != "" {
		prefix += "."
	}
	var known []string
	fields := map[string]int{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "-" {
			known = append(known, name)
			fields[name] = i
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		field, ok := fields[name.Value]
		if !ok {
			hint := "the keys here are " + strings.Join(known, ", ")
			if near := closest(name.Value, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return f.fail(name, prefix+name.Value, "there is no such key", hint)
		}
		if seen[name.Value] {
			return f.fail(name, prefix+name.Value, "this key stands here twice", "keep one of the two")
		}
		seen[name.Value] = true
		if err := f.decode(value, v.Field(field), prefix+name.Value); err != nil {
			return err
		}
	}
	return nil
}

// setScalar sets a value from its text. The problem does not repeat the text,
// which may be a secret.
func setScalar(v reflect.Value, text string) (problem, hint string) {
	switch {
	case v.Type() == reflect.TypeFor[Period]():
		var p Period
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return "this is no duration", "write a number and its unit, at most a hundred years: 30d, 12h, or 0"
		}
		v.SetInt(int64(p))
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return "this is no duration", "write a number and its unit: 90s, 2m, 1h30m"
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return "this is no whole number", "write digits only"
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return "this is no number", "write a number: 50 or 0.5"
		}
		v.SetFloat(x)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return "this is neither true nor false", "write true or false"
		}
		v.SetBool(text == "true")
	default:
		v.SetString(text)
	}
	return "", ""
}

// closest returns the known name that takes the fewest edits to reach, if they
// are few.
func closest(name string, known []string) string {
	best, fewest := "", 1+max(2, len(name)/3)
	if len(name) > 64 {
		return ""
	}
	for _, k := range known {
		if n := edits(strings.ReplaceAll(name, "-", "_"), k); n < fewest {
			best, fewest = k, n
		}
	}
	return best
}

// edits is the Levenshtein distance of two names.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(before[j]+change, before[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

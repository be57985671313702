package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Source is where a setting's value comes from.
type Source string

// The sources, each winning over those before it.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
)

// CommandLine is what the command line parser has already put into a Serve.
type CommandLine struct {
	Given     func(flag string) bool // whether a flag was given
	LookupEnv func(name string) (string, bool)
}

// Loaded is a whole configuration that can be used.
type Loaded struct {
	Serve
	file    *file
	sources map[string]Source // by key
}

// Load adds the file that c names, and what only file and environment can hold,
// to what the command line parser has read, and validates the whole.
func Load(c Serve, from CommandLine) (*Loaded, error) {
	var values Serve
	f, err := readFile(c.ConfigFile, &values)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Serve: c, file: f, sources: map[string]Source{}}
	inFile := map[string]reflect.Value{}
	each(reflect.ValueOf(&values).Elem(), "", true, func(s Setting, v reflect.Value) {
		if f.lines[s.Key] > 0 {
			inFile[s.Key] = v
		}
	})
	each(reflect.ValueOf(&l.Serve).Elem(), "", true, func(s Setting, v reflect.Value) {
		env, inEnv := "", false
		if s.Env != "" {
			env, inEnv = from.LookupEnv(s.Env)
			inEnv = inEnv && (env != "" || s.Flag != "") // an empty variable takes no token of the file away
		}
		switch {
		case s.Flag != "" && from.Given(s.Flag):
			l.sources[s.Key] = FromFlag
		case inEnv:
			l.sources[s.Key] = FromEnvironment
			if s.Flag == "" { // the command line parser does not know of it
				setFromEnv(v, env)
			}
		case inFile[s.Key].IsValid():
			l.sources[s.Key] = FromFile
			v.Set(inFile[s.Key])
		default:
			l.sources[s.Key] = FromDefault
		}
	})
	for _, t := range []struct {
		into *Secrets
		key  string
		file string
	}{{&l.Tokens.Ingest, "tokens.ingest_file", l.Tokens.IngestFile}, {&l.Tokens.API, "tokens.api_file", l.Tokens.APIFile}} {
		if t.file == "" {
			continue
		}
		more, err := readTokens(t.file)
		if err != nil {
			return nil, l.Explain(t.key, err, "name a file with one token a line")
		}
		*t.into = append(*t.into, more...)
	}
	if err := l.Check(); err != nil {
		if bad, ok := errors.AsType[*Error](err); ok {
			return nil, l.Explain(keyOf(bad.Setting), bad.Err, bad.Hint)
		}
		return nil, err
	}
	return l, nil
}

// setFromEnv sets what has no flag: one text, or several with commas between.
func setFromEnv(v reflect.Value, text string) {
	if v.Kind() != reflect.Slice {
		v.SetString(text)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			v.Set(reflect.Append(v, reflect.ValueOf(part)))
		}
	}
}

// readTokens reads one token a line; empty lines and lines after # are none.
func readTokens(name string) ([]string, error) {
	data, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	var list []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no token", name)
	}
	return list, nil
}

// Source returns where a setting's value comes from.
func (l *Loaded) Source(key string) Source { return l.sources[key] }

// Explain returns an error about a setting that names the place where it was
// set: a line of the file, a variable, or a flag. The key is as the file nests
// it, and may point into a list: "applications[0].id".
func (l *Loaded) Explain(key string, err error, hint string) error {
	top, _, _ := strings.Cut(key, "[")
	switch l.sources[top] {
	case FromFile:
		return &FileError{l.file.name, l.file.lineOf(key), key, err, hint}
	case FromEnvironment:
		for _, s := range Settings() {
			if s.Key == top {
				return fmt.Errorf("%s: %w (%s)", s.Env, err, hint)
			}
		}
	}
	return &Error{flagOf(top), err, hint}
}

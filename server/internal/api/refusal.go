package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// plainError gives the framework's own refusals (a parameter that breaks its schema) the same shape as all
// other errors: what is wrong with which parameter, and what to write instead.
func plainError(ctx huma.Context, status string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		code = e.Status
	}
	ctx.SetHeader("Content-Type", "application/json") // not problem+json, which the framework chose
	out := &Error{Status: code, Message: e.Detail, Hint: hintOfDocument}
	switch code {
	case http.StatusUnsupportedMediaType:
		out.Message, out.Hint = "the body's content type is not taken", "send JSON, with Content-Type: application/json"
		return out, nil
	case http.StatusRequestEntityTooLarge:
		out.Hint = "send a shorter body"
		return out, nil
	}
	var problems, hints []string
	for _, d := range e.Errors {
		problem, hint := inWords(d)
		problems = append(problems, problem)
		hints = append(hints, hint)
	}
	if problems != nil {
		out.Message, out.Hint = strings.Join(problems, "; "), strings.Join(hints, "; ")
	}
	return out, nil
}

const hintOfDocument = "see /api/v1/openapi.json for what this path takes"

// inWords says what the framework found in one parameter, or in one place of a body. What it says in a way that
// is not known here is passed on.
func inWords(d *huma.ErrorDetail) (problem, hint string) {
	where, name, named := strings.Cut(d.Location, ".")
	if !named {
		name = "the " + where
	}
	for _, k := range []struct{ begin, problem, hint string }{
		{"unknown query parameter", " is no parameter of this path", "leave " + name + " out, or correct its name; " + hintOfDocument},
		{"unexpected property", " is not expected in the body", "leave " + name + " out, or correct its name; " + hintOfDocument},
		{"expected required property ", " lacks a field: %", "send %"},
		{"expected number <= ", " is larger than %", "give " + name + " as a number of at most %"},
		{"expected number >= ", " is smaller than %", "give " + name + " as a number of at least %"},
		{"expected array length <= ", " has more than % values", "give at most % values"},
		{"expected length <= ", " has more than % characters", "give " + name + " at most % characters"},
		{"expected length >= ", " is too short", "give " + name + " a length of at least %"},
		{"expected string to match pattern ", " does not have its form", "write " + name + " as an answer shows it: it matches %"},
		{"expected value to be one of ", " never has this value", "give one of %"},
		{"invalid integer", " is no whole number", "write digits alone"},
		{"invalid boolean", " is neither true nor false", "write true or false"},
		{"unexpected end of JSON input", " is cut off", "send whole JSON"},
	} {
		if rest, ok := strings.CutPrefix(d.Message, k.begin); ok {
			rest = strings.Trim(strings.TrimSuffix(rest, " to be present"), `"`)
			return name + strings.ReplaceAll(k.problem, "%", rest), strings.ReplaceAll(k.hint, "%", rest)
		}
	}
	return name + " is not usable: " + d.Message, hintOfDocument
}

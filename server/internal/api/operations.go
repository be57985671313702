package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/throughline-rum/throughline/server/internal/query"
)

// queryTimeout bounds the time that one question may take.
const queryTimeout = 10 * time.Second

// routeAPI registers the questions that can be asked, and the document of them.
func routeAPI(r *routes, c *Config) {
	config := huma.DefaultConfig("Throughline", Version)
	config.Info.Description = "Requests that real users made, the backend traces that answered them, and the verdict on each link. docs/api.md says what all of it has in common."
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema in bodies
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{plainError}
	// Package guard asks for the token, where the server has any.
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {
		Type: "http", Scheme: "bearer", Description: "A token of tokens.api in the server's settings; where there is none, nobody needs one.",
	}}
	config.Security = []map[string][]string{{"token": {}}, {}}
	api := humago.New(r, config)
	api.OpenAPI().Components.Schemas.RegisterTypeAlias(reflect.TypeFor[query.Attributes](), reflect.TypeFor[map[string]any]())

	o := operations{api, c}
	routeRequests(o)
	routeSums(o)
	routeSessions(o)
	routeTraces(o)
	routeAnnotations(o)
	routeTail(o)
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // plainError replaces them
		delete(api.OpenAPI().Components.Schemas.Map(), unused)
	}
}

// operations is where questions are registered.
type operations struct {
	api huma.API
	c   *Config
}

// body is an answer with a body.
type body[T any] struct{ Body T }

// operation describes a question. The status of success is given with the handler.
func (o operations) operation(method, path, id, summary string) huma.Operation {
	responses := map[string]*huma.Response{"default": {
		Description: "Error",
		Content: map[string]*huma.MediaType{"application/json": {
			Schema: o.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Error](), true, "Error"),
		}},
	}}
	return huma.Operation{OperationID: id, Method: method, Path: apiPrefix + path, Summary: summary, Responses: responses, MaxBodyBytes: 64 << 10}
}

// get registers a question: its errors become the API's, its time is bounded.
func get[In, Out any](o operations, path, id, summary string, ask func(context.Context, *In) (Out, error)) {
	op := o.operation(http.MethodGet, path, id, summary)
	huma.Register(o.api, op, func(ctx context.Context, in *In) (*body[Out], error) {
		out, err := bounded(ctx, o.c, in, ask)
		if err != nil {
			return nil, err
		}
		return &body[Out]{out}, nil
	})
}

// bounded asks a question that may take at most queryTimeout.
func bounded[In, Out any](ctx context.Context, c *Config, in *In, ask func(context.Context, *In) (Out, error)) (Out, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	out, err := ask(ctx, in)
	if err != nil {
		return out, c.answer(ctx, err)
	}
	return out, nil
}

// answer turns an error of package query into the answer that the client gets.
// What went wrong inside is told to OnError, not to the client.
func (c *Config) answer(ctx context.Context, err error) error {
	if e, ok := query.AsError(err); ok {
		return &Error{Status: statusOf(e.Kind), Message: e.Message, Hint: e.Hint}
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Status: http.StatusGatewayTimeout, Message: "the question took longer than " + queryTimeout.String(), Hint: "ask for a shorter time range or a narrower filter"}
	case ctx.Err() == nil:
		c.OnError(err)
	}
	return &Error{Status: http.StatusInternalServerError, Message: "the question could not be answered", Hint: "the server's log says why"}
}

func statusOf(k query.Kind) int {
	switch k {
	case query.NotFound:
		return http.StatusNotFound
	case query.Busy:
		return http.StatusServiceUnavailable
	case query.Invalid:
		return http.StatusBadRequest
	default:
		return http.StatusInternalServerError
	}
}

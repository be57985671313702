// Package api is the HTTP face of the server: the JSON API under /api/v1, the
// web UI, the browser agent's script, health and metrics. It decides nothing
// about the data; package query does.
package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Version is the version of the API that its OpenAPI document names.
const Version = "1.0.0"

// queryTimeout bounds the time that one question may take.
const queryTimeout = 30 * time.Second

// Config is what the handler is made of.
type Config struct {
	Query   *query.Engine
	Beacon  http.Handler    // takes POST /beacon
	Metrics http.Handler    // answers GET /metrics
	Checks  []Check         // answer GET /readyz
	OnError func(err error) // told of errors that are the server's own; must not block
}

// New returns the handler for the main port.
func New(c Config) (http.Handler, error) {
	mux := http.NewServeMux()
	routeAPI(mux, c)
	mux.Handle("/beacon", c.Beacon)
	mux.Handle("GET /metrics", c.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.Handle("GET /readyz", newReadiness(c))
	if err := routeAgent(mux); err != nil {
		return nil, err
	}
	routeUI(mux)
	return secure(mux), nil
}

// Error is the body of every answer that is not a success.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error" doc:"What is wrong"`
	Hint    string `json:"hint,omitempty" doc:"What to do about it"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// GetStatus returns the HTTP status code.
func (e *Error) GetStatus() int { return e.Status }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; there is nobody to tell
}

type listInput struct {
	From        time.Time `query:"from" doc:"Only requests that started at this time or later"`
	To          time.Time `query:"to" doc:"Only requests that started before this time"`
	Application string    `query:"application" pattern:"^[0-9a-f]{16}$" doc:"rum.application.id"`
	Session     string    `query:"session" maxLength:"128" doc:"session.id"`
	Status      string    `query:"status" enum:"linked,partial,unlinked,not_applicable,pending" doc:"link.status"`
	Reason      string    `query:"reason" enum:"exact,via_intermediary,server_timing,tracestate_lost,tracestate_altered,parent_rewritten,trace_restarted,traceparent_dropped,not_propagated,no_server_timing,not_sampled,spans_missing,headers_dropped,backend_not_instrumented,served_from_cache,service_worker,never_sent" doc:"link.reason"`
	URL         string    `query:"url" maxLength:"1024" doc:"Part of the URL, without case"`
	Method      string    `query:"method" pattern:"^[A-Z]{1,32}$" doc:"HTTP method, upper case"`
	Kind        string    `query:"kind" enum:"document,resource,fetch,xhr" doc:"request.kind"`
	Trace       string    `query:"trace" pattern:"^[0-9a-f]{32}$" doc:"A trace id that the request carried, was answered with, or is joined to"`
	Cursor      string    `query:"cursor" maxLength:"64" doc:"next_cursor of the page before"`
	Limit       int       `query:"limit" minimum:"1" maximum:"999" default:"50" doc:"Requests on a page"`
}

type body[T any] struct{ Body T }

type idInput struct {
	ID string `path:"id" pattern:"^[0-9a-f]{16}$" doc:"Event id"`
}

type traceInput struct {
	ID string `path:"id" pattern:"^[0-9a-f]{32}$" doc:"Trace id"`
}

type spanInput struct {
	Trace string `path:"trace" pattern:"^[0-9a-f]{32}$" doc:"Trace id"`
	Span  string `path:"span" pattern:"^[0-9a-f]{16}$" doc:"Span id"`
}

// routeAPI registers the questions that can be asked, and the document of them.
func routeAPI(mux *http.ServeMux, c Config) {
	config := huma.DefaultConfig("Throughline", Version)
	config.Info.Description = "Requests that real users made, the backend traces that answered them, and the verdict on each link."
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath = ""
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema in bodies
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{plainError}
	api := humago.New(mux, config)

	q := c.Query
	get(api, c, "/api/v1/requests", "list-requests", "List requests, newest first",
		func(ctx context.Context, in *listInput) (query.RequestPage, error) {
			f, err := in.filter()
			if err != nil {
				return query.RequestPage{}, err
			}
			return q.Requests(ctx, f)
		})
	get(api, c, "/api/v1/requests/{id}", "get-request", "One request: its event, verdict, explanation and waterfall",
		func(ctx context.Context, in *idInput) (query.RequestDetail, error) {
			id, err := model.ParseEventID(in.ID)
			if err != nil {
				return query.RequestDetail{}, invalidID(err)
			}
			return q.Request(ctx, id)
		})
	get(api, c, "/api/v1/traces/{id}", "get-trace", "One trace: its frontend requests as roots, its spans below",
		func(ctx context.Context, in *traceInput) (query.Trace, error) {
			id, err := tracecontext.ParseTraceID(in.ID)
			if err != nil {
				return query.Trace{}, invalidID(err)
			}
			return q.Trace(ctx, id)
		})
	get(api, c, "/api/v1/spans/{trace}/{span}/frontend", "get-span-frontend", "The way back from a span to the request event and session",
		func(ctx context.Context, in *spanInput) (query.Frontend, error) {
			trace, err := tracecontext.ParseTraceID(in.Trace)
			if err != nil {
				return query.Frontend{}, invalidID(err)
			}
			span, err := tracecontext.ParseSpanID(in.Span)
			if err != nil {
				return query.Frontend{}, invalidID(err)
			}
			return q.Frontend(ctx, trace, span)
		})
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // plainError replaces them
		delete(api.OpenAPI().Components.Schemas.Map(), unused)
	}
}

func (in *listInput) filter() (query.Filter, error) {
	f := query.Filter{Cursor: in.Cursor, RequestFilter: store.RequestFilter{
		From: in.From, To: in.To,
		ApplicationID: in.Application,
		SessionID:     in.Session,
		Status:        model.LinkStatus(in.Status),
		Reason:        model.LinkReason(in.Reason),
		URLPart:       in.URL,
		Method:        in.Method,
		Kind:          model.RequestKind(in.Kind),
		Limit:         in.Limit,
	}}
	if in.Trace != "" {
		id, err := tracecontext.ParseTraceID(in.Trace)
		if err != nil {
			return query.Filter{}, invalidID(err)
		}
		f.TraceID = id
	}
	return f, nil
}

func invalidID(err error) error {
	return &query.Error{Kind: query.Invalid, Message: err.Error(), Hint: "copy the id as the list of requests shows it"}
}

// get registers a question: its errors become the API's, its time is bounded.
func get[In, Out any](api huma.API, c Config, path, id, summary string, ask func(context.Context, *In) (Out, error)) {
	op := huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
		Responses: map[string]*huma.Response{"default": {
			Description: "Error",
			Content: map[string]*huma.MediaType{"application/json": {
				Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Error](), true, "Error"),
			}},
		}},
	}
	huma.Register(api, op, func(ctx context.Context, in *In) (*body[Out], error) {
		ctx, cancel := context.WithTimeout(ctx, queryTimeout)
		defer cancel()
		out, err := ask(ctx, in)
		if err != nil {
			return nil, c.answer(ctx, err)
		}
		return &body[Out]{out}, nil
	})
}

// answer turns an error of package query into the answer that the client gets.
// What went wrong inside is told to OnError, not to the client.
func (c *Config) answer(ctx context.Context, err error) error {
	if e, ok := query.AsError(err); ok {
		status := http.StatusBadRequest
		if e.Kind == query.NotFound {
			status = http.StatusNotFound
		}
		return &Error{Status: status, Message: e.Message, Hint: e.Hint}
	}
	if ctx.Err() == context.DeadlineExceeded {
		return &Error{Status: http.StatusGatewayTimeout, Message: "the question took longer than " + queryTimeout.String(), Hint: "ask for a shorter time range or a narrower filter"}
	}
	if ctx.Err() == nil {
		c.OnError(err)
	}
	return &Error{Status: http.StatusInternalServerError, Message: "the question could not be answered", Hint: "the server's log says why"}
}

// plainError gives the framework's own refusals (a parameter that breaks its
// schema) the same shape as all other errors.
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
	out := &Error{Status: code, Message: e.Detail}
	for _, d := range e.Errors {
		if out.Hint != "" {
			out.Hint += "; "
		}
		out.Hint += d.Location + ": " + d.Message
	}
	return out, nil
}

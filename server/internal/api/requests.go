package api

import (
	"context"

	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
)

type requestsInput struct {
	Selection
	Application string `query:"application" pattern:"^[0-9a-f]{16}$" doc:"rum.application.id"`
	Session     string `query:"session" maxLength:"128" doc:"session.id"`
	Status      string `query:"status" enum:"linked,partial,unlinked,not_applicable,pending" doc:"link.status"`
	Reason      string `query:"reason" enum:"exact,via_intermediary,server_timing,tracestate_lost,tracestate_altered,parent_rewritten,trace_restarted,traceparent_dropped,not_propagated,no_server_timing,not_sampled,spans_missing,headers_dropped,backend_not_instrumented,served_from_cache,service_worker,never_sent" doc:"link.reason"`
	URL         string `query:"url" maxLength:"1024" doc:"Part of the URL, without case"`
	Method      string `query:"method" pattern:"^[A-Z]{1,32}$" doc:"HTTP method, upper case"`
	Kind        string `query:"kind" enum:"document,resource,fetch,xhr" doc:"request.kind"`
	Trace       string `query:"trace" pattern:"^[0-9a-f]{32}$" doc:"A trace id that the request carried, was answered with, or is joined to"`
	Cursor
	Limit
}

// terms are what the single parameters ask for.
func (in *requestsInput) terms() []store.Term {
	var terms []store.Term
	for _, p := range []struct {
		value string
		field store.Field
		op    store.Op
	}{
		{in.Application, store.FieldApplication, store.Equal},
		{in.Session, store.FieldSession, store.Equal},
		{in.Status, store.FieldStatus, store.Equal},
		{in.Reason, store.FieldReason, store.Equal},
		{in.URL, store.FieldURL, store.Contains},
		{in.Method, store.FieldMethod, store.Equal},
		{in.Kind, store.FieldKind, store.Equal},
		{in.Trace, store.FieldTrace, store.Equal},
	} {
		if p.value != "" {
			terms = append(terms, store.Term{Field: p.field, Op: p.op, Values: []string{p.value}})
		}
	}
	return terms
}

type facetsInput struct {
	Selection
	Fields []string `query:"fields" maxItems:"10" doc:"Names of fields, separated by commas; left out: status, reason, host, kind, service, browser"`
	Limit  int      `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Values of each field"`
}

func routeRequests(o operations) {
	q := o.c.Query
	get(o, "requests", "list-requests", "List requests, newest first",
		func(ctx context.Context, in *requestsInput) (query.RequestPage, error) {
			s := in.selection()
			s.Terms = in.terms()
			return q.Requests(ctx, query.RequestQuery{Selection: s, Cursor: in.Cursor.Cursor, Limit: in.Limit.Limit})
		})
	get(o, "requests/facets", "count-requests-by-fields", "How the values of fields are spread over requests",
		func(ctx context.Context, in *facetsInput) (query.Facets, error) {
			return q.Facets(ctx, query.FacetQuery{Selection: in.selection(), Fields: in.Fields, Limit: in.Limit})
		})
	get(o, "requests/{id}", "get-request", "One request: its event, verdict, explanation, evidence and waterfall",
		func(ctx context.Context, in *eventInput) (query.RequestDetail, error) {
			id, err := eventID(in.ID)
			if err != nil {
				return query.RequestDetail{}, err
			}
			return q.Request(ctx, id)
		})
}

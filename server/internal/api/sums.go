package api

import (
	"context"

	"github.com/throughline-rum/throughline/server/internal/query"
)

type limitedInput struct {
	Selection
	Limit
}

func (in *limitedInput) limited() query.LimitedQuery {
	return query.LimitedQuery{Selection: in.selection(), Limit: in.Limit.Limit}
}

type coverageInput struct {
	Selection
	Step string `query:"step" maxLength:"16" doc:"Length of a step: 10s, 5m, 1h, 1d; left out: one that divides the range into at most 120" example:"1h"`
	By   string `query:"by" maxLength:"64" doc:"A field to divide by: link.reason, server.address, request.trace_context_hint, ... or its alias" example:"link.reason"`
}

type selectionInput struct{ Selection }

type serviceMapInput struct {
	Range
	Application string `query:"application" pattern:"^[0-9a-f]{16}$" doc:"rum.application.id; left out: all"`
}

type limitInput struct{ Limit }

func routeSums(o operations) {
	q := o.c.Query
	get(o, "coverage", "get-coverage", "How many requests are linked, over time and by the value of a field",
		func(ctx context.Context, in *coverageInput) (query.Coverage, error) {
			return q.Coverage(ctx, query.CoverageQuery{Selection: in.selection(), Step: in.Step, By: in.By})
		})
	get(o, "endpoints", "list-endpoints", "Requests summed up by host, method and endpoint",
		func(ctx context.Context, in *limitedInput) (query.EndpointList, error) {
			return q.Endpoints(ctx, in.limited())
		})
	get(o, "hosts", "list-hosts", "How well requests to each host link, and what to do about it",
		func(ctx context.Context, in *selectionInput) (query.LinkHealth, error) {
			return q.Hosts(ctx, in.selection())
		})
	get(o, "applications", "list-applications", "How well the requests of each application link, and what to do about it",
		func(ctx context.Context, in *selectionInput) (query.LinkHealth, error) {
			return q.Applications(ctx, in.selection())
		})
	get(o, "services", "list-services", "The services that ever sent spans",
		func(ctx context.Context, in *limitInput) (query.ServiceList, error) {
			return q.Services(ctx, in.Limit.Limit)
		})
	get(o, "service-map", "get-service-map", "Who called whom, from the frontends on",
		func(ctx context.Context, in *serviceMapInput) (query.ServiceMap, error) {
			return q.ServiceMap(ctx, query.ServiceMapQuery{Range: in.rangeOf(), Application: in.Application})
		})
	get(o, "explanations", "list-explanations", "Every reason of a verdict, in words, with what to do about it",
		func(context.Context, *noInput) (query.ExplanationList, error) { return q.Explanations(), nil })
}

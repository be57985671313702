package api

import (
	"context"

	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

type tracesInput struct {
	Range
	Service     string `query:"service" maxLength:"256" doc:"service.name of the entry span"`
	Name        string `query:"name" maxLength:"256" doc:"Part of the entry span's name or route, without case"`
	MinDuration string `query:"min_duration" maxLength:"16" doc:"The entry span took at least so long: 500, 500ms, 1.5s, 2m" example:"500ms"`
	Error       bool   `query:"error" doc:"Only entry spans with the status error"`
	Cursor
	Limit
}

func routeTraces(o operations) {
	q := o.c.Query
	get(o, "traces", "list-traces", "Search for traces by their entry spans, newest first",
		func(ctx context.Context, in *tracesInput) (query.TracePage, error) {
			return q.Traces(ctx, query.TraceQuery{
				Range: in.rangeOf(), Service: in.Service, Name: in.Name, MinDuration: in.MinDuration, Error: in.Error,
				Cursor: in.Cursor.Cursor, Limit: in.Limit.Limit,
			})
		})
	get(o, "traces/{id}", "get-trace", "One trace: its frontend requests as roots, its spans below",
		func(ctx context.Context, in *traceInput) (query.Trace, error) {
			id, err := traceID(in.ID)
			if err != nil {
				return query.Trace{}, err
			}
			return q.Trace(ctx, id)
		})
	get(o, "spans/{trace}/{span}/frontend", "get-span-frontend", "The way back from a span to the request event and session",
		func(ctx context.Context, in *spanInput) (query.Frontend, error) {
			trace, err := traceID(in.Trace)
			if err != nil {
				return query.Frontend{}, err
			}
			span, err := tracecontext.ParseSpanID(in.Span)
			if err != nil {
				return query.Frontend{}, invalidID(err)
			}
			return q.Frontend(ctx, trace, span)
		})
}

package query

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// TraceQuery asks for a page of traces.
type TraceQuery struct {
	Range
	Service     string
	Name        string
	MinDuration string // such as 500ms
	Error       bool
	Cursor      string
	Limit       int
}

// TracePage is one page of a search for traces.
type TracePage struct {
	Traces     []TraceSummary `json:"traces" nullable:"false" doc:"By the start of the entry span, newest first"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Pass as cursor for the next page; left out on the last one"`
}

// TraceSummary is a trace in a listing.
type TraceSummary struct {
	TraceID    string    `json:"trace.id"`
	SpanID     string    `json:"span.id" doc:"Of the entry span that was found"`
	StartTime  time.Time `json:"start_time" doc:"Of that span, like the next ones"`
	DurationMs float64   `json:"duration_ms"`
	Service    string    `json:"service.name,omitempty"`
	Name       string    `json:"name"`
	Route      string    `json:"http.route,omitempty"`
	Error      bool      `json:"error"`
	Spans      int64     `json:"spans" doc:"Stored of the trace"`
	Errors     int64     `json:"errors" doc:"Spans of the trace with the status error"`
	Services   []string  `json:"services" nullable:"false" doc:"That took part, at most 16"`
}

// Traces searches for traces by their entry spans.
func (q *Engine) Traces(ctx context.Context, in TraceQuery) (TracePage, error) {
	within, err := q.open(in.Range)
	if err != nil {
		return TracePage{}, err
	}
	if err := checkLimit(in.Limit); err != nil {
		return TracePage{}, err
	}
	ask := store.TraceQuery{From: within.from, To: within.to, Service: in.Service, Name: in.Name, Error: in.Error, Limit: in.Limit + 1}
	if in.MinDuration != "" {
		number, ok := parseNumber(store.FieldDuration, in.MinDuration)
		ms, err := time.ParseDuration(number + "ms")
		if !ok || err != nil {
			return TracePage{}, &Error{Invalid, "min_duration is not a length of time", "write a number of milliseconds, or one with a unit: 500, 500ms, 1.5s, 2m"}
		}
		ask.MinDuration = ms
	}
	if in.Cursor != "" {
		c, err := traceListing.parse(in.Cursor)
		if err != nil {
			return TracePage{}, err
		}
		ask.Before = &store.TracePlace{Start: c.start(), ID: c.id}
	}
	found, err := q.reader.Traces(ctx, ask)
	if err != nil {
		return TracePage{}, fmt.Errorf("searching for traces: %w", err)
	}
	found, next := cut(traceListing, found, in.Limit, func(t *store.TraceSummary) cursor { return cursorAt(t.Start, t.TraceID[:]) })
	return TracePage{shown(found, func(t *store.TraceSummary) TraceSummary {
		return TraceSummary{
			t.TraceID.String(), t.SpanID.String(), t.Start.UTC(), milliseconds(t.Duration), t.Service, t.Name, t.Route, t.Error,
			t.Spans, t.Errors, notNil(t.Services),
		}
	}), next}, nil
}

// Trace returns the waterfall of a trace: the frontend requests that led to it
// as roots, its spans below.
func (q *Engine) Trace(ctx context.Context, id tracecontext.TraceID) (Trace, error) {
	spans, requests, err := q.trace(ctx, id)
	if err != nil {
		return Trace{}, err
	}
	if len(spans) == 0 && len(requests) == 0 {
		return Trace{}, &Error{NotFound, "no span and no request event has this trace id", "its spans may not have arrived yet, may have been sampled out, or are past their retention"}
	}
	return waterfall(id, requests, spans), nil
}

// trace reads both sides of a trace, beside each other.
func (q *Engine) trace(ctx context.Context, id tracecontext.TraceID) (spans []model.Span, requests []model.LinkedRequest, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		spans, err = q.spans(ctx, id)
		return err
	})
	group.Go(func() (err error) {
		if requests, err = q.reader.TraceRequests(ctx, id, maxTraceRequests); err != nil {
			return fmt.Errorf("reading the requests of trace %s: %w", id, err)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return spans, requests, nil
}

// spans reads one span more than is shown, which tells that there are more.
func (q *Engine) spans(ctx context.Context, id tracecontext.TraceID) ([]model.Span, error) {
	spans, err := q.reader.Trace(ctx, id, MaxTraceSpans+1)
	if err != nil {
		return nil, fmt.Errorf("reading trace %s: %w", id, err)
	}
	return spans, nil
}

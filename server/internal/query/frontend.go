package query

import (
	"context"
	"slices"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// errNoFrontend is the answer for a span that no frontend is known for.
var errNoFrontend = &Error{NotFound, "no frontend request is known for this span",
	"the request did not come from an instrumented frontend, or neither its dtr entry nor its event has arrived"}

// Frontend finds the way back from a span to the request event and the session
// that caused it. It climbs from the span to its ancestors; the first that a
// request event names, or whose trace state names one, tells. The dtr entry of a
// trace state is proof by itself, so the session is known even where the event
// is not.
func (q *Engine) Frontend(ctx context.Context, trace tracecontext.TraceID, span tracecontext.SpanID) (Frontend, error) {
	spans, requests, err := q.trace(ctx, trace)
	if err != nil {
		return Frontend{}, err
	}
	path, err := climb(spans, span)
	if err != nil {
		return Frontend{}, err
	}
	entry := path[len(path)-1]
	for _, s := range path {
		if s.DtrState != model.DtrValid {
			continue
		}
		f := Frontend{SessionID: s.Dtr.SessionID, InstanceID: s.Dtr.InstanceID, EntrySpanID: entry.SpanID.String(), Via: "trace_context"}
		for i := range requests {
			if requests[i].Sent.SpanID == s.Dtr.SpanID {
				shown := newRequest(&requests[i])
				f.Request = &shown
				if joined := requests[i].Link.Joined.SpanID; onPath(path, joined) {
					f.EntrySpanID = joined.String() // an intermediary's spans may stand above it
				}
				break
			}
		}
		return f, nil
	}
	for _, s := range path {
		for i := range requests {
			r := &requests[i]
			if via := answers(r, s); via != "" {
				shown := newRequest(r)
				return Frontend{Request: &shown, SessionID: r.SessionID, InstanceID: r.InstanceID, EntrySpanID: s.SpanID.String(), Via: via}, nil
			}
		}
	}
	return Frontend{}, errNoFrontend
}

func onPath(path []*model.Span, id tracecontext.SpanID) bool {
	return slices.ContainsFunc(path, func(s *model.Span) bool { return s.SpanID == id })
}

// answers says by which mechanism a request names the span as the one that
// answered it; empty where it does not.
func answers(r *model.LinkedRequest, s *model.Span) string {
	switch {
	case r.Sent.TraceID == s.TraceID && r.Sent.SpanID == s.ParentSpanID && !s.ParentSpanID.IsZero():
		return "trace_context"
	case r.Answer.TraceID == s.TraceID && r.Answer.SpanID == s.SpanID, r.Link.Joined == (model.SpanContext{TraceID: s.TraceID, SpanID: s.SpanID}):
		return "server_timing"
	default:
		return ""
	}
}

// climb returns a span and its recorded ancestors, nearest first.
func climb(spans []model.Span, from tracecontext.SpanID) ([]*model.Span, error) {
	byID := make(map[tracecontext.SpanID]*model.Span, len(spans))
	for i := range spans {
		byID[spans[i].SpanID] = &spans[i]
	}
	var path []*model.Span
	for s := byID[from]; s != nil && len(path) < len(spans); s = byID[s.ParentSpanID] {
		path = append(path, s)
	}
	if len(path) == 0 {
		return nil, &Error{NotFound, "no span has this id in this trace", "it may not have arrived yet, may have been sampled out, or is past its retention"}
	}
	return path, nil
}

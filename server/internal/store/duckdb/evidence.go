package duckdb

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// gather adds to requests what bears on their verdicts: from memory, and from the tables where the directory says that
// there is more before it, with one query for each kind of evidence.
func (s *Store) gather(ctx context.Context, q querier, v *view, evidence []model.Evidence, maxSpans int) error {
	if len(evidence) == 0 {
		return nil
	}
	for _, add := range []func(context.Context, querier, *view, []model.Evidence, int) error{s.addTraces, s.addNamed, addHosts, s.addSameAnswers} {
		if err := add(ctx, q, v, evidence, maxSpans); err != nil {
			return err
		}
	}
	return nil
}

// sqlFactColumns are the columns of spans that factColumns reads.
const sqlFactColumns = "seq, trace_id, span_id, parent_span_id, kind, flags, start, duration, service, route, entry, via, " +
	"dtr_state, " + sqlDtrSpan + " AS dtr_span_id, dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id"

// addTraces adds the spans of the traces that requests carried or answers named.
// Requests of one trace share the slice.
func (s *Store) addTraces(ctx context.Context, q querier, v *view, evidence []model.Evidence, maxSpans int) error {
	byTrace := map[tracecontext.TraceID][]model.SpanFacts{}
	var ids []string
	var ranges []seqRange
	d := s.lookup()
	for i := range evidence {
		r := &evidence[i].Request
		for _, id := range []tracecontext.TraceID{r.TraceContext().TraceID, r.Answer.TraceID} {
			if _, ok := byTrace[id]; ok || id.IsZero() {
				continue
			}
			byTrace[id] = v.trace(id)
			if older := d.findBefore(v.from, traceKey(keySpanTrace, id)); len(older) > 0 {
				ids, ranges = append(ids, id.String()), append(ranges, older...)
			}
		}
	}
	if len(ranges) > 0 {
		query := strings.ReplaceAll(sqlWorkTraces, "/*near*/", stretches("spans", sqlFactColumns, merged(ranges)))
		found, err := collect(ctx, q, factColumns, query, ids, maxSpans)
		if err != nil {
			return err
		}
		for _, f := range found {
			byTrace[f.TraceID] = append(byTrace[f.TraceID], f)
		}
	}
	for id, all := range byTrace {
		slices.SortFunc(all, compareFacts)
		byTrace[id] = slices.Clip(all[:min(len(all), maxSpans)])
	}
	for i := range evidence {
		e := &evidence[i]
		own := e.Request.TraceContext().TraceID
		e.Trace = byTrace[own]
		if answer := e.Request.Answer.TraceID; answer != own {
			e.AnswerTrace = byTrace[answer]
		}
	}
	for id, first := range byTrace {
		if len(first) < maxSpans || maxSpans == 0 && len(s.find(traceKey(keySpanTrace, id))) == 0 {
			continue
		}
		if err := s.addBeyond(ctx, q, id, evidence, maxSpans); err != nil {
			return err
		}
	}
	return nil
}

// compareFacts orders spans by start, then id.
func compareFacts(a, b model.SpanFacts) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(number(a.SpanID), number(b.SpanID)))
}

// addBeyond adds, to the first spans of a trace that may have more, those whose parent is a request's or which its answer's
// Server-Timing named.
func (s *Store) addBeyond(ctx context.Context, q querier, id tracecontext.TraceID, evidence []model.Evidence, maxSpans int) error {
	var parents, named []uint64
	for i := range evidence {
		r := &evidence[i].Request
		if !r.Sent.SpanID.IsZero() {
			parents = append(parents, number(r.Sent.SpanID))
		}
		if r.Answer.TraceID == id && !r.Answer.SpanID.IsZero() {
			named = append(named, number(r.Answer.SpanID))
		}
	}
	query := strings.ReplaceAll(sqlWorkBeyond, "/*near*/", stretches("spans", sqlFactColumns, s.find(traceKey(keySpanTrace, id))))
	found, err := collect(ctx, q, factColumns, query, id.String(), maxSpans, parents, named)
	if err != nil || len(found) == 0 {
		return err
	}
	for i := range evidence {
		e := &evidence[i]
		into := &e.Trace
		if e.Request.TraceContext().TraceID != id {
			if into = &e.AnswerTrace; e.Request.Answer.TraceID != id {
				continue
			}
		}
		n := 0
		for _, f := range found {
			child := !e.Request.Sent.SpanID.IsZero() && f.ParentSpanID == e.Request.Sent.SpanID
			if (child || f.SpanContext == e.Request.Answer.SpanContext) && n < maxSpans {
				*into, n = append(*into, f), n+1 // the slice is clipped, so others that share it keep theirs
			}
		}
	}
	return nil
}

// addNamed adds the spans of other traces whose dtr entry names the request.
func (s *Store) addNamed(ctx context.Context, q querier, v *view, evidence []model.Evidence, maxSpans int) error {
	var ids []uint64 // of those with more in the tables
	var ranges []seqRange
	byName := map[tracecontext.SpanID][]model.SpanFacts{}
	d := s.lookup()
	for i := range evidence {
		sent := evidence[i].Request.Sent.SpanID
		if _, ok := byName[sent]; ok || sent.IsZero() {
			continue
		}
		byName[sent] = v.named(sent)
		if older := d.findBefore(v.from, idKey(keyDtr, number(sent))); len(older) > 0 {
			ids, ranges = append(ids, number(sent)), append(ranges, older...)
		}
	}
	if len(ranges) > 0 {
		query := strings.ReplaceAll(sqlWorkDtr, "/*near*/", stretches("spans", sqlFactColumns, merged(ranges)))
		found, err := collect(ctx, q, factColumns, query, ids, maxSpans)
		if err != nil {
			return err
		}
		for _, f := range found {
			byName[f.Dtr.SpanID] = append(byName[f.Dtr.SpanID], f)
		}
	}
	for _, all := range byName {
		slices.SortFunc(all, func(a, b model.SpanFacts) int {
			return cmp.Or(compareFacts(a, b), bytes.Compare(a.TraceID[:], b.TraceID[:]))
		})
	}
	for i := range evidence {
		e := &evidence[i]
		e.ByDtr = ofOtherTraces(byName[e.Request.Sent.SpanID], e.Request.TraceContext().TraceID, maxSpans)
	}
	return nil
}

// ofOtherTraces returns the first of some spans that are of other traces than one; they are shared where all of them are.
func ofOtherTraces(all []model.SpanFacts, own tracecontext.TraceID, limit int) []model.SpanFacts {
	first := all[:min(limit, len(all))]
	isOwn := func(f model.SpanFacts) bool { return f.TraceID == own }
	switch {
	case len(first) == 0:
		return nil
	case !slices.ContainsFunc(first, isOwn):
		return slices.Clip(first)
	}
	var others []model.SpanFacts
	for _, f := range all {
		if len(others) == limit {
			break
		}
		if !isOwn(f) {
			others = append(others, f)
		}
	}
	return others
}

// addHosts adds whether any span was seen from the request's host, and of which services.
func addHosts(ctx context.Context, q querier, _ *view, evidence []model.Evidence, _ int) error {
	seen := map[string]*[]string{}
	var hosts []string
	for i := range evidence {
		h := evidence[i].Request.Host
		if _, ok := seen[h]; !ok && h != "" {
			seen[h] = nil
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	type host struct {
		name     string
		services []string
	}
	found, err := collect(ctx, q, func(h *host) []any { return []any{&h.name, (*namesColumn)(&h.services)} }, sqlWorkHosts, hosts)
	if err != nil {
		return err
	}
	for i := range found {
		seen[found[i].name] = &found[i].services
	}
	for i := range evidence {
		if services := seen[evidence[i].Request.Host]; services != nil {
			evidence[i].HostSeen = true
			evidence[i].HostServices = slices.Clone((*services)[:min(len(*services), model.MaxHostServices)])
		}
	}
	return nil
}

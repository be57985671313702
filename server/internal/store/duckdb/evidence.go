package duckdb

import (
	"context"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// gather reads what bears on the verdicts of requests, with one query for
// each kind of evidence.
func (s *Store) gather(ctx context.Context, q querier, found []storedRequest, maxSpans int) ([]model.Evidence, error) {
	if len(found) == 0 {
		return nil, nil
	}
	evidence := make([]model.Evidence, len(found))
	for i := range found {
		r := &found[i]
		evidence[i] = model.Evidence{Request: r.RequestEvent, Row: r.seq, JudgedAt: r.Link.JudgedAt}
	}
	for _, add := range []func(context.Context, querier, []model.Evidence, int) error{s.addTraces, s.addNamed, addHosts, s.addSameAnswers} {
		if err := add(ctx, q, evidence, maxSpans); err != nil {
			return nil, err
		}
	}
	return evidence, nil
}

// sqlFactColumns are the columns of spans that factColumns reads.
const sqlFactColumns = "seq, trace_id, span_id, parent_span_id, kind, flags, start, duration, service, route, entry, via, " +
	"dtr_state, dtr_span_id, dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id"

// addTraces adds the spans of the traces that requests carried or answers named.
// Requests of one trace share the slice.
func (s *Store) addTraces(ctx context.Context, q querier, evidence []model.Evidence, maxSpans int) error {
	byTrace := map[tracecontext.TraceID][]model.SpanFacts{}
	var ids []string
	var keys []key
	for i := range evidence {
		r := &evidence[i].Request
		for _, id := range []tracecontext.TraceID{r.TraceContext().TraceID, r.Answer.TraceID} {
			if _, ok := byTrace[id]; !ok && !id.IsZero() {
				byTrace[id] = nil
				ids, keys = append(ids, id.String()), append(keys, traceKey(keySpanTrace, id))
			}
		}
	}
	ranges := s.find(keys...)
	if len(ranges) == 0 {
		return nil
	}
	query := strings.ReplaceAll(sqlWorkTraces, "/*near*/", stretches("spans", sqlFactColumns, ranges))
	found, err := collect(ctx, q, factColumns, query, ids, maxSpans)
	if err != nil {
		return err
	}
	for len(found) > 0 {
		id := found[0].TraceID
		n := slices.IndexFunc(found, func(f model.SpanFacts) bool { return f.TraceID != id })
		if n < 0 {
			n = len(found)
		}
		byTrace[id] = found[:n:n]
		found = found[n:]
	}
	for i := range evidence {
		e := &evidence[i]
		own := e.Request.TraceContext().TraceID
		if e.Trace, err = s.addBeyond(ctx, q, &e.Request, own, byTrace[own], maxSpans); err != nil {
			return err
		}
		if answer := e.Request.Answer.TraceID; answer != own {
			if e.AnswerTrace, err = s.addBeyond(ctx, q, &e.Request, answer, byTrace[answer], maxSpans); err != nil {
				return err
			}
		}
	}
	return nil
}

// addBeyond adds, to the first spans of a trace that has more, those whose parent is the request's or which
// Server-Timing named.
func (s *Store) addBeyond(ctx context.Context, q querier, r *model.RequestEvent, id tracecontext.TraceID, first []model.SpanFacts, maxSpans int) ([]model.SpanFacts, error) {
	if len(first) < maxSpans || id.IsZero() || maxSpans == 0 && len(s.find(traceKey(keySpanTrace, id))) == 0 {
		return first, nil
	}
	var named tracecontext.SpanID
	if r.Answer.TraceID == id {
		named = r.Answer.SpanID
	}
	query := strings.ReplaceAll(sqlWorkBeyond, "/*near*/", stretches("spans", sqlFactColumns, s.find(traceKey(keySpanTrace, id))))
	found, err := collect(ctx, q, factColumns, query, id.String(), maxSpans, unsigned(number(r.Sent.SpanID)), unsigned(number(named)))
	if err != nil || len(found) == 0 {
		return first, err
	}
	return slices.Concat(first, found), nil
}

// addNamed adds the spans of other traces whose dtr entry names the request.
func (s *Store) addNamed(ctx context.Context, q querier, evidence []model.Evidence, maxSpans int) error {
	var at []int // places in evidence
	var ids []uint64
	var traces []string
	var keys []key
	for i := range evidence {
		sent := evidence[i].Request.Sent
		if sent.SpanID.IsZero() {
			continue
		}
		trace := ""
		if own := evidence[i].Request.TraceContext().TraceID; !own.IsZero() {
			trace = own.String()
		}
		at, ids, traces = append(at, i), append(ids, number(sent.SpanID)), append(traces, trace)
		keys = append(keys, idKey(keyDtr, number(sent.SpanID)))
	}
	ranges := s.find(keys...)
	if len(ranges) == 0 {
		return nil
	}
	type named struct {
		wanted int
		facts  model.SpanFacts
	}
	columns := func(n *named) []any { return append([]any{&n.wanted}, factColumns(&n.facts)...) }
	query := strings.ReplaceAll(sqlWorkDtr, "/*near*/", stretches("spans", sqlFactColumns, ranges))
	found, err := collect(ctx, q, columns, query, ids, traces, maxSpans)
	if err != nil {
		return err
	}
	for _, n := range found {
		e := &evidence[at[n.wanted]]
		e.ByDtr = append(e.ByDtr, n.facts)
	}
	return nil
}

// addHosts adds whether any span was seen from the request's host, and of which services.
func addHosts(ctx context.Context, q querier, evidence []model.Evidence, _ int) error {
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

// maxOtherSessions bounds SameAnswer.Sessions.
const maxOtherSessions = 100

// addSameAnswers adds which requests of other sessions got the same answer.
func (s *Store) addSameAnswers(ctx context.Context, q querier, evidence []model.Evidence, _ int) error {
	var at []int // places in evidence
	var traces, sessions, urls []string
	var responses []int64
	var keys []key
	const noResponse = 1 << 40 // what no response id is
	for i := range evidence {
		r := &evidence[i].Request
		id := r.Answer.ResponseID
		if r.SessionID == "" || r.Answer.TraceID.IsZero() && id == nil {
			continue
		}
		trace, response := "", int64(noResponse)
		if !r.Answer.TraceID.IsZero() {
			trace, keys = r.Answer.TraceID.String(), append(keys, traceKey(keyRequestTrace, r.Answer.TraceID))
		}
		if id != nil {
			response, keys = int64(*id), append(keys, responseKey(*id, r.URL))
		}
		at, traces, responses = append(at, i), append(traces, trace), append(responses, response)
		sessions, urls = append(sessions, r.SessionID), append(urls, r.URL)
	}
	ranges := s.find(keys...)
	if len(ranges) == 0 {
		return nil
	}
	type same struct {
		wanted int
		model.SameAnswer
	}
	columns := func(v *same) []any {
		return []any{&v.wanted, (*idColumn)(&v.RequestID), &v.SessionID, (*timeColumn)(&v.Start), &v.Sessions}
	}
	near := stretches("requests", "id, session_id, start, url, answer_trace_id, answer_response_id", ranges)
	found, err := collect(ctx, q, columns, strings.ReplaceAll(sqlWorkAnswers, "/*near*/", near), traces, responses, sessions, urls)
	if err != nil {
		return err
	}
	for _, v := range found {
		v.Sessions = min(v.Sessions, maxOtherSessions)
		evidence[at[v.wanted]].SameAnswer = &v.SameAnswer
	}
	return nil
}

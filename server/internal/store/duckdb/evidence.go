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
	"dtr_state, dtr_span_id, dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id"

// addTraces adds the spans of the traces that requests carried or answers named.
// Requests of one trace share the slice.
func (s *Store) addTraces(ctx context.Context, q querier, v *view, evidence []model.Evidence, maxSpans int) error {
	byTrace := map[tracecontext.TraceID][]model.SpanFacts{}
	var ids []string
	var ranges []seqRange
	for i := range evidence {
		r := &evidence[i].Request
		for _, id := range []tracecontext.TraceID{r.TraceContext().TraceID, r.Answer.TraceID} {
			if _, ok := byTrace[id]; ok || id.IsZero() {
				continue
			}
			byTrace[id] = v.trace(id)
			if older := before(s.find(traceKey(keySpanTrace, id)), v.from); len(older) > 0 {
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
		var err error
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

// compareFacts orders spans by start, then id.
func compareFacts(a, b model.SpanFacts) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(number(a.SpanID), number(b.SpanID)))
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
func (s *Store) addNamed(ctx context.Context, q querier, v *view, evidence []model.Evidence, maxSpans int) error {
	var at []int // places in evidence, of those with more in the tables
	var ids []uint64
	var traces []string
	var ranges []seqRange
	for i := range evidence {
		e := &evidence[i]
		sent, own := e.Request.Sent.SpanID, e.Request.TraceContext().TraceID
		if sent.IsZero() {
			continue
		}
		for _, f := range v.named(sent) {
			if f.TraceID != own {
				e.ByDtr = append(e.ByDtr, f)
			}
		}
		older := before(s.find(idKey(keyDtr, number(sent))), v.from)
		if len(older) == 0 {
			continue
		}
		trace := ""
		if !own.IsZero() {
			trace = own.String()
		}
		at, ids, traces, ranges = append(at, i), append(ids, number(sent)), append(traces, trace), append(ranges, older...)
	}
	if len(ranges) > 0 {
		type named struct {
			wanted int
			facts  model.SpanFacts
		}
		columns := func(n *named) []any { return append([]any{&n.wanted}, factColumns(&n.facts)...) }
		query := strings.ReplaceAll(sqlWorkDtr, "/*near*/", stretches("spans", sqlFactColumns, merged(ranges)))
		found, err := collect(ctx, q, columns, query, ids, traces, maxSpans)
		if err != nil {
			return err
		}
		for _, n := range found {
			e := &evidence[at[n.wanted]]
			e.ByDtr = append(e.ByDtr, n.facts)
		}
	}
	for i := range evidence {
		e := &evidence[i]
		slices.SortFunc(e.ByDtr, func(a, b model.SpanFacts) int {
			return cmp.Or(compareFacts(a, b), bytes.Compare(a.TraceID[:], b.TraceID[:]))
		})
		if len(e.ByDtr) > maxSpans {
			e.ByDtr = slices.Clip(e.ByDtr[:maxSpans])
		}
		if len(e.ByDtr) == 0 {
			e.ByDtr = nil
		}
	}
	return nil
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

// maxOtherSessions bounds SameAnswer.Sessions.
const maxOtherSessions = 100

// addSameAnswers adds which requests of other sessions got the same answer.
func (s *Store) addSameAnswers(ctx context.Context, q querier, v *view, evidence []model.Evidence, _ int) error {
	same := map[int][]sameAnswer{} // by places in evidence
	var at []int                   // those with more in the tables
	var traces, sessions, urls []string
	var responses []int64
	var ranges []seqRange
	const noResponse = 1 << 40 // what no response id is
	for i := range evidence {
		r := &evidence[i].Request
		id := r.Answer.ResponseID
		if r.SessionID == "" || r.Answer.TraceID.IsZero() && id == nil {
			continue
		}
		if here := v.sameAnswers(r); len(here) > 0 {
			same[i] = here
		}
		var older []seqRange
		trace, response := "", int64(noResponse)
		if !r.Answer.TraceID.IsZero() {
			trace, older = r.Answer.TraceID.String(), s.find(traceKey(keyRequestTrace, r.Answer.TraceID))
		}
		if id != nil {
			response, older = int64(*id), append(older, s.find(responseKey(*id, r.URL))...)
		}
		if older = before(older, v.from); len(older) == 0 {
			continue
		}
		at, traces, responses = append(at, i), append(traces, trace), append(responses, response)
		sessions, urls, ranges = append(sessions, r.SessionID), append(urls, r.URL), append(ranges, older...)
	}
	if len(ranges) > 0 {
		type stored struct {
			wanted int
			id     model.EventID
			sameAnswer
		}
		columns := func(o *stored) []any {
			return []any{&o.wanted, (*idColumn)(&o.id), &o.session, (*timeColumn)(&o.start)}
		}
		near := stretches("requests", "id, session_id, start, url, answer_trace_id, answer_response_id", merged(ranges))
		found, err := collect(ctx, q, columns, strings.ReplaceAll(sqlWorkAnswers, "/*near*/", near), traces, responses, sessions, urls)
		if err != nil {
			return err
		}
		for _, o := range found {
			o.sameAnswer.id = o.id
			same[at[o.wanted]] = append(same[at[o.wanted]], o.sameAnswer)
		}
	}
	for i, all := range same {
		evidence[i].SameAnswer = firstOf(all)
	}
	return nil
}

// firstOf sums requests up that got the same answer.
func firstOf(all []sameAnswer) *model.SameAnswer {
	sessions := map[string]bool{}
	first := all[0]
	for _, a := range all {
		sessions[a.session] = true
		if cmp.Or(a.start.Compare(first.start), cmp.Compare(number(a.id), number(first.id))) < 0 {
			first = a
		}
	}
	return &model.SameAnswer{RequestID: first.id, SessionID: first.session, Start: first.start, Sessions: min(len(sessions), maxOtherSessions)}
}

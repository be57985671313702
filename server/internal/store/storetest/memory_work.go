package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Watermark implements store.Linker.
func (m *Memory) Watermark(ctx context.Context) (store.Watermark, error) {
	if err := m.enter(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	return m.watermark, nil
}

// Work implements store.Linker.
func (m *Memory) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	if limit < 1 || maxSpans < 0 {
		return store.Work{}, fmt.Errorf("storetest: a portion of %d requests with %d spans; at least 1 and 0 are needed", limit, maxSpans)
	}
	if err := m.enter(ctx); err != nil {
		return store.Work{}, err
	}
	defer m.mu.Unlock()
	due := m.due(now)
	room := limit - min(len(due), limit/4)

	// Each request goes with the last write that concerns it, and each write goes whole.
	byWrite := map[store.Watermark][]*requestRow{}
	for _, r := range m.requests {
		if cause := m.lastCause(r); cause > after {
			byWrite[cause] = append(byWrite[cause], r)
		}
	}
	w := store.Work{Next: max(after, m.writes)}
	var portion []*requestRow
	reached := after
	for _, cause := range slices.Sorted(maps.Keys(byWrite)) {
		if len(portion) > 0 && len(portion)+len(byWrite[cause]) > room {
			w.More, w.Next = true, reached
			break
		}
		portion, reached = append(portion, byWrite[cause]...), cause
	}

	// What is due fills the portion, and has its quarter even where writes fill it.
	offered := map[*requestRow]bool{}
	for _, r := range portion {
		offered[r] = true
	}
	due = slices.DeleteFunc(due, func(r *requestRow) bool { return offered[r] })
	fits := min(len(due), max(limit-len(portion), limit/4))
	w.More = w.More || fits < len(due)
	for _, r := range append(portion, due[:fits]...) {
		w.Evidence = append(w.Evidence, m.evidence(r, maxSpans))
	}
	return w, nil
}

// due returns the requests whose verdict is due, the longest overdue first.
func (m *Memory) due(now time.Time) []*requestRow {
	var due []*requestRow
	for _, r := range m.requests {
		if l := &r.Link; !l.Final && !l.Due.IsZero() && !l.Due.After(now) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *requestRow) int { return a.Link.Due.Compare(b.Link.Due) })
	return due
}

// lastCause returns the last write that made the request want a verdict.
func (m *Memory) lastCause(r *requestRow) store.Watermark {
	cause := r.write
	if r.Link.Final {
		return cause
	}
	for _, id := range [...]tracecontext.TraceID{r.Sent.TraceID, r.Answer.TraceID, r.Link.Joined.TraceID} {
		for _, s := range m.index.byTrace[id] { // which holds none of no trace
			cause = max(cause, s.write)
		}
	}
	for _, s := range m.index.byDtr[r.Sent.SpanID] {
		cause = max(cause, s.write)
	}
	if r.Link.Reason == model.BackendNotInstrumented {
		if h := m.hosts[r.Host]; h != nil {
			cause = max(cause, h.first)
		}
	}
	return cause
}

// factsOf returns what a verdict needs to know of a span.
func factsOf(s *model.Span) model.SpanFacts {
	return model.SpanFacts{
		SpanContext:  contextOf(s),
		ParentSpanID: s.ParentSpanID,
		Kind:         s.Kind,
		Flags:        s.Flags,
		Start:        s.Start,
		Duration:     s.Duration,
		Service:      s.Service,
		Route:        s.Route,
		Entry:        s.Entry,
		Via:          s.Via,
		DtrState:     s.DtrState,
		Dtr:          s.Dtr,
	}
}

// Evidence implements store.Reader.
func (m *Memory) Evidence(ctx context.Context, id model.EventID, maxSpans int) (model.Evidence, error) {
	if err := store.CheckAtLeast(maxSpans, 0); err != nil {
		return model.Evidence{}, err
	}
	if err := m.enter(ctx); err != nil {
		return model.Evidence{}, err
	}
	defer m.mu.Unlock()
	r := m.index.requests[id]
	if r == nil {
		return model.Evidence{}, store.ErrNotFound
	}
	return m.evidence(r, maxSpans), nil
}

func (m *Memory) evidence(r *requestRow, maxSpans int) model.Evidence {
	own := r.TraceContext().TraceID
	e := model.Evidence{
		Request: cloneRequest(r.RequestEvent), Row: r.place, JudgedAt: r.Link.JudgedAt, Due: r.Link.Due,
		Trace:      traceFacts(r, m.index.byTrace[own], maxSpans),
		SameAnswer: m.sameAnswer(r),
	}
	if answer := r.Answer.TraceID; answer != own {
		e.AnswerTrace = traceFacts(r, m.index.byTrace[answer], maxSpans)
	}
	for _, s := range slices.SortedFunc(slices.Values(m.index.byDtr[r.Sent.SpanID]), compareSpans) {
		if s.TraceID != own && len(e.ByDtr) < maxSpans {
			e.ByDtr = append(e.ByDtr, factsOf(&s.Span))
		}
	}
	if h := m.hosts[r.Host]; h != nil {
		e.HostSeen, e.HostServices = true, names(h.services, model.MaxHostServices)
	}
	return e
}

// traceFacts returns the first spans of a trace, and as many of those beyond them
// whose parent is the request's or that Server-Timing named.
func traceFacts(r *requestRow, spans []*spanRow, maxSpans int) []model.SpanFacts {
	var all []model.SpanFacts
	beyond := 0
	for i, s := range slices.SortedFunc(slices.Values(spans), compareSpans) {
		if i >= maxSpans {
			child := !r.Sent.SpanID.IsZero() && s.ParentSpanID == r.Sent.SpanID
			if !child && contextOf(&s.Span) != r.Answer.SpanContext || beyond == maxSpans {
				continue
			}
			beyond++
		}
		all = append(all, factsOf(&s.Span))
	}
	return all
}

// maxOtherSessions bounds SameAnswer.Sessions.
const maxOtherSessions = 100

// sameAnswer looks for requests of other sessions that got the same answer.
func (m *Memory) sameAnswer(r *requestRow) *model.SameAnswer {
	if r.SessionID == "" {
		return nil
	}
	same := slices.Clone(m.index.byAnswer[r.Answer.TraceID])
	if id := r.Answer.ResponseID; id != nil {
		for _, other := range m.index.byResponse[*id] {
			if other.URL == r.URL {
				same = append(same, other)
			}
		}
	}
	sessions := map[string]bool{}
	var first *requestRow
	for _, other := range same {
		if other.SessionID == "" || other.SessionID == r.SessionID {
			continue
		}
		sessions[other.SessionID] = true
		if first == nil || comparePlaces(requestPlace(&other), requestPlace(&first)) < 0 {
			first = other
		}
	}
	if first == nil {
		return nil
	}
	return &model.SameAnswer{
		RequestID: first.ID, SessionID: first.SessionID, Start: first.Start, Sessions: min(len(sessions), maxOtherSessions),
	}
}

// PutLinks implements store.Linker.
func (m *Memory) PutLinks(ctx context.Context, links []model.Link, next store.Watermark) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, l := range links {
		r := m.index.requests[l.RequestID]
		if r != nil && !l.JudgedAt.Before(r.Link.JudgedAt) {
			l.Row = 0
			r.Link = l
		}
	}
	m.watermark = next
	return nil
}

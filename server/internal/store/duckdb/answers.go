package duckdb

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// maxOtherSessions bounds SameAnswer.Sessions.
const maxOtherSessions = 100

// sameAnswer is a request that got an answer which others may have got too.
type sameAnswer struct {
	id      model.EventID
	session string
	start   time.Time
}

// before reports whether a request comes before another one by start, then id.
func (a *sameAnswer) before(b *sameAnswer) bool {
	return cmp.Or(a.start.Compare(b.start), cmp.Compare(number(a.id), number(b.id))) < 0
}

// answerSum sums up who got one answer, in bounded memory however many did: the first request, the first one of another
// session than that, and the sessions up to some more than are told.
type answerSum struct {
	first, second sameAnswer // no session: none
	sessions      map[string]bool
}

func (s *answerSum) add(a sameAnswer) {
	switch {
	case s.first.session == "":
		s.first = a
	case a.before(&s.first):
		if a.session != s.first.session {
			s.second = s.first
		}
		s.first = a
	case a.session != s.first.session && (s.second.session == "" || a.before(&s.second)):
		s.second = a
	}
	if s.sessions == nil {
		s.sessions = map[string]bool{}
	}
	if len(s.sessions) < maxOtherSessions+2 {
		s.sessions[a.session] = true
	}
}

// others returns the first request of another session than the given one; nil where there is none.
func (s *answerSum) others(session string) *sameAnswer {
	for _, a := range []*sameAnswer{&s.first, &s.second} {
		if a.session != "" && a.session != session {
			return a
		}
	}
	return nil
}

// answerKey is what an answer has of its own: its trace id, or its response id with the URL.
type answerKey struct {
	trace    tracecontext.TraceID // zero: by response id
	response int32
	url      string
}

// inDirectory is the key as the directory has it.
func (k *answerKey) inDirectory() key {
	if !k.trace.IsZero() {
		return answerTraceKey(k.trace)
	}
	return responseKey(k.response, k.url)
}

// answersOf returns the keys of the answer that a request got.
func answersOf(r *model.RequestEvent) []answerKey {
	keys := make([]answerKey, 0, 2)
	if !r.Answer.TraceID.IsZero() {
		keys = append(keys, answerKey{trace: r.Answer.TraceID})
	}
	if id := r.Answer.ResponseID; id != nil {
		keys = append(keys, answerKey{response: *id, url: r.URL})
	}
	return keys
}

// addSameAnswers adds which requests of other sessions got the same answer. Most answers came once, which the directory knows; of
// the others each is looked at once, however many requests of the portion got it.
func (s *Store) addSameAnswers(ctx context.Context, q querier, v *view, evidence []model.Evidence, _ int) error {
	sums := map[answerKey]*answerSum{}
	d := s.lookup()
	for i := range evidence {
		r := &evidence[i].Request
		if r.SessionID == "" {
			continue
		}
		for _, k := range answersOf(r) {
			if d.isShared(k.inDirectory()) && sums[k] == nil {
				sums[k] = new(answerSum)
				sumUp(sums[k], v, k)
			}
		}
	}
	if len(sums) == 0 {
		return nil
	}
	if err := s.sumStored(ctx, q, v, sums); err != nil {
		return err
	}
	for i := range evidence {
		if r := &evidence[i].Request; r.SessionID != "" {
			evidence[i].SameAnswer = united(r, sums)
		}
	}
	return nil
}

// sumUp sums up what memory has of an answer.
func sumUp(sum *answerSum, v *view, k answerKey) {
	if !k.trace.IsZero() {
		v.answered(sum, func(g *generation) iter.Seq[*recentRequest] { return g.ofTrace(k.trace) },
			func(e *model.RequestEvent) bool { return e.Answer.TraceID == k.trace })
		return
	}
	v.answered(sum, func(g *generation) iter.Seq[*recentRequest] { return g.ofResponse(k.response) },
		func(e *model.RequestEvent) bool { return e.URL == k.url })
}

// sumStored adds what the tables have of answers before what is in memory.
func (s *Store) sumStored(ctx context.Context, q querier, v *view, sums map[answerKey]*answerSum) error {
	const noResponse = 1 << 40 // what no response id is
	var asked []*answerSum
	var traces, urls []string
	var responses []int64
	var ranges []seqRange
	d := s.lookup()
	for k, sum := range sums {
		trace, response := "", int64(k.response)
		if !k.trace.IsZero() {
			trace, response = k.trace.String(), noResponse
		}
		older := d.findBefore(v.from, k.inDirectory())
		if len(older) == 0 {
			continue
		}
		ranges = append(ranges, older...)
		asked, traces, responses, urls = append(asked, sum), append(traces, trace), append(responses, response), append(urls, k.url)
	}
	if len(asked) == 0 {
		return nil
	}
	type stored struct {
		asked int
		sameAnswer
	}
	columns := func(o *stored) []any {
		return []any{&o.asked, (*idColumn)(&o.id), &o.session, (*timeColumn)(&o.start)}
	}
	near := stretches("requests", "id, session_id, start, url, "+sqlAnswerTrace+" AS answer_trace_id, answer_response_id", merged(ranges))
	found, err := collect(ctx, q, columns, strings.ReplaceAll(sqlWorkAnswers, "/*near*/", near), traces, responses, urls, maxOtherSessions+2)
	for _, o := range found {
		asked[o.asked].add(o.sameAnswer)
	}
	return err
}

// united returns what the answers of a request say together.
func united(r *model.RequestEvent, sums map[answerKey]*answerSum) *model.SameAnswer {
	var first *sameAnswer
	var sessions map[string]bool
	for _, k := range answersOf(r) {
		sum := sums[k]
		if sum == nil {
			continue
		}
		if sessions == nil {
			sessions = map[string]bool{}
		}
		if o := sum.others(r.SessionID); o != nil && (first == nil || o.before(first)) {
			first = o
		}
		for session := range sum.sessions {
			if session != r.SessionID {
				sessions[session] = true
			}
		}
	}
	if first == nil {
		return nil
	}
	return &model.SameAnswer{RequestID: first.id, SessionID: first.session, Start: first.start, Sessions: min(len(sessions), maxOtherSessions)}
}

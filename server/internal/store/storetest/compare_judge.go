package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// maxPortions bounds the portions of one round.
const maxPortions = 1000

// round lets both sides do all the work that there is, in portions of their own
// making, and compares which requests were offered and with what evidence.
func (w *world) round() question {
	w.now = w.now.Add(time.Duration(w.IntN(200)) * time.Second)
	now, limit, maxSpans := w.now, 1+w.IntN(60), pick(w, 0, 1, 3, 10, 1000)
	text := fmt.Sprintf("judging at %v in portions of %d, %d spans each", now, limit, maxSpans)
	return question{text: text, ask: func(ctx context.Context, s *side) (any, error) {
		offered := map[model.EventID]model.Evidence{}
		for range maxPortions {
			after, err := s.st.Watermark(ctx)
			if err != nil {
				return nil, err
			}
			work, err := s.st.Work(ctx, after, now, limit, maxSpans)
			if err != nil {
				return nil, err
			}
			var links []model.Link
			for _, e := range work.Evidence {
				if _, again := offered[e.Request.ID]; !again {
					offered[e.Request.ID] = e
				}
				l := judge(&e, now)
				links = append(links, l)
				if e.JudgedAt.After(now) {
					links[len(links)-1].JudgedAt = e.JudgedAt
				}
			}
			if err := s.st.PutLinks(ctx, links, work.Next); err != nil {
				return nil, err
			}
			if !work.More {
				return byID(offered), nil
			}
		}
		return nil, errors.New("the walk does not end")
	}}
}

func byID(offered map[model.EventID]model.Evidence) []model.Evidence {
	return slices.SortedFunc(maps.Values(offered), func(a, b model.Evidence) int {
		return bytes.Compare(a.Request.ID[:], b.Request.ID[:])
	})
}

// judge gives verdicts that differ wherever evidence does. It looks at the evidence
// alone, so that equal evidence gives equal links.
func judge(e *model.Evidence, now time.Time) model.Link {
	luck := int(e.Request.ID[7])
	l := model.Link{RequestID: e.Request.ID, Row: e.Row, JudgedAt: now}
	joined := func(s *model.SpanFacts, status model.LinkStatus, reason model.LinkReason) {
		l.Status, l.Reason, l.Joined, l.Final = status, reason, s.SpanContext, luck%3 == 0
		l.Entry = model.EntryFacts{Service: s.Service, Route: s.Route}
		if s.Entry {
			l.Entry.Start, l.Entry.Duration = s.Start, s.Duration
		}
	}
	switch {
	case len(e.Trace) > 0:
		joined(&e.Trace[len(e.Trace)-1], model.Linked, model.Exact)
	case len(e.ByDtr) > 0:
		joined(&e.ByDtr[0], model.Partial, model.TraceRestarted)
	case len(e.AnswerTrace) > 0:
		joined(&e.AnswerTrace[0], model.Partial, model.TraceparentDropped)
	case !e.HostSeen:
		l.Status, l.Reason = model.Unlinked, model.BackendNotInstrumented
	case luck%3 == 0:
		l.Status, l.Due = model.Pending, now.Add(time.Duration(1+luck)*time.Second)
	case luck%3 == 1:
		l.Status, l.Reason, l.Final = model.NotApplicable, model.ServedFromCache, true
	default:
		l.Status, l.Reason = model.Unlinked, model.SpansMissing
	}
	l.Detail = strings.Join(e.HostServices, ",")
	if e.SameAnswer != nil {
		l.Detail = e.SameAnswer.RequestID.String()
	}
	return l
}

// verdicts stores links of any kind, also of requests that are not stored, several
// for one, and some judged before or after those that are.
func (w *world) verdicts() question {
	links := make([]model.Link, w.IntN(20))
	for i := range links {
		links[i] = model.Link{
			RequestID: w.id(), JudgedAt: w.now.Add(time.Duration(w.IntN(5)-2) * time.Minute),
			Verdict: model.Verdict{
				Status: pick(w, model.Linked, model.Partial, model.Unlinked, model.NotApplicable, model.Pending),
				Reason: pick(w, model.Exact, model.BackendNotInstrumented, model.NotSampled, ""),
				Detail: pick(w, texts...), Final: w.IntN(4) == 0, Due: often(w, 2, w.now.Add(time.Duration(w.IntN(400)-200)*time.Second)),
			},
		}
		if w.IntN(2) == 0 {
			links[i].Joined = model.SpanContext{TraceID: w.traceID(), SpanID: w.spanID()}
			links[i].Entry = model.EntryFacts{
				Service: pick(w, serviceNames...), Route: pick(w, routes...), Start: often(w, 3, w.time()), Duration: w.duration(),
			}
		}
	}
	text := fmt.Sprintf("PutLinks of %+v", links)
	return question{text: text, ask: func(ctx context.Context, s *side) (any, error) {
		at, err := s.st.Watermark(ctx)
		if err != nil {
			return nil, err
		}
		return nil, s.st.PutLinks(ctx, slices.Clone(links), at)
	}}
}

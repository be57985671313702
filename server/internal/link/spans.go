package link

import (
	"bytes"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// spans is a trace as the verdict sees it.
type spans struct {
	all  []model.SpanFacts
	byID map[tracecontext.SpanID]*model.SpanFacts
}

func newSpans(all []model.SpanFacts) spans {
	byID := make(map[tracecontext.SpanID]*model.SpanFacts, len(all))
	for i := range all {
		byID[all[i].SpanID] = &all[i]
	}
	return spans{all, byID}
}

// answersRequests selects the kinds of spans with which a backend answers.
func answersRequests(s *model.SpanFacts) bool {
	return s.Kind == model.SpanServer || s.Kind == model.SpanConsumer
}

// isEntry selects spans with which a backend answers a request from outside: the
// flags say that the parent is remote, or do not tell (linking contract, section 5).
func isEntry(s *model.SpanFacts) bool {
	known, remote := s.Flags&model.SpanFlagRemoteKnown != 0, s.Flags&model.SpanFlagRemote != 0
	return answersRequests(s) && (remote || !known || s.ParentSpanID.IsZero())
}

func anyKind(*model.SpanFacts) bool { return true }

// before orders spans by start, equal starts by id, so that a verdict does not
// hang on the order in which spans arrived.
func before(a, b *model.SpanFacts) bool {
	if !a.Start.Equal(b.Start) {
		return a.Start.Before(b.Start)
	}
	return bytes.Compare(a.SpanID[:], b.SpanID[:]) < 0
}

// earliest returns the first span of a kind; nil where there is none.
func earliest(all []model.SpanFacts, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	var first *model.SpanFacts
	for i := range all {
		if s := &all[i]; kind(s) && (first == nil || before(s, first)) {
			first = s
		}
	}
	return first
}

// childOf returns the earliest span of a kind whose parent is the given one; nil
// where there is none.
func (t spans) childOf(parent tracecontext.SpanID, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	if parent.IsZero() { // a root is nobody's child
		return nil
	}
	return earliest(t.all, func(s *model.SpanFacts) bool { return s.ParentSpanID == parent && kind(s) })
}

// descendantOf returns the span of a kind that is the fewest recorded spans below an
// ancestor, the earliest of those; nil where there is none.
func (t spans) descendantOf(ancestor tracecontext.SpanID, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	var nearest *model.SpanFacts
	fewest := 0
	for i := range t.all {
		s := &t.all[i]
		if !kind(s) {
			continue
		}
		steps, leads := t.stepsTo(ancestor, s)
		if leads && (nearest == nil || steps < fewest || steps == fewest && before(s, nearest)) {
			nearest, fewest = s, steps
		}
	}
	return nearest
}

// maxSteps bounds the way up from a span. No real chain of hops before an entry
// span is near as long, and hostile spans form cycles.
const maxSteps = 64

// stepsTo counts the recorded spans between a span and an ancestor of it.
func (t spans) stepsTo(ancestor tracecontext.SpanID, s *model.SpanFacts) (steps int, leads bool) {
	for ; s != nil && steps <= maxSteps; steps++ {
		if s.ParentSpanID == ancestor && !ancestor.IsZero() {
			return steps, true
		}
		s = t.byID[s.ParentSpanID]
	}
	return 0, false
}

// top returns the earliest span of a kind whose parent nobody recorded and for
// which also holds; nil where there is none.
func (t spans) top(kind, also func(*model.SpanFacts) bool) *model.SpanFacts {
	return earliest(t.all, func(s *model.SpanFacts) bool {
		return kind(s) && also(s) && t.byID[s.ParentSpanID] == nil
	})
}

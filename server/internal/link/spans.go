package link

import (
	"bytes"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// spans is a trace as the verdict sees it. It looks at all of them for each question
// while they are few, and asks its index once there is one.
type spans struct {
	all   []model.SpanFacts
	index *index
}

// fewSpans is up to how many spans an index costs more than it spares.
const fewSpans = 32

// index finds spans by their place in the tree. Numbers are places in the list of all
// spans.
type index struct {
	byID  map[tracecontext.SpanID]int32
	first map[tracecontext.SpanID]int32 // by parent: one of its children
	next  []int32                       // by child: the next one of the same parent; noSpan: none
	tops  []int32                       // those whose parent nobody recorded
}

const noSpan int32 = -1

func newIndex(all []model.SpanFacts) *index {
	x := &index{
		byID:  make(map[tracecontext.SpanID]int32, len(all)),
		first: make(map[tracecontext.SpanID]int32, len(all)),
		next:  make([]int32, len(all)),
	}
	for i := range all {
		x.byID[all[i].SpanID] = int32(i)
	}
	for i := range all {
		parent := all[i].ParentSpanID
		x.next[i] = noSpan
		if sibling, ok := x.first[parent]; ok {
			x.next[i] = sibling
		}
		x.first[parent] = int32(i)
		if _, recorded := x.byID[parent]; !recorded {
			x.tops = append(x.tops, int32(i))
		}
	}
	return x
}

// prepare makes the index, where the spans are many.
func (t *spans) prepare() {
	if t.index == nil && len(t.all) > fewSpans {
		t.index = newIndex(t.all)
	}
}

// find returns the span with an id; nil where there is none.
func (t *spans) find(id tracecontext.SpanID) *model.SpanFacts {
	if id.IsZero() {
		return nil
	}
	if t.index != nil {
		if i, ok := t.index.byID[id]; ok {
			return &t.all[i]
		}
		return nil
	}
	for i := range t.all {
		if t.all[i].SpanID == id {
			return &t.all[i]
		}
	}
	return nil
}

// children calls yield for each span whose parent is the given one.
func (t *spans) children(parent tracecontext.SpanID, yield func(*model.SpanFacts)) {
	if parent.IsZero() { // a root is nobody's child
		return
	}
	if t.index == nil {
		for i := range t.all {
			if t.all[i].ParentSpanID == parent {
				yield(&t.all[i])
			}
		}
		return
	}
	i, ok := t.index.first[parent]
	if !ok {
		return
	}
	for ; i != noSpan; i = t.index.next[i] {
		yield(&t.all[i])
	}
}

// childOf returns the earliest span of a kind whose parent is the given one; nil
// where there is none.
func (t *spans) childOf(parent tracecontext.SpanID, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	var first *model.SpanFacts
	t.children(parent, func(s *model.SpanFacts) {
		if (first == nil || before(s, first)) && kind(s) {
			first = s
		}
	})
	return first
}

// maxSteps bounds the way down from a request. No real chain of hops before an entry
// span is near as long.
const maxSteps = 64

// descendantOf returns the span of a kind that is the fewest recorded spans below an
// ancestor, the earliest of those; nil where there is none.
func (t *spans) descendantOf(ancestor tracecontext.SpanID, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	if t.childOf(ancestor, anyKind) == nil {
		return nil
	}
	t.prepare()
	var nearest *model.SpanFacts
	level := []tracecontext.SpanID{ancestor}
	for steps, met := 0, 0; nearest == nil && len(level) > 0 && steps <= maxSteps; steps++ {
		var below []tracecontext.SpanID
		for _, parent := range level {
			t.children(parent, func(s *model.SpanFacts) {
				if met++; met > len(t.all) { // ids that occur twice could lead on and on
					return
				}
				if kind(s) && (nearest == nil || before(s, nearest)) {
					nearest = s
				}
				if s.SpanID != ancestor { // hostile spans form cycles, and all that are met here lead through it
					below = append(below, s.SpanID)
				}
			})
		}
		level = below
	}
	return nearest
}

// ancestorOf returns the nearest recorded span above s for which a condition holds, up to the
// request that sent the given id; nil where there is none.
func (t *spans) ancestorOf(s *model.SpanFacts, request tracecontext.SpanID, holds func(*model.SpanFacts) bool) *model.SpanFacts {
	for range maxSteps {
		if s.ParentSpanID == request {
			return nil
		}
		if s = t.find(s.ParentSpanID); s == nil || holds(s) {
			return s
		}
	}
	return nil
}

// top returns the earliest span of a kind whose parent nobody recorded and for
// which also holds; nil where there is none.
func (t *spans) top(kind, also func(*model.SpanFacts) bool) *model.SpanFacts {
	t.prepare()
	var first *model.SpanFacts
	look := func(s *model.SpanFacts) {
		if (first == nil || before(s, first)) && kind(s) && also(s) {
			first = s
		}
	}
	if t.index != nil {
		for _, i := range t.index.tops {
			look(&t.all[i])
		}
		return first
	}
	for i := range t.all {
		if s := &t.all[i]; t.find(s.ParentSpanID) == nil {
			look(s)
		}
	}
	return first
}

// earliest returns the first span of a kind; nil where there is none.
func earliest(all []model.SpanFacts, kind func(*model.SpanFacts) bool) *model.SpanFacts {
	var first *model.SpanFacts
	for i := range all {
		if s := &all[i]; (first == nil || before(s, first)) && kind(s) {
			first = s
		}
	}
	return first
}

// before orders spans by start, equal starts by id, so that a verdict does not
// hang on the order in which spans arrived.
func before(a, b *model.SpanFacts) bool {
	if !a.Start.Equal(b.Start) {
		return a.Start.Before(b.Start)
	}
	return bytes.Compare(a.SpanID[:], b.SpanID[:]) < 0
}

// takesIn selects spans with which a service takes a request in: SERVER and CONSUMER spans, and
// those of which ingest found out that their parent is remote, whatever an older or
// hand-written instrumentation calls them. A span that calls out is none: it is a hop.
func takesIn(s *model.SpanFacts) bool {
	switch s.Kind {
	case model.SpanServer, model.SpanConsumer:
		return true
	case model.SpanClient, model.SpanProducer:
		return false
	default:
		return s.Entry
	}
}

// isEntry selects spans with which a backend answers a request from outside: the
// flags say that the parent is remote, or do not tell (linking contract, section 5).
func isEntry(s *model.SpanFacts) bool {
	known, remote := s.Flags&model.SpanFlagRemoteKnown != 0, s.Flags&model.SpanFlagRemote != 0
	return takesIn(s) && (remote || !known || s.ParentSpanID.IsZero())
}

func anyKind(*model.SpanFacts) bool { return true }

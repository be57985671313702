package query

import (
	"cmp"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// node is a row of a waterfall before it has its place.
type node struct {
	request  *model.LinkedRequest // exactly one of request and span is set
	clock    *Clock               // of a request: what its times were corrected by
	span     *model.Span
	start    time.Time
	entry    *model.Span // of a request: the span that answered it
	answers  bool        // of a span: it answered a request
	children []*node
	child    bool // has a parent among the nodes
	placed   bool
}

// waterfall lays out requests and spans of one trace: each request as a root,
// the spans that answered it below, spans that belong to no request as roots of
// their own.
func waterfall(id tracecontext.TraceID, requests []model.LinkedRequest, spans []model.Span) Trace {
	t := Trace{TraceID: traceIDText(id), Rows: []Row{}}
	if len(spans) > MaxTraceSpans {
		spans, t.Truncated = spans[:MaxTraceSpans], true
	}
	nodes := grow(id, requests, spans)
	if len(nodes) == 0 {
		return t
	}
	first := slices.MinFunc(nodes, byStart)
	t.StartTime = first.start.UTC()
	t.Clock = commonClock(nodes)

	var end time.Duration
	t.Rows = make([]Row, 0, len(nodes))
	place := func(root *node) {
		for _, p := range depthFirst(root) {
			row := p.node.row(t.StartTime, p.depth, p.parent)
			t.Rows = append(t.Rows, row)
			end = max(end, p.node.end().Sub(t.StartTime))
		}
	}
	for _, n := range nodes {
		if !n.child {
			place(n)
		}
	}
	for _, n := range nodes { // what is left hangs in a circle of parents
		if !n.placed {
			place(n)
		}
	}
	t.DurationMs = milliseconds(end)
	return t
}

// grow makes a node of every request and span and ties them together.
func grow(id tracecontext.TraceID, requests []model.LinkedRequest, spans []model.Span) []*node {
	nodes := make([]*node, 0, len(requests)+len(spans))
	byID := make(map[tracecontext.SpanID]*node, len(spans))
	for i := range spans {
		n := &node{span: &spans[i], start: spans[i].Start}
		nodes = append(nodes, n)
		byID[spans[i].SpanID] = n
	}
	bySent := make(map[tracecontext.SpanID]*node, len(requests))
	var anyOf *node // joined to the trace as a whole, entry span not known
	adopt := func(parent, child *node) {
		if !child.child && child != parent {
			child.child = true
			parent.children = append(parent.children, child)
		}
	}
	for _, r := range requests { // each a copy, which may be moved
		n := &node{request: &r}
		nodes = append(nodes, n)
		if r.Sent.TraceID == id && !r.Sent.SpanID.IsZero() {
			bySent[r.Sent.SpanID] = n
		}
		var moved time.Duration
		if entry := byID[r.Link.Joined.SpanID]; entry != nil {
			n.entry, entry.answers = entry.span, true
			adopt(n, topmost(byID, entry)) // an intermediary's spans stand between the two
			moved = fit(&r, entry.span)
		} else if r.Link.Joined.TraceID == id && anyOf == nil {
			anyOf = n
		}
		n.clock = newClock(r.Clock, moved)
		r.Start = r.Start.Add(moved)
		n.start = r.Start
	}
	slices.SortStableFunc(nodes, byStart)
	for _, n := range nodes {
		if n.span == nil {
			continue
		}
		parent := byID[n.span.ParentSpanID]
		if parent == nil {
			parent = bySent[n.span.ParentSpanID]
		}
		if parent == nil {
			parent = anyOf
		}
		if parent != nil {
			adopt(parent, n)
		}
	}
	return nodes
}

// topmost returns the farthest recorded ancestor of a span's node, itself where it has
// none, and where its ancestors form a circle.
func topmost(byID map[tracecontext.SpanID]*node, n *node) *node {
	top := n
	for range byID {
		parent := byID[top.span.ParentSpanID]
		if parent == nil {
			return top
		}
		top = parent
	}
	return n
}

func byStart(a, b *node) int {
	return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.id(), b.id()))
}

// placement is a node's place in the order of rows.
type placement struct {
	node   *node
	depth  int
	parent string
}

// depthFirst lists root and what hangs below it, each node once, without
// recursion: a trace may be as deep as it has spans.
func depthFirst(root *node) []placement {
	var out []placement
	stack := []placement{{node: root}}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if p.node.placed {
			continue
		}
		p.node.placed = true
		out = append(out, p)
		slices.SortStableFunc(p.node.children, byStart)
		for _, c := range slices.Backward(p.node.children) {
			stack = append(stack, placement{node: c, depth: p.depth + 1, parent: p.node.id()})
		}
	}
	return out
}

func (n *node) id() string {
	if n.request != nil {
		return n.request.ID.String()
	}
	return n.span.SpanID.String()
}

func (n *node) end() time.Time {
	if n.request != nil {
		return n.start.Add(n.request.Duration)
	}
	return n.start.Add(n.span.Duration)
}

func (n *node) row(origin time.Time, depth int, parent string) Row {
	row := Row{
		ID:         n.id(),
		ParentID:   parent,
		Depth:      depth,
		StartMs:    milliseconds(n.start.Sub(origin)),
		DurationMs: milliseconds(n.end().Sub(n.start)),
	}
	if r := n.request; r != nil {
		row.Type = "request"
		row.Name = r.Method + " " + r.URL
		row.Error = string(r.Error)
		row.Clock = n.clock
		row.Phases = phases(r, n.entry, origin)
		return row
	}
	s := n.span
	row.Type = "span"
	row.Name = s.Name
	row.Service = s.Service
	row.Kind = spanKindText(s.Kind)
	row.Entry = n.answers
	row.Attributes = Attributes(s.Attributes)
	row.Resource = Attributes(s.Resource)
	if s.StatusCode == statusError {
		row.Error = cmp.Or(s.StatusMessage, "error")
	}
	for _, e := range s.Events {
		row.Events = append(row.Events, RowEvent{Name: e.Name, StartMs: milliseconds(e.Time.Sub(origin)), Attributes: Attributes(e.Attributes)})
	}
	return row
}

// statusError is OTLP's status code for a span that failed.
const statusError = 2

// commonClock returns the correction that all requests have; nil where they differ,
// and where there is none.
func commonClock(nodes []*node) *Clock {
	var common *Clock
	for _, n := range nodes {
		switch {
		case n.clock == nil:
		case common == nil:
			common = n.clock
		case *common != *n.clock:
			return nil
		}
	}
	return common
}

// newClock tells a request's correction, and by how much fit moved it.
func newClock(c model.Clock, by time.Duration) *Clock {
	return &Clock{
		OffsetMs: milliseconds(c.Offset + by), UncertaintyMs: milliseconds(c.Uncertainty), Source: string(c.Source), Fitted: by != 0,
	}
}

// fit returns by how much to move a request so that its entry span began after the
// request was sent and before its answer came. What order they had is certain, the
// clock's offset is not: but more than its uncertainty explains, nothing is moved.
func fit(r *model.LinkedRequest, entry *model.Span) time.Duration {
	if r.Clock.Source != model.ClockServerTiming || r.Timing.RequestStart == 0 || r.Timing.ResponseStart < r.Timing.RequestStart {
		return 0
	}
	began := entry.Start.Sub(r.Start)
	by := min(0, began-r.Timing.RequestStart) + max(0, began-r.Timing.ResponseStart)
	if by.Abs() > r.Clock.Uncertainty {
		return 0
	}
	return by
}

func spanKindText(k model.SpanKind) string {
	switch k {
	case model.SpanInternal:
		return "internal"
	case model.SpanServer:
		return "server"
	case model.SpanClient:
		return "client"
	case model.SpanProducer:
		return "producer"
	case model.SpanConsumer:
		return "consumer"
	default:
		return "unspecified"
	}
}

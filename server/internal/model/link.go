package model

import (
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// LinkStatus says what became of the link between a request event and its
// backend trace (linking contract, section 6).
type LinkStatus string

// The statuses of a link.
const (
	Linked        LinkStatus = "linked"
	Partial       LinkStatus = "partial"
	Unlinked      LinkStatus = "unlinked"
	NotApplicable LinkStatus = "not_applicable"
	Pending       LinkStatus = "pending"
)

// LinkReason says why a link has its status.
type LinkReason string

// The reasons, by status. A pending link has none.
const (
	Exact           LinkReason = "exact"
	ViaIntermediary LinkReason = "via_intermediary"
	ByServerTiming  LinkReason = "server_timing"

	TracestateLost     LinkReason = "tracestate_lost"
	TracestateAltered  LinkReason = "tracestate_altered"
	ParentRewritten    LinkReason = "parent_rewritten"
	TraceRestarted     LinkReason = "trace_restarted"
	TraceparentDropped LinkReason = "traceparent_dropped"

	NotPropagated          LinkReason = "not_propagated"
	NoServerTiming         LinkReason = "no_server_timing"
	NotSampled             LinkReason = "not_sampled"
	SpansMissing           LinkReason = "spans_missing"
	HeadersDropped         LinkReason = "headers_dropped"
	BackendNotInstrumented LinkReason = "backend_not_instrumented"

	ServedFromCache     LinkReason = "served_from_cache"
	ServedByWorker      LinkReason = "service_worker"
	RequestNeverSent    LinkReason = "never_sent"
	LinkReasonNone      LinkReason = ""
	LinkReasonUndefined LinkReason = "unknown" // a bug: no row of the table fits
)

// Verdict is the outcome for one request event.
type Verdict struct {
	Status LinkStatus
	Reason LinkReason
	Detail string      // the hint or fact that the reason rests on; may be empty
	Joined SpanContext // the backend's trace, and its entry span where found; zero where none
	// Final reports that no later span can better it; else the request is judged
	// again when spans arrive.
	Final bool
	// Due is when the verdict must be given again even if no span arrives: the end of
	// the wait. Zero: not by time alone.
	Due time.Time
}

// Link is a verdict as stored.
type Link struct {
	RequestID EventID
	// Row is Evidence.Row of the request; zero where the engine gave none.
	Row uint64
	Verdict
	JudgedAt time.Time
	Entry    EntryFacts // of the joined entry span; zero where it is not known
}

// EntryFacts is what a link keeps of its entry span, so that questions about many
// requests need no look at spans.
type EntryFacts struct {
	Service  string
	Route    string
	Start    time.Time // zero where the entry span is not stored
	Duration time.Duration
}

// LinkedRequest is a request event with its verdict. A request that was never
// judged has the status pending.
type LinkedRequest struct {
	RequestEvent
	Link Link
}

// SpanFacts is what a verdict needs to know of a span.
type SpanFacts struct {
	SpanContext
	ParentSpanID tracecontext.SpanID // zero: a root
	Kind         SpanKind
	Flags        uint32
	Start        time.Time
	Duration     time.Duration
	Service      string
	Route        string
	Entry        bool   // as of Span
	Via          string // as of Span
	DtrState     DtrState
	Dtr          Dtr
}

// Evidence is everything that bears on one request's verdict.
type Evidence struct {
	Request RequestEvent
	// Row names the request within the engine, for Link.Row; it means nothing elsewhere.
	Row uint64
	// Spans of the trace that the request carried or, where it carried none, of the
	// trace that Server-Timing named.
	Trace []SpanFacts
	// AnswerTrace: spans of the trace that Server-Timing named where it is another one.
	AnswerTrace []SpanFacts
	// ByDtr: SERVER spans of other traces whose dtr entry names the request's span id.
	ByDtr []SpanFacts
	// HostSeen reports whether any span was ever seen from the request's host.
	HostSeen bool
	// HostServices are the services that spans of the request's host ever named, in order; of more
	// than MaxHostServices any so many.
	HostServices []string
	// SameAnswer tells of requests of other sessions that were answered with the same Server-Timing trace id,
	// or with the same response id for the same URL: each answer has both of its own. Nil where there is none,
	// and where the request has no session; one without a session is of none. Response ids have 32 bits only, hence the URL.
	SameAnswer *SameAnswer
	// JudgedAt is when the verdict that is stored was given; zero where there is none.
	JudgedAt time.Time
	// Due is when a verdict is due by what is stored; zero: not by time alone.
	Due time.Time
}

// MaxHostServices bounds Evidence.HostServices.
const MaxHostServices = 16

// SameAnswer is the first request, by Start, then id, of another session whose answer bore the same ids.
type SameAnswer struct {
	RequestID EventID
	SessionID string
	Start     time.Time
	Sessions  int // how many other sessions, counted to at most 100
}

package model

import (
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// SpanKind is the kind of a span, with OTLP's numbers.
type SpanKind int8

// The kinds of spans, as numbered by OTLP.
const (
	SpanUnspecified SpanKind = 0
	SpanInternal    SpanKind = 1
	SpanServer      SpanKind = 2
	SpanClient      SpanKind = 3
	SpanProducer    SpanKind = 4
	SpanConsumer    SpanKind = 5
)

// Flags of a span as OTLP carries them: the low byte is the W3C trace flags,
// bit 8 says that bit 9 is meaningful, bit 9 says that the parent is remote.
const (
	SpanFlagSampled     uint32 = 0x001
	SpanFlagRemoteKnown uint32 = 0x100
	SpanFlagRemote      uint32 = 0x200
)

// DtrState says what became of our tracestate entry on the way to a span.
type DtrState string

// The states of the dtr entry on a span.
const (
	DtrAbsent  DtrState = ""        // no entry of our tenant
	DtrValid   DtrState = "valid"   // Dtr holds it
	DtrInvalid DtrState = "invalid" // an entry of our tenant that does not parse
)

// Dtr is the context of a real user's session that arrived at a span.
type Dtr struct {
	SpanID        tracecontext.SpanID
	Sampled       bool
	ApplicationID string
	InstanceID    string
	SessionID     string
}

// SpanEvent is something that happened at one moment of a span.
type SpanEvent struct {
	Name       string     `json:"name"`
	Time       time.Time  `json:"time"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Span is one OTLP span of a backend.
type Span struct {
	TraceID      tracecontext.TraceID
	SpanID       tracecontext.SpanID
	ParentSpanID tracecontext.SpanID // zero: a root
	Name         string
	Kind         SpanKind
	Flags        uint32
	Start        time.Time
	Duration     time.Duration
	Received     time.Time

	TraceState string
	DtrState   DtrState
	Dtr        Dtr

	Service       string // resource attribute service.name
	Scope         string // instrumentation scope's name
	StatusCode    int8   // 0 unset, 1 ok, 2 error
	StatusMessage string

	// Host is where an HTTP SERVER span, or an entry span that has no kind, answered: lower case, with
	// the port where it is not the scheme's default; empty for other spans. From server.address and
	// server.port, or their older names, the Host header or the URL.
	Host string

	// Entry reports that the span is one with which a service took a request in: of kind
	// SERVER or CONSUMER, with a parent that the flags say is remote, or a root of no kind or
	// INTERNAL with the attributes of an HTTP, RPC or messaging server.
	Entry bool
	// Route is the pattern of what was asked for, where the span names it: http.route,
	// "service/method" of an RPC, "operation destination" of a message; of a SERVER span without
	// one, the route in a name such as "GET /cart/{id}".
	Route string
	// HTTPStatus is the status code of an HTTP span; 0 where there is none.
	HTTPStatus int
	// Via names the intermediaries that the span's HTTP headers tell of, each once, separated by
	// ", ": the hops of the request's Via, nearest first; the names of headers that only intermediaries
	// set, such as x-forwarded-for; the hops of the answer's Via, and its Server. Empty where none are recorded.
	Via string

	Attributes Attributes
	Resource   Attributes
	Events     []SpanEvent
}

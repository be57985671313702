// Package beacon reads what the agents send home: one JSON object with the
// events of a page. Its format is specified in beacon.md; what a server makes
// of the events is no part of it.
package beacon

import (
	"math"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Version is the version of the format, the only one that Decode reads.
const Version = 1

// The limits of a beacon (beacon.md, "Limits and answers").
const (
	MaxBytes           = 1 << 20  // of a beacon
	MaxEvents          = 1000     // in a beacon
	MaxEventBytes      = 64 << 10 // of an event
	MaxDepth           = 8        // of nesting; the beacon itself is the first level
	MaxMembers         = 256      // names in one object
	MaxURLBytes        = 8192
	MaxStringBytes     = 4096     // of any other string that has a field of its own
	MaxAgentBytes      = 64       // of agent.name and agent.version
	MaxAttributes      = 64       // of an event
	MaxAttributeName   = 128      // bytes
	MaxAttributeBytes  = 4096     // of an attribute's value, as JSON
	MaxStackBytes      = 16 << 10 // of exception.stacktrace
	MaxActionNameBytes = 256
	MaxEventNameBytes  = 256  // of event.name
	MaxSharedBytes     = 1024 // of the beacon's own attributes, as one JSON object: MaxEvents copies are no more than MaxBytes
	MaxAttributeValues = 128  // within an attribute's value: its elements and members, all levels
	MaxAge             = 7 * 24 * time.Hour
	MaxAhead           = time.Hour
	MaxMethodBytes     = 32
	maxEpochMs         = 7_258_118_400_000 // 2200-01-01; keeps the difference of two times within a time.Duration
	maxSafeInteger     = 1<<53 - 1         // of a JSON number (RFC 8259, section 6)
	maxWebVital        = 1e12
	maxDroppedOfReason = 1_000_000_000
)

// Reason says why a beacon or an event was refused. The values are part of the format.
type Reason string

// The reasons to refuse a beacon whole.
const (
	Malformed      Reason = "malformed"       // not JSON, or not UTF-8
	UnknownVersion Reason = "unknown_version" // v is not Version
	BadEnvelope    Reason = "bad_envelope"    // a field beside the events is missing or wrong
)

// The reasons to leave an event out. TooLarge is also one to refuse a beacon whole.
const (
	BadEvent    Reason = "bad_event"    // not an object, or without a type
	UnknownType Reason = "unknown_type" // of an agent newer than this reader
	BadID       Reason = "bad_id"
	BadTime     Reason = "bad_time"
	BadURL      Reason = "bad_url"
	BadHint     Reason = "bad_hint"
	BadTrace    Reason = "bad_trace"
	BadField    Reason = "bad_field"
	TooLarge    Reason = "too_large"
)

// Error says why nothing of a beacon was taken. Neither text repeats what was sent.
type Error struct {
	Reason  Reason
	Problem string // what is wrong, for whom reads a log
	Hint    string // what to do, for whom writes the agent
}

// Error returns the problem.
func (e *Error) Error() string { return "beacon: " + e.Problem }

// Beacon is what one beacon holds. Times are milliseconds by the agent's clock.
type Beacon struct {
	Sent       float64 // epoch ms
	TimeOrigin float64 // epoch ms; the events' times refer to it

	// ClockOffset is server clock minus agent clock, ClockUncertainty half the round
	// trip of that measurement, both in ms; nil where not measured.
	ClockOffset, ClockUncertainty *float64

	// The ids are empty where missing.
	ApplicationID, InstanceID, SessionID string
	PageID, ViewID                       string
	AgentName, AgentVersion              string

	// Dropped counts events that the agent lost since its last beacon, by its own reasons.
	Dropped map[string]int64

	// The events that were good, in the order sent within a type.
	Requests    []Request
	Navigations []Navigation
	WebVitals   []WebVital
	Errors      []ErrorEvent
	Actions     []Action
	PageEvents  []PageEvent

	// Rejected counts the events that were left out, by reason; nil where none was.
	Rejected map[Reason]int
	// AttributesDropped counts attributes beyond the limits, the beacon's own and the events'; the events are kept.
	AttributesDropped int
}

// Accepted returns the number of events that were good.
func (b *Beacon) Accepted() int {
	return len(b.Requests) + len(b.Navigations) + len(b.WebVitals) + len(b.Errors) + len(b.Actions) + len(b.PageEvents)
}

// Time returns the moment that lies start milliseconds after the time origin,
// by the agent's clock, in UTC.
func (b *Beacon) Time(start float64) time.Time { return EpochTime(b.TimeOrigin + start) }

// EpochTime returns the moment of an epoch time in milliseconds, in UTC.
func EpochTime(ms float64) time.Time {
	whole := math.Floor(ms)
	return time.UnixMilli(int64(whole)).Add(Duration(ms - whole)).UTC()
}

// Duration returns milliseconds as a duration.
func Duration(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

// Event is what every event has.
type Event struct {
	ID       [8]byte // never all zero
	Start    float64 // ms after Beacon.TimeOrigin
	ViewID   string  // empty: the beacon's
	ActionID string  // the user's action that it belongs to; empty: none, or not known

	// Attributes are the fields without a place of their own, and the beacon's own attributes: one JSON object, its names and those within it
	// in order and each once, without space between tokens; empty for none. An integer that fits
	// into an int64 is written as one, every other number has a point or an exponent.
	Attributes string
}

// Request is what a frontend saw of one HTTP request.
type Request struct {
	Event
	Kind       string  // document, resource, fetch, xhr
	Duration   float64 // ms
	URL        string
	Method     string
	StatusCode int    // 0: none, or not readable
	Error      string // empty: none

	TraceContextHint, ServerTimingHint string

	// TraceID and SpanID are the request's ids; Carried says whose. Zero where left out.
	TraceID tracecontext.TraceID
	SpanID  tracecontext.SpanID
	Sampled *bool
	// What Server-Timing named, on a request that carried a context of its own.
	ServerTimingTraceID tracecontext.TraceID
	ServerTimingSpanID  tracecontext.SpanID
	ResponseID          *int32 // dtRpid

	InitiatorType, NextHopProtocol string
	Delivery                       string
	TransferSize                   int64 // bytes, as the next two
	EncodedBodySize                int64
	DecodedBodySize                int64
	Timing                         ResourceTiming
}

// Carried reports whether the request carried TraceID and SpanID to the
// backend; if not, they are those that Server-Timing named (beacon.md, "Whose
// ids are trace.id and span.id?").
func (r *Request) Carried() bool {
	if r.TraceID.IsZero() {
		return false
	}
	return contextWasSent(r.TraceContextHint) ||
		r.ServerTimingHint != "received" || !r.ServerTimingTraceID.IsZero()
}

// contextWasSent reports whether a hint says by itself that the request carried a context.
func contextWasSent(hint string) bool {
	switch hint {
	case "set", "included", "external", "max_length", "missing_values", "api_set":
		return true
	default:
		return false
	}
}

// ResourceTiming holds the phases of a request in ms after its start; zero
// where left out.
type ResourceTiming struct {
	RedirectStart, RedirectEnd         float64
	WorkerStart                        float64
	FetchStart                         float64
	DomainLookupStart, DomainLookupEnd float64
	ConnectStart, ConnectEnd           float64
	SecureConnectionStart              float64
	RequestStart                       float64
	FirstInterimResponseStart          float64
	ResponseStart, ResponseEnd         float64
}

// Navigation is one load of a page, or one view within it.
type Navigation struct {
	Event
	Duration        float64 // ms
	URL             string
	Type            string // navigate, reload, back_forward, prerender; of a view: soft, bfcache; empty: not known
	Title, Referrer string
	Timing          NavigationTiming
}

// NavigationTiming holds the moments of a page load in ms after its start;
// zero where left out.
type NavigationTiming struct {
	ActivationStart            float64
	DOMInteractive             float64
	DOMContentLoadedEventStart float64
	DOMContentLoadedEventEnd   float64
	DOMComplete                float64
	LoadEventStart             float64
	LoadEventEnd               float64
}

// WebVital is one measurement of a Core Web Vital or a related metric.
type WebVital struct {
	Event
	Name   string  // LCP, INP, CLS, FCP, TTFB
	Value  float64 // ms; a score for CLS
	Rating string  // good, needs-improvement, poor; empty: not known
	URL    string
}

// ErrorEvent is something that went wrong in the page or app.
type ErrorEvent struct {
	Event
	Source    string // exception, unhandled_rejection, resource, csp, reported
	Type      string // exception.type
	Message   string
	Stack     string  // exception.stacktrace
	Handled   bool    // the application caught it
	RequestID [8]byte // the request event that failed; zero: none
	URL       string
}

// Action is something that the user did, or that the application reports as such. Its
// ID is the ActionID of what it caused.
type Action struct {
	Event
	Kind     string  // click, tap, key, scroll, custom, other
	Name     string  // what was acted upon, such as a button's text
	Duration float64 // ms, until what it caused had settled
	URL      string
}

package model

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// EventID names one frontend event: 8 bytes drawn by the agent, written as 16
// lower-case hexadecimal digits. All zero means none.
type EventID [8]byte

// ErrEventID reports text that is not an event id.
var ErrEventID = errors.New("an event id is 16 lower-case hexadecimal digits, not all zero")

// ParseEventID reads 16 lower-case hexadecimal digits, not all zero.
func ParseEventID(s string) (EventID, error) {
	id, err := tracecontext.ParseSpanID(s)
	if err != nil {
		return EventID{}, ErrEventID
	}
	return EventID(id), nil
}

// IsZero reports whether id names no event.
func (id EventID) IsZero() bool { return id == EventID{} }

// String returns 16 lower-case hexadecimal digits.
func (id EventID) String() string { return hex.EncodeToString(id[:]) }

// RequestKind says how the page made a request.
type RequestKind string

// The kinds of requests.
const (
	KindDocument RequestKind = "document"
	KindResource RequestKind = "resource"
	KindFetch    RequestKind = "fetch"
	KindXHR      RequestKind = "xhr"
)

// TraceContextHint says what the agent did about trace context on a request
// (linking contract, section 2.3).
type TraceContextHint string

// The trace context hints of the web and of mobile agents.
const (
	ContextSet           TraceContextHint = "set"
	ContextIncluded      TraceContextHint = "included"
	ContextExternal      TraceContextHint = "external"
	ContextInvalid       TraceContextHint = "invalid"
	ContextMaxLength     TraceContextHint = "max_length"
	ContextMissingValues TraceContextHint = "missing_values"
	ContextCrossOrigin   TraceContextHint = "cross_origin"
	ContextExcluded      TraceContextHint = "excluded"
	ContextDisabled      TraceContextHint = "disabled"
	ContextNotHTTP       TraceContextHint = "not_http"
	ContextFromServer    TraceContextHint = "from_server"
	ContextNotSet        TraceContextHint = "not_set"
	ContextCORSRejected  TraceContextHint = "cors_rejected"
	ContextNotSampled    TraceContextHint = "not_sampled"
	ContextUnused        TraceContextHint = "unused"
	ContextAPISet        TraceContextHint = "api_set"
	ContextAPIInvalid    TraceContextHint = "api_invalid"
	ContextAPIUnused     TraceContextHint = "api_unused"
)

// ServerTimingHint says what the agent read from the Server-Timing of the
// answer (linking contract, section 3).
type ServerTimingHint string

// The Server-Timing hints.
const (
	TimingReceived     ServerTimingHint = "received"
	TimingNotAvailable ServerTimingHint = "not_available"
	TimingNoTraceInfo  ServerTimingHint = "no_trace_info"
	TimingInvalid      ServerTimingHint = "invalid"
	TimingMismatch     ServerTimingHint = "mismatch"
	TimingStale        ServerTimingHint = "stale"
)

// Delivery says where the bytes of an answer came from, as far as the browser
// tells. Empty means that it does not tell.
type Delivery string

// The ways of delivery.
const (
	DeliveredByNetwork       Delivery = "network"
	DeliveredByCache         Delivery = "cache"
	DeliveredByServiceWorker Delivery = "service_worker"
)

// ErrorReason says why a request has no answer; empty where it has one.
type ErrorReason string

// The reasons for a request without an answer. Those that NeverSent reports
// never left the device.
const (
	ErrorAbort         ErrorReason = "abort"          // cancelled by the page while under way
	ErrorAbortUnsent   ErrorReason = "abort_unsent"   // cancelled by the page before it was sent
	ErrorNetwork       ErrorReason = "network"        // no answer: refused, reset, CORS, DNS, TLS
	ErrorTimeout       ErrorReason = "timeout"        // the page's own time limit passed
	ErrorOffline       ErrorReason = "no_network"     // the browser was offline
	ErrorBlocked       ErrorReason = "csp"            // forbidden by the page's content security policy
	ErrorInvalidCall   ErrorReason = "invalid_call"   // the arguments of fetch or XHR were not usable
	ErrorUnknownReason ErrorReason = "unknown_reason" // failed, and the agent cannot tell why
)

// NeverSent reports whether a request that failed for this reason never left
// the device.
func (r ErrorReason) NeverSent() bool {
	switch r {
	case ErrorAbortUnsent, ErrorOffline, ErrorBlocked, ErrorInvalidCall:
		return true
	default:
		return false
	}
}

// ClockSource says how the offset between an agent's clock and the server's was found.
type ClockSource string

// The sources of a clock offset, best first.
const (
	// ClockServerTiming: measured by the agent against the backend's `now` entry.
	ClockServerTiming ClockSource = "server_timing"
	// ClockBeacon: from the time a beacon says it was sent and the time it came in;
	// off by the beacon's way here.
	ClockBeacon ClockSource = "beacon"
)

// SpanContext is a pair of trace and span id; either may be zero (none).
type SpanContext struct {
	TraceID tracecontext.TraceID
	SpanID  tracecontext.SpanID
}

// ServerTiming is what the answer's Server-Timing header said of its trace.
type ServerTiming struct {
	SpanContext        // trace, and the entry span where named; zero where none
	Sampled     *bool  // dtSInfo or the flags: whether the trace is recorded; nil where not said
	ResponseID  *int32 // dtRpid; nil where not said
}

// Frontend says who saw an event: application, profile, session, page.
type Frontend struct {
	ApplicationID string // 16 hexadecimal digits; empty where missing
	InstanceID    string // one per browser profile or app install; empty where missing
	SessionID     string // empty where missing
	PageID        string // one per page load, 16 hexadecimal digits
	ViewID        string // one per view of the page, 16 hexadecimal digits
	ActionID      string // the user's action that it belongs to, 16 hexadecimal digits; empty where none
	AgentName     string
	AgentVersion  string
	Client        Client
}

// Client says what the user's device is, as far as the server can tell from the
// beacon's sender (OpenTelemetry semantic conventions, user_agent, os, device, client, geo).
// Each is empty where it is not known.
type Client struct {
	Browser        string // user_agent.name: Chrome, Firefox, Safari, ...
	BrowserVersion string // user_agent.version: the major version
	OS             string // os.name
	Device         string // device.type: desktop, mobile, tablet, bot
	Country        string // geo.country.iso_code, upper case
	Address        string // client.address, masked to /24 (IPv4) or /48 (IPv6)
}

// Clock is the correction that was applied to an event's times: server time =
// agent time + Offset.
type Clock struct {
	Offset      time.Duration
	Uncertainty time.Duration // half the round trip of the measurement; 0 where not known
	Source      ClockSource
}

// ResourceTiming holds the phases of a request as offsets from its start
// (W3C Resource Timing 2). Zero means not known or not taken, as there.
type ResourceTiming struct {
	RedirectStart, RedirectEnd         time.Duration
	WorkerStart                        time.Duration
	FetchStart                         time.Duration
	DomainLookupStart, DomainLookupEnd time.Duration
	ConnectStart, ConnectEnd           time.Duration
	SecureConnectionStart              time.Duration
	RequestStart                       time.Duration
	FirstInterimResponseStart          time.Duration
	ResponseStart                      time.Duration // of the final answer, not of a 103
	ResponseEnd                        time.Duration
}

// RequestEvent is what a frontend saw of one HTTP request.
type RequestEvent struct {
	ID EventID
	Frontend
	Kind      RequestKind
	Initiator string    // Resource Timing's initiatorType: img, link, script, fetch, ...
	Start     time.Time // corrected by Clock, UTC
	Duration  time.Duration
	Clock     Clock
	Received  time.Time // when the beacon came in, by the server's clock

	URL        string // url.full
	Host       string // host of URL, lower case, with the port where it is not the scheme's default
	URLPattern string // path of URL with what varies replaced, such as /cart/{id}; empty where not known
	Method     string
	StatusCode int // 0: none or not readable
	Error      ErrorReason

	TraceContextHint TraceContextHint
	ServerTimingHint ServerTimingHint
	Sent             SpanContext  // what the request carried; zero where it carried nothing
	Answer           ServerTiming // what the answer's Server-Timing said

	Delivery        Delivery
	Protocol        string // nextHopProtocol: http/1.1, h2, h3
	TransferSize    int64  // bytes; 0 where not known, as in Resource Timing
	EncodedBodySize int64
	DecodedBodySize int64
	Timing          ResourceTiming

	Attributes Attributes // fields that have no place above, as sent
}

// TraceContext returns the ids that stand for the request: those it carried,
// else those the answer's Server-Timing named (linking contract, section 1).
func (e *RequestEvent) TraceContext() SpanContext {
	if !e.Sent.TraceID.IsZero() {
		return e.Sent
	}
	return e.Answer.SpanContext
}

// NavigationEvent is one page load (W3C Navigation Timing 2). Its request is a
// RequestEvent of kind document with the same PageID.
type NavigationEvent struct {
	ID EventID
	Frontend
	Start    time.Time
	Duration time.Duration // to the end of the load event; 0 where the page was left before
	Clock    Clock
	Received time.Time

	URL        string
	URLPattern string // as of RequestEvent
	Referrer   string
	Title      string
	Type       string // navigate, reload, back_forward, prerender; of a view within the page: soft, bfcache

	// Offsets from Start; zero where not reached.
	ActivationStart            time.Duration
	DOMInteractive             time.Duration
	DOMContentLoadedEventStart time.Duration
	DOMContentLoadedEventEnd   time.Duration
	DOMComplete                time.Duration
	LoadEventStart             time.Duration
	LoadEventEnd               time.Duration

	Attributes Attributes
}

// WebVital is one measurement of a Core Web Vital or a related metric.
type WebVital struct {
	ID EventID
	Frontend
	Time     time.Time
	Clock    Clock
	Received time.Time

	URL    string
	Name   string  // LCP, INP, CLS, FCP, TTFB
	Value  float64 // milliseconds; a score for CLS
	Rating string  // good, needs-improvement, poor

	Attributes Attributes // to what the value is put down, among others
}

// ErrorEvent is something that went wrong in the page or app.
type ErrorEvent struct {
	ID EventID
	Frontend
	Time     time.Time
	Clock    Clock
	Received time.Time

	URL         string  // of the page
	Source      string  // exception, unhandled_rejection, resource, csp, reported
	Type        string  // exception.type: TypeError, ...
	Message     string  // exception.message
	Stack       string  // exception.stacktrace
	Handled     bool    // the application caught it and reported it itself
	RequestID   EventID // the request event that failed; zero where none
	Fingerprint [8]byte // equal for errors of one cause
	Attributes  Attributes
}

// ActionEvent is something that the user did: a click, a key, a tap, or what the
// application reports as one.
type ActionEvent struct {
	ID EventID // the ActionID of what belongs to it
	Frontend
	Start    time.Time
	Duration time.Duration // until what it caused had settled
	Clock    Clock
	Received time.Time

	URL        string // of the page
	Kind       string // click, tap, key, scroll, custom, ...
	Name       string // what was acted upon, such as a button's text
	Attributes Attributes
}

// PageEvent is something else that happened in the page: what the application reports by a name of its own, a time
// in which the page could not answer its user, or a change of its visibility.
type PageEvent struct {
	ID EventID
	Frontend
	Start    time.Time
	Duration time.Duration // 0 where it has none
	Clock    Clock
	Received time.Time

	URL        string // of the page
	Type       string // custom, long_frame, visibility
	Name       string // the application's; animation_frame, task; visible, hidden
	Attributes Attributes
}

package store

import (
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Facet is how the values of a field are spread.
type Facet struct {
	Field  Field
	Values []FacetValue
}

// FacetValue is one value of a field, numbers in decimal; empty: the events have none.
type FacetValue struct {
	Value string
	Count int64
}

// CoverageQuery asks for counts of requests.
type CoverageQuery struct {
	Filter
	// Step divides time: a count is of the requests that start in [n*Step, (n+1)*Step) since
	// 1970 (see StepStart). Zero: all of the time together.
	Step time.Duration
	// By divides by the values of a field, which must be a facet; empty: all together. Of more than
	// MaxCoverageValues values the most frequent stand alone (equal counts by value), the rest together as Other.
	By Field
}

// MaxCoverageValues bounds the values that coverage tells apart.
const MaxCoverageValues = 20

// Other stands for all values beyond the most frequent.
const Other = "\u2026"

// CoverageCount is a number of requests with one verdict, in the order of start, value, status.
type CoverageCount struct {
	Start  time.Time // of the step; zero where Step was
	Value  string    // of By
	Status model.LinkStatus
	Count  int64
}

// Endpoint is what requests to one place have in common.
type Endpoint struct {
	Host, Method, Endpoint string
	Count                  int64
	Errors                 int64 // see Failed
	Linked, Partial        int64
	Unlinked               int64 // the rest is not applicable or pending
	// The quantiles of the duration, by buckets (see Buckets.Quantile): each is model.BucketDuration of the
	// bucket that holds the value of rank ceil(q*Count).
	P50, P75, P95 time.Duration
	// Where the time of its requests went, summed up over the Timed ones: those whose entry span is stored and
	// whose request and response times are known (see PartsOf).
	Timed                      int64
	Frontend, Network, Backend time.Duration
}

// MaxNames bounds the lists of services and hosts within an answer.
const MaxNames = 16

// StatusError is the status error of Span.StatusCode.
const StatusError = 2

// TraceQuery selects traces by one entry span of theirs.
type TraceQuery struct {
	From, To    time.Time     // the entry span starts in [From, To); zero: no bound
	Service     string        // empty: any
	Name        string        // part of the span's name or route, without case; empty: any
	MinDuration time.Duration // zero or less: any
	Error       bool          // only spans with the status error
	Before      *TracePlace
	Limit       int // 1 to MaxLimit
}

// TracePlace is a trace's place in a listing by the start of its entry span, newest first, equal starts by
// descending trace id.
type TracePlace struct {
	Start time.Time
	ID    tracecontext.TraceID
}

// TraceSummary is a trace in a listing.
type TraceSummary struct {
	TraceID  tracecontext.TraceID
	Start    time.Time     // of the selected entry span, the first of several by start, then span id
	Duration time.Duration // of that span
	SpanID   tracecontext.SpanID
	Service  string
	Name     string
	Route    string
	Error    bool
	Spans    int64    // stored of the trace
	Errors   int64    // of them, with the status error
	Services []string // different ones that are named, in order, the first MaxNames
}

// ServiceMapQuery asks who called whom. The map is made of the newest MaxSpans spans (equal starts by
// descending span id, then trace id) and the newest MaxSpans requests of the application (as listed by
// Requests) in [From, To), MaxSpans being 1 to MaxServiceMapSpans, else an error.
type ServiceMapQuery struct {
	From, To      time.Time
	ApplicationID string // whose requests; empty: all. Spans are those of all.
	MaxSpans      int
}

// ServiceMap holds the edges between applications and services, by from, then to.
type ServiceMap struct {
	Edges   []ServiceEdge
	Sampled bool // there was more than MaxSpans
}

// ServiceEdge counts calls: an application's requests whose link names the service of its entry span, or
// entry spans of a service whose parent is a span of another service. Spans without a service are left out.
type ServiceEdge struct {
	FromApplication string // of a frontend; else empty
	FromService     string
	ToService       string
	Count           int64
	Errors          int64         // calls whose entry span has the status error (frontend: see Failed of the request)
	Duration        time.Duration // of the entry span (frontend: of the request), summed up
}

// Service is a service that ever sent spans.
type Service struct {
	Name      string
	Hosts     []string  // that its spans name (model.Span.Host), in order, at most MaxNames
	FirstSeen time.Time // when its first span came in (model.Span.Received)
}

// Session is what is selected of a session.
type Session struct {
	ID            string
	ApplicationID string // as the last request, by start, then id, has it; so are the next ones
	InstanceID    string
	Client        model.Client
	Start, End    time.Time // the start of the first and the last request
	Requests      int64
	PageLoads     int64 // requests of kind document
	Failed        int64 // as Endpoint.Errors
	Linked        int64
	Partial       int64
	Unlinked      int64 // the rest is not applicable or pending
}

// EventsKey selects the events of one session or one page; just one of both is set.
type EventsKey struct {
	SessionID string
	PageID    string
}

// Events is everything that a session or page holds.
type Events struct {
	Requests    []model.LinkedRequest
	Navigations []model.NavigationEvent
	WebVitals   []model.WebVital
	Errors      []model.ErrorEvent
	Actions     []model.ActionEvent
	PageEvents  []model.PageEvent
	Truncated   bool // of some kind there are more than the limit
}

// ErrorGroup is the errors of one fingerprint.
type ErrorGroup struct {
	Fingerprint [8]byte
	Count       int64
	Sessions    int64 // different ones, those without an id left out
	First, Last time.Time
	Latest      model.ErrorEvent // the last by time, then id
}

// Annotation is a note on the time line, such as a deployment.
type Annotation struct {
	ID            model.EventID
	Time          time.Time
	End           time.Time // zero: a moment
	ApplicationID string    // empty: all
	Title, Text   string
	Tags          []string
}

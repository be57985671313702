package servertiming

import (
	"strconv"
	"strings"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Outcome says what a reader got from Server-Timing; its text is the value of
// request.server_timing_hint (linking contract, section 3).
type Outcome string

// The outcomes of [Read].
const (
	// Received: a usable trace id was read.
	Received Outcome = "received"
	// NotAvailable: there is no metric to read.
	NotAvailable Outcome = "not_available"
	// NoTraceInfo: there are metrics, and none of them is meant to carry a trace id.
	NoTraceInfo Outcome = "no_trace_info"
	// Invalid: a metric that carries a trace id is there, and its value is none.
	Invalid Outcome = "invalid"
)

// Names of the metrics that [Read] knows and [Entries] writes, compared without
// case.
const (
	NameDtTrID      = "dtTrId"
	NameDtSInfo     = "dtSInfo"
	NameDtRpid      = "dtRpid"
	NameTrace       = "trace"
	NameTraceparent = "traceparent"
	NameNow         = "now"
)

// Info is what Server-Timing says of the response's trace.
type Info struct {
	Outcome Outcome
	// TraceID is zero unless Outcome is Received.
	TraceID tracecontext.TraceID
	// SpanID is the entry span; zero where it is not named.
	SpanID tracecontext.SpanID
	// Sampled says whether the trace is recorded: dtSInfo, else the flags beside the
	// trace id; nil where neither is there.
	Sampled *bool
	// ResponseID is dtRpid; nil where it is missing or no signed 32-bit number.
	ResponseID *int32
	// Now is the server's clock when it wrote the header, in ms since 1970; 0 where it is
	// missing or not positive.
	Now float64
}

// Read takes the trace from several Server-Timing header fields. The trace id is that
// of trace, else of traceparent, else of dtTrId; only the first two name the entry
// span. Of metrics with the same name the last usable one counts: hops append, so it
// is the one nearest to the reader. The description of trace and traceparent follows
// the grammar of the traceparent header with any flags.
func Read(fields ...string) Info {
	var (
		info               Info
		trace, traceparent tracecontext.Traceparent
		sampled            *bool
		some, claimed      bool // a metric; one that should carry a trace id
	)
	for m := range Metrics(fields...) {
		some = true
		switch {
		case strings.EqualFold(m.Name, NameTrace):
			claimed = true
			if p, err := tracecontext.ParseTraceparent(m.Description); err == nil {
				trace = p
			}
		case strings.EqualFold(m.Name, NameTraceparent):
			claimed = true
			if p, err := tracecontext.ParseTraceparent(m.Description); err == nil {
				traceparent = p
			}
		case strings.EqualFold(m.Name, NameDtTrID):
			claimed = true
			if id, err := tracecontext.ParseTraceID(m.Description); err == nil {
				info.TraceID = id
			}
		case strings.EqualFold(m.Name, NameDtSInfo):
			if m.Description == "0" || m.Description == "1" {
				sampled = new(m.Description == "1")
			}
		case strings.EqualFold(m.Name, NameDtRpid):
			if id, ok := parseResponseID(m.Description); ok {
				info.ResponseID = new(id)
			}
		case strings.EqualFold(m.Name, NameNow):
			if m.Duration > 0 {
				info.Now = m.Duration
			}
		}
	}
	if trace.TraceID.IsZero() {
		trace = traceparent
	}
	if !trace.TraceID.IsZero() {
		info.TraceID, info.SpanID = trace.TraceID, trace.ParentID
		if sampled == nil {
			sampled = new(trace.Flags.Sampled())
		}
	}
	info.Sampled = sampled
	switch {
	case !info.TraceID.IsZero():
		info.Outcome = Received
	case claimed:
		info.Outcome = Invalid
	case some:
		info.Outcome = NoTraceInfo
	default:
		info.Outcome = NotAvailable
	}
	return info
}

// parseResponseID reads a signed 32-bit number in decimal, without a plus sign.
func parseResponseID(s string) (id int32, ok bool) {
	if s == "" || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err == nil
}

package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Trust says whose trace context a proxy continues. Whose it does not continue gets a
// trace of its own, with a span link to what came; the upstream sees only the new one.
type Trust uint8

// The policies. The flags of what comes are data: whether its trace is recorded here,
// the sampler of the TracerProvider decides.
const (
	// TrustAgent continues what our agents sent, by their dtr entry in tracestate, and what
	// comes from the trusted peers.
	TrustAgent Trust = iota
	// TrustAlways continues every valid context: for a proxy behind a gateway that traces.
	TrustAlways
	// TrustNever continues none.
	TrustNever
)

var trustNames = [...]string{"agent", "always", "never"}

// String returns agent, always or never.
func (t Trust) String() string { return trustNames[t] }

// ParseTrust reads what [Trust.String] writes.
func ParseTrust(s string) (Trust, error) {
	for i, name := range trustNames {
		if s == name {
			return Trust(i), nil
		}
	}
	return 0, fmt.Errorf("proxy: the trust policy %q is not known; write agent, always or never", s)
}

// inbound reads the trace context of requests.
type inbound struct {
	trust  Trust
	peers  []netip.Prefix
	tenant tracecontext.Tenant
}

// context returns the context to continue; where that is invalid, the trace starts here,
// linked with links.
func (in *inbound) context(r *http.Request) (remote trace.SpanContext, links []trace.Link) {
	values := r.Header["Traceparent"]
	if len(values) != 1 { // several are none (W3C Trace Context Level 2, section 3.2)
		return trace.SpanContext{}, nil
	}
	parent, err := tracecontext.ParseTraceparent(strings.TrimSpace(values[0]))
	if err != nil {
		return trace.SpanContext{}, nil
	}
	tracestate := strings.Join(r.Header["Tracestate"], ",")
	dtr, found, dtrErr := tracecontext.FindDtr(tracestate, in.tenant)
	config := trace.SpanContextConfig{
		TraceID:    trace.TraceID(parent.TraceID),
		SpanID:     trace.SpanID(parent.ParentID),
		TraceFlags: trace.TraceFlags(parent.Flags),
		Remote:     true,
	}
	if tracestate != "" {
		config.TraceState, err = trace.ParseTraceState(tracestate)
		if err != nil && found && dtrErr == nil {
			// Members of others that break the limits or the grammar cost theirs, not ours.
			config.TraceState, _ = trace.TraceState{}.Insert(in.tenant.Key(), dtr.String())
		}
	}
	remote = trace.NewSpanContext(config)
	if in.trust == TrustAlways || in.trust == TrustAgent && (found || contains(in.peers, r)) {
		return remote, nil
	}
	return trace.SpanContext{}, []trace.Link{{SpanContext: remote}}
}

// contains reports whether the peer of the connection is in one of the ranges.
func contains(ranges []netip.Prefix, r *http.Request) bool {
	if len(ranges) == 0 {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	address := peer.Addr().Unmap().WithZone("")
	for _, p := range ranges {
		if p.Contains(address) {
			return true
		}
	}
	return false
}

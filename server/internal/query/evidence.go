package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// maxEvidenceSpans bounds the spans of each trace that are shown as evidence.
const maxEvidenceSpans = 100

// Evidence is what a verdict rests on, from both sides.
type Evidence struct {
	JudgedAt       *time.Time     `json:"judged_at,omitempty" doc:"When the verdict was given; left out where none was"`
	Spans          []EvidenceSpan `json:"spans" nullable:"false" doc:"The spans that were considered, at most 100 of each trace"`
	HostSeen       bool           `json:"host_seen" doc:"Spans of the request's host have come in, at some time"`
	HostServices   []string       `json:"host_services" nullable:"false" doc:"The services that answer for the host"`
	SameAnswer     *SameAnswer    `json:"same_answer,omitempty" doc:"A request of another session whose answer bore the same ids: one of the two is a cached copy"`
	AnswerTraceID  string         `json:"answer.trace_id,omitempty" doc:"The trace that Server-Timing named"`
	AnswerSpanID   string         `json:"answer.span_id,omitempty" doc:"The entry span that Server-Timing named"`
	AnswerID       *int32         `json:"answer.response_id,omitempty" doc:"Server-Timing's dtRpid, one for each answer"`
	Sampling       Sampling       `json:"sampling"`
	AgentName      string         `json:"agent.name,omitempty"`
	AgentVersion   string         `json:"agent.version,omitempty"`
	Intermediaries []string       `json:"intermediaries" nullable:"false" doc:"Proxies, gateways and CDNs that spans tell of, in the order of the spans"`
	Clock          *Clock         `json:"clock,omitempty" doc:"The correction of the request's times"`
}

// Sampling says what both sides decided about recording the trace.
type Sampling struct {
	Sent     bool  `json:"sent" doc:"The agent sent trace context, which asks to record the trace"`
	Answered *bool `json:"answered,omitempty" doc:"What the answer's Server-Timing said: whether the trace is recorded"`
	Spans    *bool `json:"spans,omitempty" doc:"The sampled flag of the spans; left out where there are none. False: recorded although an upstream hop said not to"`
}

// SameAnswer is a request of another session whose answer bore the same ids.
type SameAnswer struct {
	RequestID string    `json:"request.id"`
	SessionID string    `json:"session.id,omitempty"`
	StartTime time.Time `json:"start_time"`
	Sessions  int       `json:"sessions" doc:"How many other sessions, counted to at most 100"`
}

// EvidenceSpan is what a verdict looks at in a span.
type EvidenceSpan struct {
	Found        string    `json:"found" enum:"trace,answer_trace,dtr" doc:"By what: the request's own trace, the trace that Server-Timing named, or a dtr entry that names the request"`
	TraceID      string    `json:"trace.id"`
	SpanID       string    `json:"span.id"`
	ParentSpanID string    `json:"parent_span.id,omitempty"`
	Kind         string    `json:"span.kind" enum:"unspecified,internal,server,client,producer,consumer"`
	Service      string    `json:"service.name,omitempty"`
	Route        string    `json:"http.route,omitempty"`
	StartTime    time.Time `json:"start_time"`
	DurationMs   float64   `json:"duration_ms"`
	Entry        bool      `json:"entry,omitempty" doc:"A span with which a service took a request in"`
	NamesRequest bool      `json:"names_request,omitempty" doc:"Its parent or its dtr entry is this request"`
	RemoteParent *bool     `json:"remote_parent,omitempty" doc:"What its flags say; left out where they do not"`
	Sampled      bool      `json:"trace.is_sampled" doc:"The sampled flag"`
	Dtr          string    `json:"dtr" enum:"absent,valid,invalid" doc:"What became of our tracestate entry on the way to it"`
	DtrSpanID    string    `json:"dtr.span_id,omitempty" doc:"The request that the entry names"`
	DtrSessionID string    `json:"dtr.session_id,omitempty" doc:"The session that the entry names"`
	Via          string    `json:"via,omitempty" doc:"Intermediaries that its headers tell of, nearest first"`
}

func (q *Engine) evidence(ctx context.Context, id model.EventID) (model.Evidence, error) {
	found, err := q.reader.Evidence(ctx, id, maxEvidenceSpans)
	if errors.Is(err, store.ErrNotFound) { // it expired a moment ago
		return model.Evidence{}, &Error{NotFound, "no request event has this id any more", "it is past its retention"}
	}
	if err != nil {
		return model.Evidence{}, fmt.Errorf("reading the evidence for request %s: %w", id, err)
	}
	return found, nil
}

func newEvidence(r *model.LinkedRequest, found *model.Evidence) Evidence {
	e := Evidence{
		JudgedAt:      timeOrNil(r.Link.JudgedAt),
		HostSeen:      found.HostSeen,
		HostServices:  notNil(found.HostServices),
		AnswerTraceID: traceIDText(r.Answer.TraceID),
		AnswerSpanID:  spanIDText(r.Answer.SpanID),
		AnswerID:      r.Answer.ResponseID,
		Sampling:      Sampling{Sent: !r.Sent.TraceID.IsZero(), Answered: r.Answer.Sampled},
		AgentName:     r.AgentName,
		AgentVersion:  r.AgentVersion,
		Spans:         []EvidenceSpan{},
	}
	if r.Clock != (model.Clock{}) {
		e.Clock = newClock(r.Clock, 0)
	}
	if s := found.SameAnswer; s != nil {
		e.SameAnswer = &SameAnswer{s.RequestID.String(), s.SessionID, s.Start.UTC(), s.Sessions}
	}
	e.add(r, "trace", found.Trace)
	e.add(r, "answer_trace", found.AnswerTrace)
	e.add(r, "dtr", found.ByDtr)
	e.Intermediaries = notNil(e.Intermediaries)
	return e
}

func (e *Evidence) add(r *model.LinkedRequest, found string, spans []model.SpanFacts) {
	for i := range spans[:min(len(spans), maxEvidenceSpans)] {
		s := &spans[i]
		e.Spans = append(e.Spans, newEvidenceSpan(r, found, s))
		sampled := s.Flags&model.SpanFlagSampled != 0 || e.Sampling.Spans != nil && *e.Sampling.Spans
		e.Sampling.Spans = &sampled
		for name := range strings.SplitSeq(s.Via, ", ") {
			if name != "" && !slices.Contains(e.Intermediaries, name) {
				e.Intermediaries = append(e.Intermediaries, name)
			}
		}
	}
}

func newEvidenceSpan(r *model.LinkedRequest, found string, s *model.SpanFacts) EvidenceSpan {
	out := EvidenceSpan{
		Found: found, TraceID: s.TraceID.String(), SpanID: s.SpanID.String(), ParentSpanID: spanIDText(s.ParentSpanID),
		Kind: spanKindText(s.Kind), Service: s.Service, Route: s.Route, StartTime: s.Start.UTC(), DurationMs: milliseconds(s.Duration),
		Entry: s.Entry, Sampled: s.Flags&model.SpanFlagSampled != 0, Dtr: "absent", Via: s.Via,
	}
	if sent := r.Sent.SpanID; !sent.IsZero() {
		out.NamesRequest = s.ParentSpanID == sent || s.DtrState == model.DtrValid && s.Dtr.SpanID == sent
	}
	if s.Flags&model.SpanFlagRemoteKnown != 0 {
		remote := s.Flags&model.SpanFlagRemote != 0
		out.RemoteParent = &remote
	}
	if s.DtrState != model.DtrAbsent {
		out.Dtr = string(s.DtrState)
		out.DtrSpanID, out.DtrSessionID = spanIDText(s.Dtr.SpanID), s.Dtr.SessionID
	}
	return out
}

// notNil makes an empty list of none.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

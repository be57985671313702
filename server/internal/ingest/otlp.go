package ingest

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// MaxTraceBytes bounds a body of OTLP, both as sent and decompressed.
const MaxTraceBytes = 16 << 20

// The limits of one span. What is beyond is cut or left out, and counted; only
// a name that is too long costs the span.
const (
	maxNameBytes       = 4096
	maxTraceStateBytes = 4096 // 8 times what W3C asks to be kept
	maxAttributes      = 128  // of a span, a resource; the default of OpenTelemetry SDKs
	maxEventAttributes = 32
	maxEvents          = 128
	maxKeyBytes        = 256
	maxValueBytes      = 16 << 10
	maxValueDepth      = 8
	maxValueElements   = 1024 // of a list or map, all levels counted
)

// maxResourceCopies bounds the bytes that the resources of one export take once they
// stand beside each of their spans, as a store keeps them. Without it, one resource
// of a few megabytes and many small spans would make terabytes. Spans beyond it keep
// all but the attributes of their resource.
const maxResourceCopies = 64 << 20

// The times that a span may have, seen from when it came in.
const (
	maxSpanAge   = 30 * 24 * time.Hour
	maxSpanAhead = 24 * time.Hour
)

// spanReason says why a span was left out.
type spanReason string

const (
	badTraceID spanReason = "bad_trace_id" // all zero
	badSpanID  spanReason = "bad_span_id"  // all zero
	ownParent  spanReason = "own_parent"
	badTime    spanReason = "bad_time"
	badName    spanReason = "oversized_name"
)

// takeTraces has the spans of an export stored. It returns the answer for the
// sender.
func (r *Receiver) takeTraces(ctx context.Context, export ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, *refusal) {
	m := traceMapping{tenant: r.Tenant, received: r.Now().UTC()}
	m.traces(export.Traces())
	answer := ptraceotlp.NewExportResponse()
	if refused := r.write(ctx, store.Batch{Spans: m.spans}); refused != nil {
		return answer, refused
	}
	r.metrics.traces.Inc()
	r.metrics.spans.Add(float64(len(m.spans)))
	r.metrics.attributesDropped.WithLabelValues("otlp").Add(float64(m.dropped))
	for reason, n := range m.rejected {
		r.metrics.spansRejected.WithLabelValues(string(reason)).Add(float64(n))
	}
	if len(m.rejected) > 0 {
		partial := answer.PartialSuccess()
		rejected, message := summary(m.rejected)
		partial.SetRejectedSpans(rejected)
		partial.SetErrorMessage(message)
	}
	return answer, nil
}

// summary puts the spans left out into words for the sender's log.
func summary(rejected map[spanReason]int) (total int64, message string) {
	parts := make([]string, 0, len(rejected))
	for _, reason := range slices.Sorted(maps.Keys(rejected)) {
		total += int64(rejected[reason])
		parts = append(parts, fmt.Sprintf("%s %d", reason, rejected[reason]))
	}
	return total, "spans left out by reason: " + strings.Join(parts, ", ") +
		". Ids must not be all zero, a span is not its own parent, it has both times within 30 days before and 1 day after now, and its name at most 4096 bytes."
}

// traceMapping turns an export into spans.
type traceMapping struct {
	tenant   tracecontext.Tenant
	received time.Time

	spans    []model.Span
	rejected map[spanReason]int // nil where none
	dropped  int                // attributes and events cut or left out
	copied   int                // bytes of resources, see maxResourceCopies
}

func (m *traceMapping) traces(td ptrace.Traces) {
	m.spans = make([]model.Span, 0, td.SpanCount())
	for _, ofResource := range td.ResourceSpans().All() {
		resource := m.attributes(ofResource.Resource().Attributes(), maxAttributes)
		service, _ := resource["service.name"].(string)
		size := sizeOf(resource)
		for _, ofScope := range ofResource.ScopeSpans().All() {
			scope := m.text(ofScope.Scope().Name(), maxNameBytes)
			for _, s := range ofScope.Spans().All() {
				span, reason := m.span(s)
				if reason != "" {
					if m.rejected == nil {
						m.rejected = make(map[spanReason]int)
					}
					m.rejected[reason]++
					continue
				}
				span.Service, span.Scope = service, scope
				if m.copied += size; m.copied <= maxResourceCopies {
					span.Resource = resource
				} else {
					m.dropped += len(resource)
				}
				m.spans = append(m.spans, span)
			}
		}
	}
}

// span maps one span; what it has from resource and scope is left to the
// caller. The reason is empty where it is good.
func (m *traceMapping) span(s ptrace.Span) (model.Span, spanReason) {
	start, end := s.StartTimestamp(), s.EndTimestamp()
	switch {
	case s.TraceID().IsEmpty():
		return model.Span{}, badTraceID
	case s.SpanID().IsEmpty():
		return model.Span{}, badSpanID
	case s.SpanID() == s.ParentSpanID():
		return model.Span{}, ownParent
	case !m.mayBe(start) || !m.mayBe(end):
		return model.Span{}, badTime
	case len(s.Name()) > maxNameBytes:
		return model.Span{}, badName
	}
	span := model.Span{
		TraceID:      tracecontext.TraceID(s.TraceID()),
		SpanID:       tracecontext.SpanID(s.SpanID()),
		ParentSpanID: tracecontext.SpanID(s.ParentSpanID()),
		Name:         m.text(s.Name(), maxNameBytes),
		Kind:         kindOf(s.Kind()),
		Flags:        s.Flags(),
		Start:        start.AsTime(),
		// A clock that was set back while the span ran makes it end before its start.
		Duration:      max(0, end.AsTime().Sub(start.AsTime())),
		Received:      m.received,
		StatusCode:    int8(min(max(s.Status().Code(), ptrace.StatusCodeUnset), ptrace.StatusCodeError)),
		StatusMessage: m.text(s.Status().Message(), maxValueBytes),
		Attributes:    m.attributes(s.Attributes(), maxAttributes),
		Events:        m.events(s.Events()),
	}
	span.DtrState, span.Dtr = m.dtr(s.TraceState().AsRaw())
	if len(s.TraceState().AsRaw()) <= maxTraceStateBytes {
		span.TraceState = m.text(s.TraceState().AsRaw(), maxTraceStateBytes)
	}
	if span.Kind == model.SpanServer {
		span.Host = hostOfServer(span.Attributes)
	}
	return span, ""
}

// mayBe reports whether t may be a time of a span that came in now.
func (m *traceMapping) mayBe(t pcommon.Timestamp) bool {
	if t > math.MaxInt64 {
		return false
	}
	age := m.received.Sub(t.AsTime())
	return age <= maxSpanAge && age >= -maxSpanAhead
}

func kindOf(k ptrace.SpanKind) model.SpanKind {
	if k < ptrace.SpanKindUnspecified || k > ptrace.SpanKindConsumer {
		return model.SpanUnspecified
	}
	return model.SpanKind(k)
}

// dtr reads the tenant's dtr entry from a span's trace state.
func (m *traceMapping) dtr(traceState string) (model.DtrState, model.Dtr) {
	d, found, err := tracecontext.FindDtr(traceState, m.tenant)
	switch {
	case !found:
		return model.DtrAbsent, model.Dtr{}
	case err != nil:
		return model.DtrInvalid, model.Dtr{}
	default:
		return model.DtrValid, model.Dtr{
			SpanID: d.SpanID, Sampled: d.Sampled,
			ApplicationID: d.ApplicationID, InstanceID: d.InstanceID, SessionID: d.SessionID,
		}
	}
}

func (m *traceMapping) events(events ptrace.SpanEventSlice) []model.SpanEvent {
	if events.Len() == 0 {
		return nil
	}
	kept := min(events.Len(), maxEvents)
	m.dropped += events.Len() - kept
	all := make([]model.SpanEvent, 0, kept)
	for i := range kept {
		e := events.At(i)
		if !m.mayBe(e.Timestamp()) {
			m.dropped++
			continue
		}
		all = append(all, model.SpanEvent{
			Name: m.text(e.Name(), maxNameBytes), Time: e.Timestamp().AsTime(),
			Attributes: m.attributes(e.Attributes(), maxEventAttributes),
		})
	}
	return all
}

// attributes returns at most limit attributes as plain values; nil for none.
func (m *traceMapping) attributes(from pcommon.Map, limit int) map[string]any {
	if from.Len() == 0 {
		return nil
	}
	to := make(map[string]any, min(from.Len(), limit))
	for key, v := range from.All() {
		if len(to) == limit || len(key) > maxKeyBytes {
			m.dropped++
			continue
		}
		elements := 0
		if value, ok := m.value(v, 1, &elements); ok {
			to[m.text(key, maxKeyBytes)] = value
		} else {
			m.dropped++
		}
	}
	return to
}

// value returns an attribute's value as string, bool, int64, float64, []any or
// map[string]any. ok is false where it is empty, or nests or holds too much.
func (m *traceMapping) value(v pcommon.Value, depth int, elements *int) (plain any, ok bool) {
	if *elements++; depth > maxValueDepth || *elements > maxValueElements {
		return nil, false
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return m.text(v.Str(), maxValueBytes), true
	case pcommon.ValueTypeBool:
		return v.Bool(), true
	case pcommon.ValueTypeInt:
		return v.Int(), true
	case pcommon.ValueTypeDouble:
		return finite(v.Double()), true
	case pcommon.ValueTypeBytes:
		raw := v.Bytes().AsRaw()
		if len(raw) > base64.StdEncoding.DecodedLen(maxValueBytes) {
			return nil, false
		}
		return base64.StdEncoding.EncodeToString(raw), true
	case pcommon.ValueTypeSlice:
		list := []any{}
		for _, e := range v.Slice().All() {
			plain, ok := m.value(e, depth+1, elements)
			if !ok && e.Type() != pcommon.ValueTypeEmpty {
				return nil, false
			}
			list = append(list, plain) // nil keeps the place of an empty one
		}
		return list, true
	case pcommon.ValueTypeMap:
		object := make(map[string]any)
		for key, e := range v.Map().All() {
			plain, ok := m.value(e, depth+1, elements)
			if !ok && e.Type() != pcommon.ValueTypeEmpty {
				return nil, false
			}
			object[m.text(key, maxKeyBytes)] = plain
		}
		return object, true
	default:
		return nil, false
	}
}

// sizeOf returns about how many bytes a value takes as text.
func sizeOf(plain any) int {
	const other = 8 // punctuation, a number, a literal
	size := other
	switch v := plain.(type) {
	case string:
		size += len(v)
	case []any:
		for _, e := range v {
			size += sizeOf(e)
		}
	case map[string]any:
		for key, e := range v {
			size += len(key) + sizeOf(e)
		}
	}
	return size
}

// finite spells a number that JSON cannot write as protobuf's JSON does.
func finite(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	default:
		return f
	}
}

// text returns s in valid UTF-8, cut to at most limit bytes at a rune's border.
// Protobuf leaves UTF-8 to the sender, and engines refuse what is none.
func (m *traceMapping) text(s string, limit int) string {
	if len(s) > limit {
		m.dropped++
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

package ingest

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// oracle maps an export to spans by OpenTelemetry's own decoder, as slowly and plainly as can be. It
// leaves out what entryFacts find.
type oracle struct {
	spans   []model.Span
	dropped int
	copied  int
}

func (o *oracle) export(export ptraceotlp.ExportRequest) {
	for _, rs := range export.Traces().ResourceSpans().All() {
		resource, kept := o.attributes(rs.Resource().Attributes(), maxAttributes)
		service := ""
		if v, ok := rs.Resource().Attributes().Get("service.name"); ok && v.Type() == pcommon.ValueTypeStr && strings.Contains(string(resource), `"service.name":`) {
			service = o.text(v.Str(), maxValueBytes)
		}
		for _, ss := range rs.ScopeSpans().All() {
			scope := o.text(ss.Scope().Name(), maxNameBytes)
			for _, s := range ss.Spans().All() {
				before := o.dropped
				span, ok := o.span(s)
				if !ok {
					_ = before
					continue
				}
				span.Service, span.Scope = service, scope
				if o.copied += len(resource); o.copied <= maxResourceCopies {
					span.Resource = resource
				} else {
					o.dropped += kept
				}
				o.spans = append(o.spans, span)
			}
		}
	}
}

func (o *oracle) span(s ptrace.Span) (model.Span, bool) {
	start, end := s.StartTimestamp(), s.EndTimestamp()
	if s.TraceID().IsEmpty() || s.SpanID().IsEmpty() || s.SpanID() == s.ParentSpanID() || !mayBe(start) || !mayBe(end) || len(s.Name()) > maxNameBytes {
		return model.Span{}, false
	}
	m := model.Span{
		TraceID: tracecontext.TraceID(s.TraceID()), SpanID: tracecontext.SpanID(s.SpanID()), ParentSpanID: tracecontext.SpanID(s.ParentSpanID()),
		Name: o.text(s.Name(), maxNameBytes), Flags: s.Flags(), Start: start.AsTime(), Duration: max(0, end.AsTime().Sub(start.AsTime())), Received: received,
		StatusCode: int8(min(max(s.Status().Code(), 0), 2)), StatusMessage: o.text(s.Status().Message(), maxValueBytes),
	}
	if k := s.Kind(); k >= 0 && k <= 5 {
		m.Kind = model.SpanKind(k)
	}
	m.Attributes, _ = o.attributes(s.Attributes(), maxAttributes)
	for i, e := range s.Events().All() {
		if i >= maxEvents || !mayBe(e.Timestamp()) {
			o.dropped++
			continue
		}
		a, _ := o.attributes(e.Attributes(), maxEventAttributes)
		m.Events = append(m.Events, model.SpanEvent{Name: o.text(e.Name(), maxNameBytes), Time: e.Timestamp().AsTime(), Attributes: a})
	}
	raw := s.TraceState().AsRaw()
	if len(raw) <= maxTraceStateBytes {
		m.TraceState = o.text(raw, maxTraceStateBytes)
	}
	if d, found, err := tracecontext.FindDtr(raw, ""); found && err != nil {
		m.DtrState = model.DtrInvalid
	} else if found {
		m.DtrState = model.DtrValid
		m.Dtr = model.Dtr{SpanID: d.SpanID, Sampled: d.Sampled, ApplicationID: d.ApplicationID, InstanceID: d.InstanceID, SessionID: d.SessionID}
	}
	return m, true
}

func mayBe(t pcommon.Timestamp) bool {
	if t > math.MaxInt64 {
		return false
	}
	age := received.Sub(t.AsTime())
	return age <= maxSpanAge && age >= -maxSpanAhead
}

func (o *oracle) text(s string, limit int) string {
	if len(s) > limit {
		o.dropped++
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func (o *oracle) quoted(s string) string {
	return string(model.AppendText(nil, s))
}

func (o *oracle) attributes(from pcommon.Map, limit int) (model.Attributes, int) {
	var names, members []string
	for key, v := range from.All() {
		name, elements := o.quoted(key), 0
		if len(names) == limit || len(key) > maxKeyBytes || slices.Contains(names, name) {
			o.dropped++
			continue
		}
		value, ok := o.value(v, 1, &elements)
		if !ok {
			o.dropped++
			continue
		}
		names, members = append(names, name), append(members, name+":"+value)
	}
	if len(members) == 0 {
		return "", 0
	}
	return model.Attributes("{" + strings.Join(members, ",") + "}"), len(members)
}

func (o *oracle) value(v pcommon.Value, depth int, elements *int) (string, bool) {
	if *elements++; depth > maxValueDepth || *elements > maxValueElements {
		return "", false
	}
	element := func(v pcommon.Value) (string, bool) {
		text, ok := o.value(v, depth+1, elements)
		if !ok && v.Type() == pcommon.ValueTypeEmpty && *elements <= maxValueElements {
			return "null", true
		}
		return text, ok
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		s := v.Str()
		if len(s) > maxValueBytes {
			o.dropped++
			s = string(cut([]byte(s), maxValueBytes))
		}
		return o.quoted(s), true
	case pcommon.ValueTypeBool:
		return strconv.FormatBool(v.Bool()), true
	case pcommon.ValueTypeInt:
		return strconv.FormatInt(v.Int(), 10), true
	case pcommon.ValueTypeDouble:
		return string(model.AppendFloat(nil, v.Double())), true
	case pcommon.ValueTypeBytes:
		if v.Bytes().Len() > base64.StdEncoding.DecodedLen(maxValueBytes) {
			return "", false
		}
		return `"` + base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()) + `"`, true
	case pcommon.ValueTypeSlice:
		var list []string
		for _, e := range v.Slice().All() {
			text, ok := element(e)
			if !ok {
				return "", false
			}
			list = append(list, text)
		}
		return "[" + strings.Join(list, ",") + "]", true
	case pcommon.ValueTypeMap:
		var names, members []string
		for key, e := range v.Map().All() {
			if len(key) > maxKeyBytes {
				o.dropped++
				key = string(cut([]byte(key), maxKeyBytes))
			}
			name := o.quoted(key)
			if slices.Contains(names, name) {
				o.dropped++
				continue
			}
			text, ok := element(e)
			if !ok {
				return "", false
			}
			names, members = append(names, name), append(members, name+":"+text)
		}
		return "{" + strings.Join(members, ",") + "}", true
	default:
		return "", false
	}
}

// compare decodes an export both ways.
func compare(t *testing.T, export ptraceotlp.ExportRequest) {
	t.Helper()
	body := protoOf(t, export)
	var d traceDecoder
	got, err := d.decode(nil, body, received)
	if err != nil {
		t.Fatal(err)
	}
	var want oracle
	want.export(export)
	if len(got) != len(want.spans) {
		t.Fatalf("%d spans, want %d", len(got), len(want.spans))
	}
	for i := range got {
		s := got[i]
		s.Entry, s.Route, s.HTTPStatus, s.Via, s.Host = false, "", 0, "", ""
		if !reflect.DeepEqual(s, want.spans[i]) {
			t.Errorf("span %d\n%+v, want\n%+v", i, s, want.spans[i])
		}
		if _, err := s.Attributes.Map(); err != nil {
			t.Errorf("attributes that cannot be read: %v: %s", err, s.Attributes)
		}
	}
	c := traceCheck{window: windowAt(received)}
	if err := c.export(body); err != nil || c.accepted() != len(got) || c.spans != export.Traces().SpanCount() {
		t.Errorf("the check accepts %d of %d spans, %v; decoded are %d", c.accepted(), c.spans, err, len(got))
	}
	if c.accepted() == c.spans && d.dropped < want.dropped {
		t.Errorf("%d dropped, want %d", d.dropped, want.dropped)
	}
}

// strange is an export with everything that is unusual.
func strange() ptraceotlp.ExportRequest {
	export := oneSpan(func(s ptrace.Span) {
		a := s.Attributes()
		a.Clear()
		a.PutStr("", "empty name")
		a.PutStr("text", "\x00\u2028\"\\\xff\xc3")
		a.PutEmptyBytes("bytes").FromRaw([]byte{1, 2, 3})
		a.PutDouble("double", math.Copysign(0, -1))
		a.PutDouble("big", 1e300)
		a.PutInt("int", -1)
		m := a.PutEmptyMap("map")
		m.PutStr("a\xff", "1")
		m.PutStr("a\xfe", "2")
		m.PutEmpty("none")
		m.PutEmptyMap("m").PutEmptySlice("l").AppendEmpty()
		a.PutStr(strings.Repeat("k", maxKeyBytes), strings.Repeat("ü", maxValueBytes))
		for i := range maxAttributes {
			a.PutInt("n"+strconv.Itoa(i), int64(i))
		}
		for range 3 {
			e := s.Events().AppendEmpty()
			e.SetTimestamp(s.EndTimestamp())
			e.Attributes().PutStr("e", "v")
		}
		s.Events().At(1).SetTimestamp(1)
		s.Links().AppendEmpty().Attributes().PutStr("l", "v")
		s.Status().SetMessage("message")
	})
	rs := export.Traces().ResourceSpans().At(0)
	rs.ScopeSpans().At(0).Spans().AppendEmpty()
	rs.ScopeSpans().At(0).Spans().At(0).CopyTo(rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty())
	rs.CopyTo(export.Traces().ResourceSpans().AppendEmpty())
	return export
}

func TestDecoderAgreesWithTheOracle(t *testing.T) {
	compare(t, ptraceotlp.NewExportRequest())
	compare(t, oneSpan(nil))
	compare(t, typicalExport(20))
	compare(t, strange())
}

// FuzzTraces holds the two walks against OpenTelemetry's decoder.
func FuzzTraces(f *testing.F) {
	seeds := [][]byte{protoOf(f, oneSpan(nil)), protoOf(f, strange()), protoOf(f, typicalExport(5)), protoBomb(10), protoFlood(10), {0x0b}, nil}
	if len(seeds) < 6 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d traceDecoder
		c := traceCheck{window: windowAt(received)}
		checked := c.export(body)
		spans, decoded := d.decode(nil, body, received)
		if checked == nil && (decoded != nil || len(spans) != c.accepted() || d.left != c.spans-c.accepted()) {
			t.Fatalf("%d of %d spans pass, %d are decoded, %v", c.accepted(), c.spans, len(spans), decoded)
		}
		for i := range spans {
			if _, err := spans[i].Attributes.Map(); err != nil {
				t.Fatalf("%v: %q", err, spans[i].Attributes)
			}
			if _, err := spans[i].Resource.Map(); err != nil {
				t.Fatalf("%v: %q", err, spans[i].Resource)
			}
		}
		export := ptraceotlp.NewExportRequest()
		if export.UnmarshalProto(body) == nil && checked == nil {
			compare(t, export)
		}
	})
}

func TestDecoderCostsLittle(t *testing.T) {
	body := protoOf(t, typicalExport(typicalBatch))
	var d traceDecoder
	var spans []model.Span
	spans, _ = d.decode(spans, body, received)
	allocations := testing.AllocsPerRun(20, func() { spans, _ = d.decode(spans[:0], body, received) })
	if perSpan := allocations / typicalBatch; perSpan > 0.5 {
		t.Errorf("%.2f allocations for each span", perSpan)
	}
	allocations = testing.AllocsPerRun(20, func() {
		c := traceCheck{window: windowAt(received)}
		if err := c.export(body); err != nil {
			t.Error(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations to check an export", allocations)
	}
}

// One place in memory holds the texts of many spans, so what is read must not be kept.
func TestDecodedSpansDoNotAliasTheBody(t *testing.T) {
	body := protoOf(t, strange())
	var d traceDecoder
	first, err := d.decode(nil, body, received)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 0xee
	}
	second, err := d.decode(nil, protoOf(t, strange()), received)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Error("the spans changed with the body, or with what was decoded after them")
	}
	if first[0].Received != received || first[0].Received.Location() != time.UTC {
		t.Errorf("received %v", first[0].Received)
	}
}

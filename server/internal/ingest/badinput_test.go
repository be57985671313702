package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// rawSpan writes an export of one span by hand, with ids of any length.
func rawSpan(traceID, spanID, parentID []byte) []byte {
	text := func(b []byte, num protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	}
	at := uint64(received.UnixNano())
	span := text(text(text(nil, spanTraceID, traceID), spanSpanID, spanID), spanParentID, parentID)
	for _, num := range []protowire.Number{spanStart, spanEnd} {
		span = protowire.AppendFixed64(protowire.AppendTag(span, num, protowire.Fixed64Type), at)
	}
	return text(nil, exportResourceSpans, text(nil, resourceSpansScopeSpans, text(nil, scopeSpansSpans, span)))
}

func TestIDsOfAnyLength(t *testing.T) {
	id := bytes.Repeat([]byte{1}, 20)
	for _, test := range []struct {
		trace, span, parent int
		want                spanReason
	}{
		{16, 8, 8, ownParent}, {16, 8, 0, spanGood}, {15, 8, 0, badTraceID}, {17, 8, 0, badTraceID}, {0, 8, 0, badTraceID},
		{16, 7, 0, badSpanID}, {16, 9, 0, badSpanID}, {16, 0, 0, badSpanID}, {16, 8, 7, badSpanID}, {16, 8, 9, badSpanID},
	} {
		w := &memory{}
		r := newReceiver(t, w)
		partial := answerOf(t, send(r, protobufType, "", rawSpan(id[:test.trace], id[:test.span], id[:test.parent])))
		if test.want == spanGood {
			if len(w.stored().Spans) != 1 {
				t.Errorf("%+v: %s", test, partial.ErrorMessage())
			}
			continue
		}
		counted(t, r.metrics.spansRejected, test.want.String(), 1)
		if len(w.records) != 0 || partial.RejectedSpans() != 1 {
			t.Errorf("%+v: %d records, %d rejected", test, len(w.records), partial.RejectedSpans())
		}
	}
}

func TestHostileSpans(t *testing.T) {
	years := func(y int) pcommon.Timestamp { return pcommon.NewTimestampFromTime(received.AddDate(y, 0, 0)) }
	for name, test := range map[string]struct {
		change func(ptrace.Span)
		check  func(*testing.T, *memory)
	}{
		"1970": {func(s ptrace.Span) { s.SetStartTimestamp(1) }, nil},
		"2300": {func(s ptrace.Span) { s.SetEndTimestamp(years(274)) }, nil},
		"10,000 attributes": {
			func(s ptrace.Span) {
				for i := range 10_000 {
					s.Attributes().PutStr(fmt.Sprintf("k%d", i), "v")
				}
			}, func(t *testing.T, w *memory) {
				t.Helper()
				m, err := w.stored().Spans[0].Attributes.Map()
				if err != nil || len(m) != maxAttributes || w.dropped != 10_003-maxAttributes {
					t.Errorf("%d attributes kept, %d dropped, %v", len(m), w.dropped, err)
				}
			},
		},
		"a value of 1 MB": {
			func(s ptrace.Span) { s.Attributes().PutStr("k", strings.Repeat("v", 1<<20)) }, func(t *testing.T, w *memory) {
				t.Helper()
				m, err := w.stored().Spans[0].Attributes.Map()
				if text, ok := m["k"].(string); err != nil || !ok || len(text) != maxValueBytes || w.dropped != 1 {
					t.Errorf("%d bytes kept, %d dropped, %v", len(text), w.dropped, err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			partial := answerOf(t, send(r, protobufType, "", protoOf(t, oneSpan(test.change))))
			if test.check == nil {
				counted(t, r.metrics.spansRejected, badTime.String(), 1)
				if partial.RejectedSpans() != 1 {
					t.Errorf("%d rejected", partial.RejectedSpans())
				}
				return
			}
			if len(w.stored().Spans) != 1 {
				t.Fatal("not stored")
			}
			test.check(t, w)
		})
	}
}

// Of two attributes of one name, which only a sender of its own protobuf can write, the first counts.
func TestNameTwice(t *testing.T) {
	kv := func(value string) []byte {
		v := protowire.AppendString(protowire.AppendTag(nil, valueString, protowire.BytesType), value)
		b := protowire.AppendString(protowire.AppendTag(nil, keyValueKey, protowire.BytesType), "name")
		return protowire.AppendBytes(protowire.AppendTag(b, keyValueValue, protowire.BytesType), v)
	}
	var a attributesText
	a.reset()
	for _, value := range []string{"first", "second"} {
		parsed, err := parseKeyValue(kv(value))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.add(&parsed, maxAttributes); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(a.finish()); got != `{"name":"first"}` || a.dropped != 1 {
		t.Errorf("%s, %d dropped", got, a.dropped)
	}
}

// Spans that share an id, or are each other's parents, are data: what they mean is judged later.
func TestCyclesAndDoubles(t *testing.T) {
	export := oneSpan(nil)
	all := export.Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	all.At(0).CopyTo(all.AppendEmpty())
	s := all.AppendEmpty()
	all.At(0).CopyTo(s)
	s.SetSpanID(all.At(0).ParentSpanID())
	s.SetParentSpanID(all.At(0).SpanID())
	w := &memory{}
	if partial := answerOf(t, send(newReceiver(t, w), protobufType, "", protoOf(t, export))); partial.RejectedSpans() != 0 || len(w.stored().Spans) != 3 {
		t.Errorf("%d rejected, %d stored", partial.RejectedSpans(), len(w.stored().Spans))
	}
}

func TestTraceOf100000Spans(t *testing.T) {
	const n = 100_000
	export := ptraceotlp.NewExportRequestFromTraces(ptrace.NewTraces())
	all := export.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	all.EnsureCapacity(n)
	for i := range n {
		s := all.AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1})
		id := pcommon.SpanID{1}
		binary.BigEndian.PutUint32(id[4:], uint32(i))
		s.SetSpanID(id)
		s.SetName("GET /cart")
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(received))
		s.SetEndTimestamp(s.StartTimestamp())
		s.Attributes().PutInt("i", int64(i))
		s.Attributes().PutStr("db.system.name", "postgresql")
	}
	body := protoOf(t, export)
	r := newReceiver(t, discard{})
	if partial := answerOf(t, send(r, protobufType, "gzip", gzipOf(t, body))); partial.RejectedSpans() != 0 {
		t.Errorf("%d spans rejected", partial.RejectedSpans())
	}
	before := heap()
	var d traceDecoder
	spans, err := d.decode(nil, body, received)
	if used := heap() - before; err != nil || len(spans) != n || used > 96<<20 {
		t.Errorf("%d spans in %d MiB, %v", len(spans), used>>20, err)
	}
	runtime.KeepAlive(spans)
	runtime.KeepAlive(body)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What entity_refs hold is read by no one, and must not take memory.
func TestEntityRefsAreBounded(t *testing.T) {
	refs := bytes.Repeat([]byte{0x1a, 0}, MaxTraceBytes/2-100) // resource.entity_refs, empty ones
	resource := protowire.AppendBytes([]byte{0x0a}, refs)
	body := protowire.AppendBytes([]byte{0x0a}, resource)
	r := newReceiver(t, &memory{})
	answerOf(t, send(r, protobufType, "", body))
	texts := fmt.Sprintf(`{"resourceSpans":[{"resource":{"entityRefs":[{"idKeys":[""%s]}]}}]}`, strings.Repeat(`,""`, maxTraceCommas+1))
	if rec := send(r, jsonType, "", []byte(texts)); rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d, want 413", rec.Code)
	}
}

func TestBeaconsOfAnotherTime(t *testing.T) {
	for _, start := range []string{"-1e15", "1e15", "NaN", "1e999", `"0"`} {
		w := &memory{}
		resp := post(t, newReceiver(t, w).Beacon(), "", envelope(strings.Replace(fetchEvent, `"start":412.5`, `"start":`+start, 1)))
		text := bodyOf(t, resp)
		stored := w.stored()
		if stored.Len() != 0 || resp.StatusCode == http.StatusAccepted && !strings.Contains(text, string(beacon.BadTime)) {
			t.Errorf("%s: %d %s", start, resp.StatusCode, text)
		}
	}
}

// A journal without room is the store's delay, and senders are told when to come again.
func TestFullJournal(t *testing.T) {
	r := newReceiver(t, &memory{err: errFull})
	for name, rec := range map[string]http.Header{
		"beacon": func() http.Header {
			resp := post(t, r.Beacon(), "", envelope(fetchEvent))
			defer resp.Body.Close()
			resp.Header.Set("Status", resp.Status)
			return resp.Header
		}(),
		"OTLP": func() http.Header {
			rec := send(r, protobufType, "", protoOf(t, oneSpan(nil)))
			rec.Header().Set("Status", rec.Result().Status)
			checkStatus(t, rec, protobufType, int(codes.ResourceExhausted))
			return rec.Header()
		}(),
	} {
		if !strings.HasPrefix(rec.Get("Status"), "429") || rec.Get("Retry-After") != "5" || rec.Get(RejectReasonHeader) != "journal_full" {
			t.Errorf("%s: %v", name, rec)
		}
	}
	counted(t, r.metrics.beaconsRejected, "journal_full", 1)
	counted(t, r.metrics.tracesRejected, "journal_full", 1)

	_, err := ptraceotlp.NewGRPCClient(dial(t, r)).Export(t.Context(), oneSpan(nil))
	s := status.Convert(err)
	if s.Code() != codes.ResourceExhausted || strings.Contains(s.Message(), "secret") || len(s.Details()) != 1 {
		t.Fatalf("%v, details %v", s, s.Details())
	}
	if info, ok := s.Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != retryAfter {
		t.Errorf("details %v, want RetryInfo of %v", s.Details(), retryAfter)
	}
}

// TestIDsInJSON: what is no id costs its span alone, as in protobuf, wherever it stands in the object.
func TestIDsInJSON(t *testing.T) {
	const trace, id, parent = `"traceId":"0102030405060708090a0b0c0d0e0f10"`, `"spanId":"0102030405060708"`, `"parentSpanId":"a1a2a3a4a5a6a7a8"`
	at := fmt.Sprintf(`"startTimeUnixNano":"%d","endTimeUnixNano":"%[1]d","name":"\"spanId\":\"x\"\\"`, received.UnixNano())
	for members, want := range map[string]spanReason{
		trace + `,` + id + `,` + parent:                                                         spanGood,
		trace + `,` + id + `,"parentSpanId":""`:                                                 spanGood,
		trace + `,` + id + `,"parentSpanId" : "00"`:                                             badSpanID,
		`"parentSpanId":"not a hex number",` + trace + "," + id:                                 badSpanID,
		`"parent_span_id":"00",` + trace + `,"span_id":"0102030405060708"`:                      badSpanID,
		trace + `,"spanId":"01020304050607"`:                                                    badSpanID,
		trace + `,"spanId":"\u0031102030405060708"`:                                             badSpanID,
		trace + `,"spanId":"x"`:                                                                 badSpanID,
		trace + `,"spanId":"\"},{"`:                                                             badSpanID,
		trace:                                                                                   badSpanID,
		`"traceId":"0102030405060708090a0b0c0d0e0f1",` + id:                                     badTraceID,
		`"trace_id" : ` + "\n" + `"0102030405060708090a0b0c0d0e0fzz",` + id:                     badTraceID,
		`"traceId":"",` + id:                                                                    badTraceID,
		`"traceId":"AQIDBAUGBwgJCgsMDQ4PEA==",` + id:                                            badTraceID, // base64, as protobuf's own JSON has bytes
		trace + `,` + id + `,"links":[{"traceId":"00","spanId":"00"},{}]`:                       spanGood,
		trace + `,` + id + `,"attributes":[{"key":"traceId","value":{"stringValue":"spanId"}}]`: spanGood,
		trace + `,` + id + `,"attributes":[{"key":"a","value":{"stringValue":"\"parentSpanId\":\"00\""}}]`: spanGood,
	} {
		r := newReceiver(t, &memory{})
		body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + members + `,` + at + `},{` + trace + `,` + id + `,` + at + `}]}]}]}`
		partial := answerOf(t, send(r, jsonType, "", []byte(body)))
		rejected := int64(0)
		if want != spanGood {
			rejected = 1
			counted(t, r.metrics.spansRejected, want.String(), 1)
		}
		if partial.RejectedSpans() != rejected {
			t.Errorf("%s: %d spans rejected (%s), want %d", members, partial.RejectedSpans(), partial.ErrorMessage(), rejected)
		}
	}
	for _, members := range []string{`"traceId":7`, `"spanId":{}`, `"parentSpanId":[""]`} {
		body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + members + `,` + at + `}]}]}]}`
		if w := send(newReceiver(t, &memory{}), jsonType, "", []byte(body)); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s, want 400", members, w.Code, w.Body)
		}
	}
}

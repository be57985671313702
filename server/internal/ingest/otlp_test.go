package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

const dtrEntry = string(tracecontext.DefaultTenant) + "@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"

// oneSpan returns an export of one good entry span, after change has seen it.
func oneSpan(change func(ptrace.Span)) ptraceotlp.ExportRequest {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "cart")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("otelhttp")
	s := ss.Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1, 2, 3})
	s.SetSpanID(pcommon.SpanID{4, 5})
	s.SetParentSpanID(pcommon.SpanID{6})
	s.SetName("GET /cart")
	s.SetKind(ptrace.SpanKindServer)
	s.SetFlags(0x301)
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(received.Add(-time.Second)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(received.Add(-900 * time.Millisecond)))
	s.TraceState().FromRaw("other=1," + dtrEntry)
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Attributes().PutStr("http.request.method", "GET")
	s.Attributes().PutStr("server.address", "Shop.example")
	s.Attributes().PutInt("server.port", 8443)
	if change != nil {
		change(s)
	}
	return ptraceotlp.NewExportRequestFromTraces(traces)
}

func protoOf(t testing.TB, e ptraceotlp.ExportRequest) []byte {
	t.Helper()
	body, err := e.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func jsonOf(t testing.TB, e ptraceotlp.ExportRequest) []byte {
	t.Helper()
	body, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func gzipOf(t testing.TB, body []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// send posts a body to /v1/traces.
func send(r *Receiver, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", encoding)
	w := httptest.NewRecorder()
	r.OTLP().ServeHTTP(w, req)
	return w
}

// answerOf decodes an ExportTraceServiceResponse.
func answerOf(t testing.TB, w *httptest.ResponseRecorder) ptraceotlp.ExportPartialSuccess {
	t.Helper()
	answer := ptraceotlp.NewExportResponse()
	decode := answer.UnmarshalProto
	if w.Header().Get("Content-Type") == jsonType {
		decode = answer.UnmarshalJSON
	}
	if err := decode(w.Body.Bytes()); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return answer.PartialSuccess()
}

func TestOTLPIsStored(t *testing.T) {
	export := oneSpan(nil)
	for name, test := range map[string]struct {
		contentType, encoding string
		body                  []byte
	}{
		"protobuf":        {protobufType, "", protoOf(t, export)},
		"protobuf, gzip":  {protobufType, "gzip", gzipOf(t, protoOf(t, export))},
		"JSON":            {jsonType, "", jsonOf(t, export)},
		"JSON, utf-8":     {jsonType + "; charset=utf-8", "identity", jsonOf(t, export)},
		"JSON, gzip":      {jsonType, "GZIP", gzipOf(t, jsonOf(t, export))},
		"protobuf, empty": {protobufType, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			answer := send(r, test.contentType, test.encoding, test.body)
			if partial := answerOf(t, answer); partial.RejectedSpans() != 0 || partial.ErrorMessage() != "" {
				t.Errorf("partial success: %d %s", partial.RejectedSpans(), partial.ErrorMessage())
			}
			if want, _, _ := strings.Cut(test.contentType, ";"); answer.Header().Get("Content-Type") != want {
				t.Errorf("answered in %s", answer.Header().Get("Content-Type"))
			}
			if test.body == nil {
				return
			}
			want := model.Span{
				TraceID: tracecontext.TraceID{1, 2, 3}, SpanID: tracecontext.SpanID{4, 5}, ParentSpanID: tracecontext.SpanID{6},
				Name: "GET /cart", Kind: model.SpanServer, Flags: 0x301,
				Start: received.Add(-time.Second), Duration: 100 * time.Millisecond, Received: received,
				TraceState: "other=1," + dtrEntry, DtrState: model.DtrValid,
				Service: "cart", Scope: "otelhttp", StatusCode: 2, Host: "shop.example:8443",
				Entry:      true,
				Attributes: `{"http.request.method":"GET","server.address":"Shop.example","server.port":8443}`,
				Resource:   `{"service.name":"cart"}`,
			}
			want.Dtr = model.Dtr{
				SpanID: tracecontext.SpanID{0x97, 0x03, 0x9b, 0xf8, 0x17, 0xc8, 0x58, 0x4a}, Sampled: true, ApplicationID: "745a78fe5b6e57f6",
				InstanceID: "1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F", SessionID: "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0",
			}
			if got := w.stored().Spans; len(got) != 1 || !reflect.DeepEqual(got[0], want) {
				t.Errorf("stored %+v\nwant   %+v", got, want)
			}
			if got := testutil.ToFloat64(r.metrics.spans); got != 1 {
				t.Errorf("%v spans counted, want 1", got)
			}
		})
	}
}

func TestOTLPSpansLeftOut(t *testing.T) {
	at := func(d time.Duration) pcommon.Timestamp { return pcommon.NewTimestampFromTime(received.Add(d)) }
	for name, test := range map[string]struct {
		change func(ptrace.Span)
		want   spanReason
	}{
		"good":                   {nil, spanGood},
		"no trace id":            {func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) }, badTraceID},
		"no span id":             {func(s ptrace.Span) { s.SetSpanID(pcommon.SpanID{}) }, badSpanID},
		"own parent":             {func(s ptrace.Span) { s.SetParentSpanID(s.SpanID()) }, ownParent},
		"root":                   {func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{}) }, spanGood},
		"no start":               {func(s ptrace.Span) { s.SetStartTimestamp(0) }, badTime},
		"no end":                 {func(s ptrace.Span) { s.SetEndTimestamp(0) }, badTime},
		"of next week":           {func(s ptrace.Span) { s.SetEndTimestamp(at(7 * 24 * time.Hour)) }, badTime},
		"of last year":           {func(s ptrace.Span) { s.SetStartTimestamp(at(-365 * 24 * time.Hour)) }, badTime},
		"past what Go can count": {func(s ptrace.Span) { s.SetEndTimestamp(math.MaxUint64) }, badTime},
		"ends before it starts":  {func(s ptrace.Span) { s.SetEndTimestamp(at(-2 * time.Second)) }, spanGood},
		"name too long":          {func(s ptrace.Span) { s.SetName(strings.Repeat("n", maxNameBytes+1)) }, badName},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			partial := answerOf(t, send(r, protobufType, "", protoOf(t, oneSpan(test.change))))
			stored := w.stored().Spans
			if test.want == spanGood {
				if len(stored) != 1 || partial.RejectedSpans() != 0 {
					t.Fatalf("stored %d, rejected %d", len(stored), partial.RejectedSpans())
				}
				if stored[0].Duration < 0 {
					t.Errorf("duration %v", stored[0].Duration)
				}
				return
			}
			if len(stored) != 0 || partial.RejectedSpans() != 1 || !strings.Contains(partial.ErrorMessage(), test.want.String()+" 1") {
				t.Errorf("stored %d, rejected %d: %s; want %s", len(stored), partial.RejectedSpans(), partial.ErrorMessage(), test.want)
			}
			counted(t, r.metrics.spansRejected, test.want.String(), 1)
		})
	}
}

func TestOTLPDtr(t *testing.T) {
	for name, test := range map[string]struct {
		traceState string
		state      model.DtrState
	}{
		"none":              {"", model.DtrAbsent},
		"of another tenant": {"11111111-22222222@dtr=1;97039bf817c8584a", model.DtrAbsent},
		"cut off":           {dtrEntry[:60], model.DtrInvalid},
		"good":              {dtrEntry, model.DtrValid},
		"among garbage":     {"=,,x y," + dtrEntry, model.DtrValid},
	} {
		w := &memory{}
		send(newReceiver(t, w), protobufType, "", protoOf(t, oneSpan(func(s ptrace.Span) { s.TraceState().FromRaw(test.traceState) })))
		if got := w.stored().Spans; len(got) != 1 || got[0].DtrState != test.state {
			t.Errorf("%s: state %q, want %q", name, got[0].DtrState, test.state)
		}
	}
}

func TestOTLPValues(t *testing.T) {
	w := &memory{}
	r := newReceiver(t, w)
	answerOf(t, send(r, protobufType, "", protoOf(t, oneSpan(func(s ptrace.Span) {
		a := s.Attributes()
		a.Clear()
		a.PutBool("bool", true)
		a.PutInt("int", math.MinInt64)
		a.PutDouble("double", 0.5)
		a.PutDouble("nan", math.NaN())
		a.PutDouble("infinite", math.Inf(-1))
		a.PutStr("text", "a\xffb")
		a.PutStr("long", strings.Repeat("ü", maxValueBytes))
		a.PutEmptyBytes("bytes").FromRaw([]byte{0, 255})
		list := a.PutEmptySlice("list")
		list.AppendEmpty().SetInt(1)
		list.AppendEmpty()
		list.AppendEmpty().SetEmptyMap().PutStr("k", "v")
		a.PutEmpty("empty")
		a.PutStr(strings.Repeat("k", maxKeyBytes+1), "")
		deep := a.PutEmptySlice("deep")
		for range maxValueDepth {
			deep = deep.AppendEmpty().SetEmptySlice()
		}
		wide := a.PutEmptySlice("wide")
		for range maxValueElements {
			wide.AppendEmpty().SetBool(true)
		}
		for i := range maxEvents + 5 {
			e := s.Events().AppendEmpty()
			e.SetName("event")
			e.SetTimestamp(s.StartTimestamp())
			e.Attributes().PutInt("i", int64(i))
		}
		s.SetName("caf\xe9")
		s.SetKind(99)
		s.Status().SetCode(-4)
		s.TraceState().FromRaw("a=\xff")
	}))))
	stored := w.stored().Spans
	if len(stored) != 1 {
		t.Fatalf("%d spans stored", len(stored))
	}
	s := stored[0]
	want := map[string]any{
		"bool": true, "int": int64(math.MinInt64), "double": 0.5, "nan": "NaN", "infinite": "-Infinity", "text": "a\ufffdb",
		"long": strings.Repeat("ü", maxValueBytes/2), "bytes": "AP8=", "list": []any{int64(1), nil, map[string]any{"k": "v"}},
	}
	if got, err := s.Attributes.Map(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("attributes %v", s.Attributes)
	}
	if s.Name != "caf\ufffd" || s.TraceState != "a=\ufffd" || s.Kind != model.SpanUnspecified || s.StatusCode != 0 || s.Host != "" {
		t.Errorf("span %+v", s)
	}
	if len(s.Events) != maxEvents || s.Events[0].Attributes != `{"i":0}` {
		t.Errorf("%d events", len(s.Events))
	}
	if want := 1 + 4 + 5; w.dropped != want { // cut; empty, key, deep, wide; events
		t.Errorf("%d attributes dropped, want %d", w.dropped, want)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Errorf("what is stored cannot be written as JSON: %v", err)
	}
}

func TestOTLPRefusals(t *testing.T) {
	good := protoOf(t, oneSpan(nil))
	goodJSON := jsonOf(t, oneSpan(nil))
	for name, test := range map[string]struct {
		method, path, contentType, encoding string
		body                                []byte
		status, code                        int
		reason                              string
	}{
		"metrics":              {path: "/v1/metrics", contentType: protobufType, status: 404, code: 12, reason: "not_found"},
		"get":                  {method: "GET", contentType: jsonType, status: 405, code: 12, reason: "method_not_allowed"},
		"no content type":      {body: good, status: 415, code: 3, reason: "unsupported_media_type"},
		"text":                 {contentType: "text/plain", body: goodJSON, status: 415, code: 3, reason: "unsupported_media_type"},
		"zstd":                 {contentType: protobufType, encoding: "zstd", body: good, status: 415, code: 3, reason: "unsupported_media_type"},
		"not gzip":             {contentType: protobufType, encoding: "gzip", body: good, status: 400, code: 3, reason: "malformed"},
		"gzip cut off":         {contentType: protobufType, encoding: "gzip", body: gzipOf(t, good)[:40], status: 400, code: 3, reason: "malformed"},
		"protobuf cut off":     {contentType: protobufType, body: good[:len(good)-3], status: 400, code: 3, reason: "malformed"},
		"JSON as protobuf":     {contentType: protobufType, body: goodJSON, status: 400, code: 3, reason: "malformed"},
		"protobuf as JSON":     {contentType: jsonType, body: good, status: 400, code: 3, reason: "malformed"},
		"JSON null":            {contentType: jsonType, body: []byte("null"), status: 400, code: 3, reason: "malformed"},
		"JSON empty":           {contentType: jsonType, status: 400, code: 3, reason: "malformed"},
		"JSON and junk":        {contentType: jsonType, body: append(bytes.Clone(goodJSON), "{}"...), status: 400, code: 3, reason: "malformed"},
		"JSON of wrong types":  {contentType: jsonType, body: []byte(`{"resourceSpans":[{"scopeSpans":7}]}`), status: 400, code: 3, reason: "malformed"},
		"JSON not UTF-8":       {contentType: jsonType, body: []byte("{\"x\":\"\xff\"}"), status: 400, code: 3, reason: "malformed"},
		"protobuf with groups": {contentType: protobufType, body: []byte{0x0b, 0x0c}, status: 400, code: 3, reason: "malformed"},
		"protobuf depth bomb":  {contentType: protobufType, body: protoBomb(100_000), status: 400, code: 3, reason: "malformed"},
		"JSON depth bomb":      {contentType: jsonType, body: jsonBomb(100_000), status: 400, code: 3, reason: "malformed"},
		"protobuf flood":       {contentType: protobufType, body: protoFlood(maxTraceSpans + 1), status: 413, code: 3, reason: "too_large"},
		"JSON flood":           {contentType: jsonType, body: jsonFlood(maxTraceObjects), status: 413, code: 3, reason: "too_large"},
		"too long":             {contentType: protobufType, body: make([]byte, MaxTraceBytes+1), status: 413, code: 3, reason: "too_large"},
		"gzip bomb":            {contentType: jsonType, encoding: "gzip", body: gzipOf(t, make([]byte, MaxTraceBytes+1)), status: 413, code: 3, reason: "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			if test.method == "" {
				test.method = http.MethodPost
			}
			if test.path == "" {
				test.path = "/v1/traces"
			}
			req := httptest.NewRequest(test.method, test.path, bytes.NewReader(test.body))
			req.Header.Set("Content-Type", test.contentType)
			req.Header.Set("Content-Encoding", test.encoding)
			rec := httptest.NewRecorder()
			r.OTLP().ServeHTTP(rec, req)
			if rec.Code != test.status || rec.Header().Get(RejectReasonHeader) != test.reason || len(w.records) != 0 {
				t.Errorf("%d %v, %d batches stored; want %d %s and none", rec.Code, rec.Header(), len(w.records), test.status, test.reason)
			}
			checkStatus(t, rec, test.contentType, test.code)
			counted(t, r.metrics.tracesRejected, test.reason, 1)
		})
	}
}

// checkStatus checks that a refusal is a google.rpc.Status in the request's encoding.
func checkStatus(t *testing.T, rec *httptest.ResponseRecorder, contentType string, code int) {
	t.Helper()
	if contentType == protobufType {
		var status rpcstatus.Status
		if err := proto.Unmarshal(rec.Body.Bytes(), &status); err != nil || int(status.GetCode()) != code || status.GetMessage() == "" {
			t.Errorf("%v: %v, want code %d", err, &status, code)
		}
		return
	}
	var status struct {
		Code                 int
		Message, Error, Hint string
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &status); err != nil || status.Code != code || status.Message != status.Error+". "+status.Hint || status.Hint == "" {
		t.Errorf("%v: %s, want code %d", err, rec.Body, code)
	}
}

// protoBomb nests lists in a span's attribute.
func protoBomb(depth int) []byte {
	wrap := func(body []byte, field protowire.Number) []byte {
		return append(protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(body))), body...)
	}
	// Built from the inside out with prepended headers, to be quick.
	size, headers := 0, make([][]byte, 0, 2*depth)
	for range depth {
		for _, field := range []protowire.Number{1, 5} {
			header := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(size))
			headers = append(headers, header)
			size += len(header)
		}
	}
	value := make([]byte, 0, size)
	for _, header := range slices.Backward(headers) {
		value = append(value, header...)
	}
	for _, field := range []protowire.Number{2, 9, 2, 2, 1} {
		value = wrap(value, field)
	}
	return value
}

func jsonBomb(depth int) []byte {
	return fmt.Appendf(nil, `{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":%s%s}]}]}]}]}`,
		strings.Repeat(`{"arrayValue":{"values":[`, depth), strings.Repeat(`]}}`, depth))
}

// protoFlood has n spans of two bytes each.
func protoFlood(n int) []byte {
	spans := bytes.Repeat([]byte{0x12, 0}, n)
	scope := append(protowire.AppendVarint([]byte{0x12}, uint64(len(spans))), spans...)
	return append(protowire.AppendVarint([]byte{0x0a}, uint64(len(scope))), scope...)
}

func jsonFlood(n int) []byte {
	return fmt.Appendf(nil, `{"resourceSpans":[{"scopeSpans":[{"spans":[{}%s]}]}]}`, strings.Repeat(",{}", n))
}

// A resource stands beside each of its spans, so that few bytes on the wire could
// fill memory and disk.
func TestOTLPResourceCopiesAreBounded(t *testing.T) {
	export := oneSpan(nil)
	rs := export.Traces().ResourceSpans().At(0)
	for i := range 100 {
		rs.Resource().Attributes().PutStr(fmt.Sprintf("k%d", i), strings.Repeat("x", maxValueBytes))
	}
	all := rs.ScopeSpans().At(0).Spans()
	for i := range 999 {
		s := all.AppendEmpty()
		all.At(0).CopyTo(s)
		s.SetSpanID(pcommon.SpanID{9, byte(i >> 8), byte(i)})
	}
	w := &memory{}
	answerOf(t, send(newReceiver(t, w), protobufType, "", protoOf(t, export)))
	stored, bytes := w.stored().Spans, 0
	for i := range stored {
		if stored[i].Service != "cart" {
			t.Fatalf("span %d lost its service", i)
		}
		bytes += len(stored[i].Resource)
	}
	if len(stored) != 1000 || bytes < maxResourceCopies*9/10 || bytes > maxResourceCopies {
		t.Errorf("%d spans with %d bytes of resources, want 1000 with at most %d", len(stored), bytes, maxResourceCopies)
	}
}

// slowBody is what net/http's body returns once the read deadline has passed.
type slowBody struct{ io.Reader }

func (b slowBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded)
	}
	return n, err
}

// An exporter gives a batch up on any 4xx, so a slow network must not be one.
func TestOTLPSlowBodyMayBeSentAgain(t *testing.T) {
	body := protoOf(t, oneSpan(nil))
	for encoding, sent := range map[string][]byte{"": body[:20], "gzip": gzipOf(t, body)[:20], "gzip, nothing yet": nil} {
		req := httptest.NewRequest(http.MethodPost, "/v1/traces", slowBody{bytes.NewReader(sent)})
		req.Header.Set("Content-Type", protobufType)
		req.Header.Set("Content-Encoding", strings.TrimSuffix(encoding, ", nothing yet"))
		w := httptest.NewRecorder()
		newReceiver(t, &memory{}).OTLP().ServeHTTP(w, req)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%q: %d, want 503 with Retry-After", encoding, w.Code)
		}
	}
}

func TestOTLPWhenTheJournalFails(t *testing.T) {
	for _, contentType := range []string{protobufType, jsonType} {
		var told error
		r := newReceiver(t, &memory{err: errJournal})
		r.OnError = func(err error) { told = err }
		body := protoOf(t, oneSpan(nil))
		if contentType == jsonType {
			body = jsonOf(t, oneSpan(nil))
		}
		rec := send(r, contentType, "", body)
		if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "5" || !errors.Is(told, errJournal) || strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("%d %v %s, told %v", rec.Code, rec.Header(), rec.Body, told)
		}
		checkStatus(t, rec, contentType, 14)
	}
}

func TestOTLPOverTheWire(t *testing.T) {
	w := &memory{}
	server := httptest.NewServer(newReceiver(t, w).OTLP())
	defer server.Close()
	resp, err := server.Client().Post(server.URL+"/v1/traces", protobufType, bytes.NewReader(protoOf(t, oneSpan(nil))))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || len(w.stored().Spans) != 1 {
		t.Errorf("%v, %d, %d spans stored", err, resp.StatusCode, len(w.stored().Spans))
	}
	server.Client().CloseIdleConnections()
}

func FuzzOTLP(f *testing.F) {
	seeds := [][]byte{
		protoOf(f, oneSpan(nil)), protoOf(f, oneSpan(func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) })),
		protoBomb(10), protoFlood(10), {8, 8}, jsonOf(f, oneSpan(nil)), jsonBomb(5), jsonFlood(5), []byte(`{"":{}}`), []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"1","parentSpanId":"2"}]}]}]}`), nil,
	}
	if len(seeds) < 8 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, seed := range seeds {
		f.Add(seed, protobufType)
		f.Add(seed, jsonType)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		w := &memory{}
		rec := send(newReceiver(t, w), contentType, "", body)
		stored := w.stored().Spans
		if rec.Code != http.StatusOK {
			if len(stored) != 0 || rec.Header().Get(RejectReasonHeader) == "" {
				t.Fatalf("%d with %d stored, %v", rec.Code, len(stored), rec.Header())
			}
			return
		}
		sent := ptraceotlp.NewExportRequest()
		decode := sent.UnmarshalProto
		if rec.Header().Get("Content-Type") == jsonType {
			decode = sent.UnmarshalJSON
			blankIDs(body)
		}
		if err := decode(body); err != nil {
			if rec.Header().Get("Content-Type") == protobufType {
				return // a field of another type is unknown (protobuf.dev, "Encoding"), and an error for this decoder
			}
			t.Fatal(err)
		}
		if rejected := answerOf(t, rec).RejectedSpans(); len(stored)+int(rejected) != sent.Traces().SpanCount() {
			t.Fatalf("stored %d and rejected %d of %d spans", len(stored), rejected, sent.Traces().SpanCount())
		}
		for _, s := range stored {
			if _, err := json.Marshal(s); err != nil {
				t.Fatalf("stored what cannot be written as JSON: %v", err)
			}
		}
	})
}

func BenchmarkOTLP(b *testing.B) {
	traces := ptrace.NewTraces()
	spans := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	one := oneSpan(nil).Traces().ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	for i := range 512 {
		s := spans.AppendEmpty()
		one.CopyTo(s)
		s.SetSpanID(pcommon.SpanID{7, byte(i >> 8), byte(i)})
	}
	export := ptraceotlp.NewExportRequestFromTraces(traces)
	for name, body := range map[string][]byte{protobufType: protoOf(b, export), jsonType: jsonOf(b, export)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			r := newReceiver(b, discard{})
			for b.Loop() {
				if rec := send(r, name, "", body); rec.Code != http.StatusOK {
					b.Fatal(rec.Code)
				}
			}
			b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
}

// TestServiceIsCut: the name that spans are known by is kept in memory, so it is short; its attribute stays whole.
func TestServiceIsCut(t *testing.T) {
	w := &memory{}
	long := strings.Repeat("s", maxValueBytes)
	traces := oneSpan(func(ptrace.Span) {})
	traces.Traces().ResourceSpans().At(0).Resource().Attributes().PutStr("service.name", long)
	answerOf(t, send(newReceiver(t, w), protobufType, "", protoOf(t, traces)))
	stored := w.stored().Spans
	if len(stored) != 1 || stored[0].Service != long[:maxServiceBytes] || !strings.Contains(string(stored[0].Resource), long) {
		t.Fatalf("%d spans, the first of the service %q", len(stored), stored[0].Service)
	}
}

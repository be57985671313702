package ingest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/beacon"
)

// typicalExport is n spans as otelhttp and a database client make them: of every five
// one SERVER span with a trace state, three CLIENT spans and one INTERNAL span with an event.
func typicalExport(n int) ptraceotlp.ExportRequest {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	for k, v := range map[string]string{
		"service.name": "checkout", "service.version": "2026.4.1", "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
		"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "go", "telemetry.sdk.version": "1.47.0",
		"host.name": "checkout-7d9f8b6c5-x2x8k", "k8s.namespace.name": "shop", "k8s.pod.name": "checkout-7d9f8b6c5-x2x8k", "deployment.environment.name": "production",
	} {
		rs.Resource().Attributes().PutStr(k, v)
	}
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")
	ss.Scope().SetVersion("0.70.0")
	for i := range n {
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, byte(i / 5 >> 8), byte(i / 5)})
		s.SetSpanID(pcommon.SpanID{4, byte(i >> 8), byte(i)})
		s.SetParentSpanID(pcommon.SpanID{6, byte(i / 5 >> 8), byte(i / 5)})
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(received.Add(-time.Second)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(received.Add(-900 * time.Millisecond)))
		a := s.Attributes()
		switch i % 5 {
		case 0:
			s.SetName("POST /api/checkout/{cart}")
			s.SetKind(ptrace.SpanKindServer)
			s.SetFlags(0x301)
			s.TraceState().FromRaw(dtrEntry)
			a.PutStr("http.request.method", "POST")
			a.PutStr("http.route", "/api/checkout/{cart}")
			a.PutStr("url.scheme", "https")
			a.PutStr("url.path", fmt.Sprintf("/api/checkout/%d", 1000+i))
			a.PutStr("server.address", "shop.example")
			a.PutInt("server.port", 443)
			a.PutStr("network.peer.address", "10.12.3.4")
			a.PutInt("network.peer.port", 51324)
			a.PutStr("network.protocol.version", "1.1")
			a.PutStr("client.address", "203.0.113.9")
			a.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36")
			a.PutInt("http.response.status_code", 200)
		case 1, 2, 3:
			s.SetName("SELECT shop.carts")
			s.SetKind(ptrace.SpanKindClient)
			s.SetFlags(0x101)
			a.PutStr("db.system.name", "postgresql")
			a.PutStr("db.namespace", "shop")
			a.PutStr("db.operation.name", "SELECT")
			a.PutStr("db.collection.name", "carts")
			a.PutStr("db.query.text", "SELECT id, owner, total, currency FROM carts WHERE id = $1 AND deleted_at IS NULL")
			a.PutStr("server.address", "db.internal")
			a.PutInt("server.port", 5432)
			a.PutInt("db.response.returned_rows", 1)
		default:
			s.SetName("applyDiscounts")
			s.SetKind(ptrace.SpanKindInternal)
			s.SetFlags(0x101)
			a.PutStr("cart.id", "c-48213")
			a.PutDouble("cart.total", 129.5)
			a.PutBool("cart.discounted", true)
			e := s.Events().AppendEmpty()
			e.SetName("discount applied")
			e.SetTimestamp(s.StartTimestamp())
			e.Attributes().PutStr("discount.code", "SPRING")
		}
	}
	return ptraceotlp.NewExportRequestFromTraces(traces)
}

const typicalBatch = 200

func BenchmarkTraceCheck(b *testing.B) {
	body := protoOf(b, typicalExport(typicalBatch))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	begin := cpuTime(b)
	for b.Loop() {
		c := traceCheck{window: windowAt(received)}
		if err := c.export(body); err != nil || c.accepted() != typicalBatch {
			b.Fatal(c, err)
		}
	}
	perItem(b, begin, typicalBatch, "span")
}

func BenchmarkTraceDecode(b *testing.B) {
	body := protoOf(b, typicalExport(typicalBatch))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var d traceDecoder
	var spans []model.Span
	begin := cpuTime(b)
	for b.Loop() {
		var err error
		if spans, err = d.decode(spans[:0], body, received); err != nil || len(spans) != typicalBatch {
			b.Fatal(len(spans), err)
		}
	}
	perItem(b, begin, typicalBatch, "span")
}

// perItem reports the processor time since begin for each item, garbage collection included.
func perItem(b *testing.B, begin time.Duration, items int, name string) {
	b.Helper()
	b.ReportMetric(float64((cpuTime(b)-begin).Nanoseconds())/float64(items)/float64(b.N), "cpu-ns/"+name)
}

// BenchmarkTraceExport is the whole handler, with a journal that forgets.
func BenchmarkTraceExport(b *testing.B) {
	export := typicalExport(typicalBatch)
	for _, c := range []struct {
		name, contentType, encoding string
		body                        []byte
	}{
		{"protobuf", protobufType, "", protoOf(b, export)},
		{"protobuf+gzip", protobufType, "gzip", gzipOf(b, protoOf(b, export))},
		{"json", jsonType, "", jsonOf(b, export)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			r := newReceiver(b, discard{})
			begin := cpuTime(b)
			for b.Loop() {
				if rec := send(r, c.contentType, c.encoding, c.body); rec.Code != http.StatusOK {
					b.Fatal(rec.Code)
				}
			}
			perItem(b, begin, typicalBatch, "span")
		})
	}
}

// BenchmarkBeacon has 20 events in a beacon, in the handler and in the Loader.
func BenchmarkBeacon(b *testing.B) {
	const events = 20
	body := twentyRequests()
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		r := newReceiver(b, discard{})
		begin := cpuTime(b)
		for b.Loop() {
			resp := post(b, r.Beacon(), "", body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				b.Fatal(resp.StatusCode)
			}
		}
		perItem(b, begin, events, "event")
	})
	b.Run("loader", func(b *testing.B) {
		b.ReportAllocs()
		record := eventsRecord(b, body, &recordHeader{received, visitor})
		d := newDecoder("")
		var batch store.Batch
		begin := cpuTime(b)
		for b.Loop() {
			batch = emptied(&batch)
			if _, err := d.decode(&batch, record); err != nil || batch.Len() != events {
				b.Fatal(batch.Len(), err)
			}
		}
		perItem(b, begin, events, "event")
	})
}

// twentyRequests is a beacon of a usual size.
func twentyRequests() string {
	events := make([]string, 20)
	for i := range events {
		events[i] = fmt.Sprintf(typicalRequest, i+1, 100+i)
	}
	return envelope(events...)
}

// eventsRecord is the record that is made of a beacon in JSON.
func eventsRecord(t testing.TB, body string, h *recordHeader) Record {
	t.Helper()
	decoded, err := beacon.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return Record{Position: 1, Kind: RecordEvents, Payload: append(appendRecord(nil, h), new(eventsCodec).encode(&decoded)...)}
}

const typicalRequest = `{"type":"request","id":"c3a1f0047be2%04x","start":%d.5,"duration":96.5,"request.kind":"fetch",` +
	`"url.full":"https://shop.example/api/cart/4711?utm=1","http.request.method":"GET","http.response.status_code":200,` +
	`"request.trace_context_hint":"set","request.server_timing_hint":"received",` +
	`"trace.id":"2fdcef91d451fdffd6e5e36abc6bb609","span.id":"97039bf817c8584a","request.server_timing.span_id":"83de6ae3bd4ef1c2",` +
	`"trace.is_sampled":true,"request.server_timing.response_id":-609157671,"performance.initiator_type":"fetch","performance.next_hop_protocol":"h2",` +
	`"performance.timing":{"fetch_start":0.5,"domain_lookup_start":0.5,"domain_lookup_end":0.5,"connect_start":0.5,"connect_end":0.5,"request_start":3.5,"response_start":90.5,"response_end":96.5},` +
	`"performance.transfer_size":1234,"performance.encoded_body_size":934,"performance.decoded_body_size":4934,"app.build":"2026.4.1"}`

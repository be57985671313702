package traffic

import (
	"fmt"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// maxSpans is how many spans the shop's longest trace has.
const maxSpans = 8

// The shop's services, and what each calls itself in its resource.
var services = []string{"storefront", "catalogue", "payments"}

const (
	storefront = iota
	catalogue
	payments
)

// The flags of OTLP beside the trace flags: whether the parent is known to be remote.
const (
	sampledRandom = 0x03
	hasIsRemote   = 0x100
	isRemote      = 0x200
)

const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"

// step is one span of the tree that every trace of the shop follows.
type step struct {
	service, parent int // parent: index of the step; -1: the request
	kind            tracepb.Span_SpanKind
	begin, end      float64 // parts of the request's duration
}

var steps = [maxSpans]step{
	{storefront, -1, tracepb.Span_SPAN_KIND_SERVER, 0.05, 0.9},
	{storefront, 0, tracepb.Span_SPAN_KIND_INTERNAL, 0.06, 0.2},
	{storefront, 0, tracepb.Span_SPAN_KIND_CLIENT, 0.2, 0.5},
	{catalogue, 2, tracepb.Span_SPAN_KIND_SERVER, 0.22, 0.48},
	{catalogue, 3, tracepb.Span_SPAN_KIND_CLIENT, 0.25, 0.45},
	{storefront, 0, tracepb.Span_SPAN_KIND_CLIENT, 0.5, 0.88},
	{payments, 5, tracepb.Span_SPAN_KIND_SERVER, 0.52, 0.86},
	{payments, 6, tracepb.Span_SPAN_KIND_INTERNAL, 0.6, 0.8},
}

// spans adds the spans that answer request r to the export's services.
func (v *Session) spans(r *Request, to *[3][]*tracepb.Span) {
	var ids [maxSpans]tracecontext.SpanID
	parent := r.SpanID
	state := ""
	if r.fromServer { // a document carries no context: its trace begins in the backend
		parent = tracecontext.SpanID{}
	} else {
		state = tracecontext.DefaultTenant.Key() + "=" + tracecontext.Dtr{
			SpanID: r.SpanID, Sampled: true, ApplicationID: applicationID, InstanceID: v.InstanceID, SessionID: v.SessionID,
		}.String()
	}
	for i := range r.Spans {
		s := &steps[i]
		if ids[i] = spanID(v.rnd); i == 0 {
			ids[i] = r.EntrySpan
		}
		span := &tracepb.Span{
			TraceId: r.TraceID[:], SpanId: append([]byte(nil), ids[i][:]...), TraceState: state,
			Kind: s.kind, Flags: sampledRandom | hasIsRemote,
			StartTimeUnixNano: nanos(r.Start.Add(part(r.Duration, s.begin))),
			EndTimeUnixNano:   nanos(r.Start.Add(part(r.Duration, s.end))),
		}
		if s.parent >= 0 {
			span.ParentSpanId = ids[s.parent][:]
		} else if !parent.IsZero() {
			span.ParentSpanId = parent[:]
		}
		if s.kind == tracepb.Span_SPAN_KIND_SERVER && len(span.ParentSpanId) > 0 {
			span.Flags |= isRemote
		}
		v.describe(span, i, r)
		to[s.service] = append(to[s.service], span)
	}
}

// describe gives step i of a trace its name and attributes.
func (v *Session) describe(span *tracepb.Span, i int, r *Request) {
	path := r.URL[len("https://"):]
	host := path[:indexByte(path, '/')]
	path = path[len(host):]
	switch span.Kind {
	case tracepb.Span_SPAN_KIND_SERVER:
		if i > 0 {
			host = services[steps[i].service] + ".internal"
		}
		span.Name = r.Method + " " + r.route
		span.Attributes = []*commonpb.KeyValue{
			text("http.request.method", r.Method), text("http.route", r.route), text("url.scheme", "https"), text("url.path", path),
			number("http.response.status_code", int64(r.Status)), text("server.address", host), number("server.port", 443),
			text("client.address", v.ClientAddress), text("network.protocol.version", "2"), text("user_agent.original", userAgent),
			number("http.response.body.size", int64(r.size)), text("network.peer.address", "10.4.17.22"),
		}
		if r.Status >= 500 {
			span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
			span.Events = []*tracepb.Span_Event{{
				Name: "exception", TimeUnixNano: span.EndTimeUnixNano,
				Attributes: []*commonpb.KeyValue{
					text("exception.type", "StockError"), text("exception.message", fmt.Sprintf("no stock for item %d", r.itemID)),
					text("exception.stacktrace", "at stock.reserve (stock.go:118)\nat cart.add (cart.go:52)\nat http.HandlerFunc (server.go:2294)"),
				},
			}}
		}
	case tracepb.Span_SPAN_KIND_CLIENT:
		if steps[i].service == catalogue {
			span.Name = "SELECT items"
			span.Attributes = []*commonpb.KeyValue{
				text("db.system.name", "postgresql"), text("db.namespace", "catalogue"), text("db.collection.name", "items"), text("db.operation.name", "SELECT"),
				text("db.query.text", "SELECT id, name, brand, price, currency, stock, updated_at FROM items WHERE id = $1 AND deleted_at IS NULL ORDER BY updated_at DESC LIMIT $2"),
				text("server.address", "db-0.catalogue.internal"), number("server.port", 5432), number("db.response.returned_rows", int64(r.itemID%50)),
				text("network.peer.address", "10.4.19.7"), number("network.peer.port", 5432), text("code.function.name", "catalogue/store.(*Items).ByID"),
			}
			return
		}
		host = services[steps[i+1].service] + ".internal"
		span.Name = r.Method
		span.Attributes = []*commonpb.KeyValue{
			text("http.request.method", r.Method), text("url.full", "http://"+host+":8080"+path), text("server.address", host), number("server.port", 8080),
			number("http.response.status_code", int64(r.Status)), text("network.protocol.version", "1.1"), text("network.peer.address", "10.4.18.9"),
			number("network.peer.port", 8080), number("http.response.body.size", int64(r.size)), text("user_agent.original", "Go-http-client/1.1"),
		}
	default:
		span.Name = "authorize"
		span.Attributes = []*commonpb.KeyValue{
			text("code.function.name", "shop/session.(*Store).Authorize"), text("code.file.path", "/src/shop/session/store.go"), number("code.line.number", 118),
			text("enduser.id", fmt.Sprintf("user-%d", r.itemID%20_000)), text("session.store", "redis"), flag("cache.hit", r.itemID%3 > 0),
			text("thread.name", fmt.Sprintf("worker-%d", r.itemID%16)), number("thread.id", int64(r.itemID%16)), text("feature_flag.key", "new-checkout"),
			text("feature_flag.result.variant", "on"),
		}
	}
}

func resource(service int) *resourcepb.Resource {
	name := services[service]
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
		text("service.name", name), text("service.namespace", "shop"), text("service.version", "1.14.2"),
		text("service.instance.id", "0d9ff5a2-6c0c-4c1c-9f0b-1d6bb7c6a10"+string('0'+byte(service))), //nolint:gosec // below 3
		text("telemetry.sdk.language", "go"), text("telemetry.sdk.name", "opentelemetry"), text("telemetry.sdk.version", "1.47.0"),
		text("k8s.pod.name", name+"-7d9f5c6b8-x2kqp"), text("k8s.namespace.name", "shop"), text("host.name", "node-17"), text("deployment.environment.name", "production"),
	}}
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}}}
}

func flag(key string, value bool) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: value}}}
}

func part(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }

func nanos(t time.Time) uint64 { return uint64(t.UnixNano()) }

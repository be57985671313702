package ingest

import (
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/throughline-rum/throughline/server/internal/model"
)

func kind(k ptrace.SpanKind) func(ptrace.Span) {
	return func(s ptrace.Span) { s.SetKind(k) }
}

// root makes a span of a kind without parent and flags.
func root(k ptrace.SpanKind) func(ptrace.Span) {
	return func(s ptrace.Span) {
		s.SetKind(k)
		s.SetFlags(0)
		s.SetParentSpanID(pcommon.SpanID{})
	}
}

func TestEntrySpans(t *testing.T) {
	type attributes = map[string]any
	for name, test := range map[string]struct {
		attributes attributes
		change     func(ptrace.Span)
		entry      bool
		route      string
		status     int
		host       string
	}{
		"HTTP server": {
			attributes{"http.request.method": "GET", "http.route": "/cart/{id}", "http.response.status_code": int64(200), "server.address": "shop.example"},
			kind(ptrace.SpanKindServer), true, "/cart/{id}", 200, "shop.example",
		},
		"HTTP server before 1.21": {
			attributes{"http.method": "GET", "http.route": "/cart/:id", "http.status_code": int64(503), "http.host": "shop.example:8080", "http.target": "/cart/1"},
			kind(ptrace.SpanKindServer), true, "/cart/:id", 503, "shop.example:8080",
		},
		"status as text":   {attributes{"http.method": "GET", "http.status_code": "404"}, kind(ptrace.SpanKindServer), true, "", 404, ""},
		"status absurd":    {attributes{"http.method": "GET", "http.status_code": int64(99999)}, kind(ptrace.SpanKindServer), true, "", 0, ""},
		"today's wins":     {attributes{"http.status_code": int64(500), "http.response.status_code": int64(200), "http.method": "GET"}, kind(ptrace.SpanKindServer), true, "", 200, ""},
		"HTTP client":      {attributes{"http.request.method": "GET", "server.address": "pay.example", "http.response.status_code": int64(200)}, root(ptrace.SpanKindClient), false, "", 200, ""},
		"consumer":         {attributes{"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.destination.name": "orders"}, root(ptrace.SpanKindConsumer), true, "process orders", 0, ""},
		"consumer, before": {attributes{"messaging.system": "kafka", "messaging.operation": "process", "messaging.destination": "orders"}, kind(ptrace.SpanKindConsumer), true, "process orders", 0, ""},
		"template":         {attributes{"messaging.system": "x", "messaging.destination.name": "q-17", "messaging.destination.template": "q-{n}"}, kind(ptrace.SpanKindConsumer), true, "q-{n}", 0, ""},
		"producer":         {attributes{"messaging.system": "kafka", "messaging.destination.name": "orders"}, root(ptrace.SpanKindProducer), false, "", 0, ""},
		"RPC server":       {attributes{"rpc.system": "grpc", "rpc.service": "shop.Cart", "rpc.method": "Get"}, kind(ptrace.SpanKindServer), true, "shop.Cart/Get", 0, ""},
		"RPC, full method": {attributes{"rpc.system.name": "grpc", "rpc.method": "shop.Cart/Get"}, kind(ptrace.SpanKindServer), true, "shop.Cart/Get", 0, ""},
		"remote parent":    {attributes{}, func(s ptrace.Span) { s.SetKind(ptrace.SpanKindInternal); s.SetFlags(0x301) }, true, "", 0, ""},
		"local parent":     {attributes{"http.route": "/x"}, func(s ptrace.Span) { s.SetKind(ptrace.SpanKindInternal); s.SetFlags(0x101) }, false, "/x", 0, ""},
		"remote not known": {attributes{}, func(s ptrace.Span) { s.SetKind(ptrace.SpanKindInternal); s.SetFlags(0x201) }, false, "", 0, ""},
		"internal root of HTTP": {
			attributes{"http.method": "GET", "http.target": "/cart", "http.host": "shop.example"}, root(ptrace.SpanKindInternal), true, "", 0, "shop.example",
		},
		"unspecified root of RPC":    {attributes{"rpc.system": "grpc", "rpc.service": "Cart", "rpc.method": "Get"}, root(ptrace.SpanKindUnspecified), true, "Cart/Get", 0, ""},
		"internal root of messaging": {attributes{"messaging.system": "sqs", "messaging.operation.type": "receive"}, root(ptrace.SpanKindInternal), true, "", 0, ""},
		"internal root that sends":   {attributes{"messaging.system": "sqs", "messaging.operation.type": "send"}, root(ptrace.SpanKindInternal), false, "", 0, ""},
		"internal root":              {attributes{"job": "nightly"}, root(ptrace.SpanKindInternal), false, "", 0, ""},
		"internal root that calls":   {attributes{"http.request.method": "GET", "url.full": "https://pay.example/"}, root(ptrace.SpanKindInternal), false, "", 0, ""},
		"route in the name":          {attributes{"http.method": "GET"}, func(s ptrace.Span) { s.SetName("GET /cart/{id}") }, true, "/cart/{id}", 0, ""},
		"route of Express":           {attributes{"http.method": "GET"}, func(s ptrace.Span) { s.SetName("GET /cart/:id") }, true, "/cart/:id", 0, ""},
		"path in the name":           {attributes{"http.method": "GET"}, func(s ptrace.Span) { s.SetName("GET /cart/4711") }, true, "", 0, ""},
		"port in the name":           {attributes{"http.method": "GET"}, func(s ptrace.Span) { s.SetName("GET /a:b/4711") }, true, "", 0, ""},
		"sentence in the name":       {attributes{"http.method": "GET"}, func(s ptrace.Span) { s.SetName("GET /cart {id}") }, true, "", 0, ""},
		"route too long":             {attributes{"http.route": "/" + strings.Repeat("a", 2*maxRouteBytes)}, nil, true, "/" + strings.Repeat("a", maxRouteBytes-1), 0, ""},
	} {
		s := spanOf(t, test.attributes, test.change)
		if s.Entry != test.entry || s.Route != test.route || s.HTTPStatus != test.status || s.Host != test.host {
			t.Errorf("%s: entry %v, route %q, status %d, host %q; want %v, %q, %d, %q", name, s.Entry, s.Route, s.HTTPStatus, s.Host, test.entry, test.route, test.status, test.host)
		}
	}
}

func TestVia(t *testing.T) {
	type attributes = map[string]any
	for name, test := range map[string]struct {
		attributes attributes
		want       string
	}{
		"none":                {attributes{}, ""},
		"hops":                {attributes{"http.request.header.via": []any{"1.1 varnish (Varnish/7), HTTP/2 edge.example:8080", "1.1 nginx"}}, "nginx, edge.example:8080, varnish"},
		"one text":            {attributes{"http.request.header.via": "1.1 varnish"}, "varnish"},
		"forwarded":           {attributes{"http.request.header.x-forwarded-for": []any{"203.0.113.9"}, "http.request.header.x_forwarded_proto": []any{"https"}}, "x-forwarded-for, x-forwarded-proto"},
		"vendor":              {attributes{"http.request.header.cf-ray": []any{"8a-FRA"}}, "cf-ray"},
		"answer":              {attributes{"http.response.header.via": []any{"1.1 google"}, "http.response.header.server": []any{"envoy"}}, "google, envoy"},
		"each once":           {attributes{"http.request.header.via": []any{"1.1 a, 1.1 a"}, "http.response.header.via": []any{"1.1 a"}}, "a"},
		"without a name":      {attributes{"http.request.header.via": []any{"", " , ,"}}, ""},
		"of the wrong type":   {attributes{"http.request.header.via": int64(1)}, ""},
		"too much":            {attributes{"http.request.header.via": []any{strings.Repeat("1.1 "+strings.Repeat("a", 300)+",", 3) + "1.1 b"}}, "b"},
		"too many":            {attributes{"http.request.header.via": []any{strings.Repeat("1.1 a,", maxHops) + "1.1 b"}}, "a"},
		"not UTF-8":           {attributes{"http.request.header.via": []any{"1.1 a\xff"}}, "a\ufffd"},
		"other request field": {attributes{"http.request.header.accept": []any{"text/html"}}, ""},
	} {
		test.attributes["http.request.method"] = "GET"
		if got := spanOf(t, test.attributes, nil).Via; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	s := spanOf(t, attributes{"http.request.header.via": []any{"1.1 a"}, "db.system": "x"}, kind(ptrace.SpanKindClient))
	if s.Via != "" || s.Kind != model.SpanClient {
		t.Errorf("%q on a span that is not of HTTP", s.Via)
	}
}

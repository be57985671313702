package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/proxy"
	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

const (
	traceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	requestSpan = "97039bf817c8584a"
	traceparent = "00-" + traceID + "-" + requestSpan + "-03"
	dtrMember   = "7468726f-75676800@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;" +
		"1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
)

// rig is a proxy in front of an upstream, both real servers.
type rig struct {
	url    string
	client *http.Client
	spans  *tracetest.InMemoryExporter
}

// start starts an upstream with a handler, and a proxy in front of it.
func start(t *testing.T, upstream http.Handler, change func(*proxy.Options)) *rig {
	t.Helper()
	backend := httptest.NewUnstartedServer(upstream)
	backend.Config.ErrorLog = quiet
	backend.Start()
	t.Cleanup(backend.Close)
	return front(t, backend.URL, change)
}

var quiet = log.New(io.Discard, "", 0)

// front starts a proxy in front of what is at an address.
func front(t *testing.T, upstream string, change func(*proxy.Options)) *rig {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	spans := tracetest.NewInMemoryExporter()
	transport := proxy.NewTransport(proxy.Timeouts{})
	t.Cleanup(transport.CloseIdleConnections)
	options := proxy.Options{
		Upstream:       target,
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		Transport:      transport,
		ErrorLog:       quiet,
	}
	if change != nil {
		change(&options)
	}
	handler, err := proxy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet
	server.Start()
	t.Cleanup(server.Close)
	client := server.Client()
	client.Timeout = 30 * time.Second
	client.Transport.(*http.Transport).DisableCompression = true
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &rig{server.URL, client, spans}
}

// do sends a request with these header fields, "Name: value" each.
func (r *rig) do(t *testing.T, method, path string, body io.Reader, fields ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			request.Host = value
		}
		request.Header.Add(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// pair returns the spans of the one request so far, when both have ended.
func (r *rig) pair(t *testing.T) (server, client tracetest.SpanStub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		if all := r.spans.GetSpans(); len(all) >= 2 {
			client, server = all[0], all[1] // in the order of their ends
			if server.SpanKind != trace.SpanKindServer || client.SpanKind != trace.SpanKindClient || len(all) > 2 {
				t.Fatalf("spans: %v", all)
			}
			return server, client
		}
		if ctx.Err() != nil {
			t.Fatalf("%d spans, want 2", len(r.spans.GetSpans()))
		}
		runtime.Gosched() // the answer is through a moment before its spans
	}
}

func attributesOf(span tracetest.SpanStub) map[string]string {
	m := make(map[string]string)
	for _, kv := range span.Attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// seen returns a handler that answers ok, and where it leaves what it was asked.
func seen() (http.Handler, <-chan *http.Request) {
	requests := make(chan *http.Request, 16)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		_, _ = io.WriteString(w, "ok")
	}), requests
}

// The trace goes from the browser's request through both spans to the upstream, and
// back to the page, which is told the entry span.
func TestContinuesTheTrace(t *testing.T) {
	handler, requests := seen()
	r := start(t, handler, nil)
	response := r.do(t, http.MethodGet, "/a?secret=1", nil, "traceparent: "+traceparent, "tracestate: "+dtrMember+",other=1")
	server, client := r.pair(t)
	got := <-requests

	if id := server.SpanContext.TraceID().String(); id != traceID || server.Parent.SpanID().String() != requestSpan {
		t.Errorf("SERVER span of trace %s under %v", id, server.Parent.SpanID())
	}
	if client.Parent.SpanID() != server.SpanContext.SpanID() || client.SpanContext.TraceID() != server.SpanContext.TraceID() {
		t.Errorf("CLIENT span under %v, want %v", client.Parent.SpanID(), server.SpanContext.SpanID())
	}
	parent, err := tracecontext.ParseTraceparent(got.Header.Get("Traceparent"))
	if err != nil || parent.ParentID.String() != client.SpanContext.SpanID().String() || parent.TraceID.String() != traceID {
		t.Errorf("upstream got traceparent %q, %v", got.Header.Values("Traceparent"), err)
	}
	if state := got.Header.Values("Tracestate"); !slices.Equal(state, []string{dtrMember + ",other=1"}) {
		t.Errorf("upstream got tracestate %q", state)
	}
	info := servertiming.Read(response.Header.Values("Server-Timing")...)
	if info.SpanID.String() != server.SpanContext.SpanID().String() || info.TraceID.String() != traceID {
		t.Errorf("Server-Timing = %q", response.Header.Values("Server-Timing"))
	}
	attributes := attributesOf(server)
	for key, want := range map[string]string{
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/a", "network.protocol.version": "1.1",
		"server.address": "127.0.0.1", "client.address": "127.0.0.1", "user_agent.original": "Go-http-client/1.1",
		"http.response.status_code": "200", "frontend.link.session.id": "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0",
	} {
		if attributes[key] != want {
			t.Errorf("%s = %q, want %q", key, attributes[key], want)
		}
	}
	if full := attributesOf(client)["url.full"]; !strings.HasSuffix(full, "/a") || attributesOf(client)["http.response.status_code"] != "200" {
		t.Errorf("CLIENT span has %v", attributesOf(client))
	}
	if server.Name != "GET" || server.Status.Code != codes.Unset {
		t.Errorf("SERVER span is named %q, status %v", server.Name, server.Status)
	}
}

func TestTrust(t *testing.T) {
	const plain = "other=1"
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, tt := range []struct {
		name       string
		trust      proxy.Trust
		peers      []netip.Prefix
		tracestate string
		continued  bool
	}{
		{"agent, with dtr", proxy.TrustAgent, nil, dtrMember, true},
		{"agent, with dtr that was altered", proxy.TrustAgent, nil, dtrMember[:len(dtrMember)-4], true},
		{"agent, without", proxy.TrustAgent, nil, plain, false},
		{"agent, dtr of another tenant", proxy.TrustAgent, nil, strings.Replace(dtrMember, "7468726f", "00000000", 1), false},
		{"agent, from a trusted peer", proxy.TrustAgent, loopback, plain, true},
		{"agent, from another peer", proxy.TrustAgent, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, plain, false},
		{"always", proxy.TrustAlways, nil, plain, true},
		{"always, no tracestate", proxy.TrustAlways, nil, "", true},
		{"never", proxy.TrustNever, loopback, dtrMember, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler, requests := seen()
			r := start(t, handler, func(o *proxy.Options) { o.Trust, o.TrustedPeers = tt.trust, tt.peers })
			r.do(t, http.MethodGet, "/", nil, "traceparent: "+traceparent, "tracestate: "+tt.tracestate)
			server, _ := r.pair(t)
			if got := server.SpanContext.TraceID().String() == traceID; got != tt.continued {
				t.Errorf("continued: %t", got)
			}
			upstream := (<-requests).Header
			if got := strings.Contains(upstream.Get("Traceparent"), traceID); got != tt.continued {
				t.Errorf("upstream got %q", upstream.Get("Traceparent"))
			}
			if want := map[bool]string{true: tt.tracestate}[tt.continued]; upstream.Get("Tracestate") != want {
				t.Errorf("upstream got tracestate %q, want %q", upstream.Get("Tracestate"), want)
			}
			if tt.continued {
				return
			}
			if server.Parent.IsValid() || len(server.Links) != 1 || server.Links[0].SpanContext.TraceID().String() != traceID {
				t.Errorf("a trace of its own has parent %v, links %v", server.Parent, server.Links)
			}
		})
	}
}

// What is no trace context starts a trace, and reaches neither span nor upstream.
func TestBadContext(t *testing.T) {
	members := make([]string, 100)
	for i := range members {
		members[i] = fmt.Sprintf("vendor%d=%d", i, i)
	}
	for _, tt := range []struct {
		name      string
		fields    []string
		continued bool
		state     string
	}{
		{name: "none"},
		{name: "malformed", fields: []string{"traceparent: 00-xyz", "tracestate: " + dtrMember}},
		{name: "all zero", fields: []string{"traceparent: 00-00000000000000000000000000000000-0000000000000000-00"}},
		{name: "two", fields: []string{"traceparent: " + traceparent, "traceparent: " + traceparent, "tracestate: " + dtrMember}},
		{name: "tracestate alone", fields: []string{"tracestate: " + dtrMember}},
		{name: "two fields of tracestate", fields: []string{"traceparent: " + traceparent, "tracestate: a=1", "tracestate: " + dtrMember}, continued: true, state: "a=1," + dtrMember},
		{name: "100 members, ours first", fields: []string{"traceparent: " + traceparent, "tracestate: " + dtrMember + "," + strings.Join(members, ",")}, continued: true, state: dtrMember},
		{name: "members of others are malformed", fields: []string{"traceparent: " + traceparent, "tracestate: A B=ü," + dtrMember}, continued: true, state: dtrMember},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler, requests := seen()
			r := start(t, handler, nil)
			response := r.do(t, http.MethodGet, "/", nil, tt.fields...)
			server, _ := r.pair(t)
			if got := server.SpanContext.TraceID().String() == traceID; got != tt.continued {
				t.Errorf("continued: %t", got)
			}
			upstream := (<-requests).Header
			if got := upstream.Values("Tracestate"); strings.Join(got, "|") != tt.state {
				t.Errorf("upstream got tracestate %q, want %q", got, tt.state)
			}
			if len(upstream.Values("Traceparent")) != 1 {
				t.Errorf("upstream got traceparent %q", upstream.Values("Traceparent"))
			}
			if info := servertiming.Read(response.Header.Values("Server-Timing")...); info.SpanID.String() != server.SpanContext.SpanID().String() {
				t.Errorf("Server-Timing = %q", response.Header.Values("Server-Timing"))
			}
		})
	}
}

// An unsampled context from outside is data: what is recorded here, the sampler says, and
// the page is told what that was.
func TestFlagFromOutsideIsData(t *testing.T) {
	for name, tt := range map[string]struct {
		sampler  sdktrace.Sampler
		recorded bool
	}{
		"by order":     {sdktrace.ParentBased(sdktrace.AlwaysSample()), false},
		"all the same": {sdktrace.ParentBased(sdktrace.AlwaysSample(), sdktrace.WithRemoteParentNotSampled(sdktrace.AlwaysSample())), true},
	} {
		t.Run(name, func(t *testing.T) {
			handler, requests := seen()
			r := start(t, handler, func(o *proxy.Options) {
				o.Trust = proxy.TrustAlways
				o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSampler(tt.sampler))
			})
			response := r.do(t, http.MethodGet, "/", nil, "traceparent: "+strings.TrimSuffix(traceparent, "03")+"00")
			info := servertiming.Read(response.Header.Values("Server-Timing")...)
			if info.TraceID.String() != traceID || info.Sampled == nil || *info.Sampled != tt.recorded {
				t.Errorf("Server-Timing = %q", response.Header.Values("Server-Timing"))
			}
			parent, err := tracecontext.ParseTraceparent((<-requests).Header.Get("Traceparent"))
			if err != nil || parent.TraceID.String() != traceID || parent.Flags.Sampled() != tt.recorded {
				t.Errorf("upstream got %v, %v", parent, err)
			}
		})
	}
}

// A handler between the two that the middleware links already: the page is told the
// proxy's span, which is the entry, and the upstream's own metrics are still there.
func TestUpstreamsServerTimingSurvives(t *testing.T) {
	own := sdktrace.NewTracerProvider()
	linked := throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Server-Timing", "db;dur=53")
		w.Header().Set("Timing-Allow-Origin", "https://shop.example")
		w.WriteHeader(http.StatusNotModified)
	}))
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := own.Tracer("").Start(r.Context(), "upstream", trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		linked.ServeHTTP(w, r.WithContext(ctx))
	}), nil)
	response := r.do(t, http.MethodGet, "/", nil)
	server, _ := r.pair(t)
	values := response.Header.Values("Server-Timing")
	if info := servertiming.Read(values...); info.SpanID.String() != server.SpanContext.SpanID().String() {
		t.Errorf("the page takes span %v, want the proxy's: %q", info.SpanID, values)
	}
	if len(values) != 3 || values[0] != "db;dur=53" {
		t.Errorf("Server-Timing = %q", values)
	}
	if got := response.Header.Values("Timing-Allow-Origin"); !slices.Equal(got, []string{"https://shop.example"}) {
		t.Errorf("Timing-Allow-Origin = %q", got)
	}
}

func TestForwarding(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	spoof := []string{"Host: shop.example", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", `Forwarded: for=192.0.2.1`}
	for _, tt := range []struct {
		name   string
		change func(*proxy.Options)
		want   map[string]string
	}{
		{"by default nobody is believed", nil, map[string]string{
			"Host": "shop.example", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example",
			"Forwarded": `for=127.0.0.1;host="shop.example";proto=http`, "Via": "",
		}},
		{"a trusted proxy", func(o *proxy.Options) { o.TrustedProxies, o.Via = loopback, "edge" }, map[string]string{
			"Host": "shop.example", "X-Forwarded-For": "192.0.2.1, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
			"Forwarded": `for=192.0.2.1, for=127.0.0.1;host="shop.example";proto=http`, "Via": "1.1 edge",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handler, requests := seen()
			r := start(t, handler, tt.change)
			response := r.do(t, http.MethodGet, "/", nil, spoof...)
			got := <-requests
			got.Header.Set("Host", got.Host)
			for name, want := range tt.want {
				if value := strings.Join(got.Header.Values(name), "|"); value != want {
					t.Errorf("%s = %q, want %q", name, value, want)
				}
			}
			if via := response.Header.Get("Via"); via != tt.want["Via"] {
				t.Errorf("Via of the answer = %q", via)
			}
		})
	}
	t.Run("the upstream's own host", func(t *testing.T) {
		handler, requests := seen()
		r := start(t, handler, func(o *proxy.Options) { o.RewriteHost = true })
		r.do(t, http.MethodGet, "/", nil, "Host: shop.example")
		if got := <-requests; got.Host == "shop.example" || got.Header.Get("X-Forwarded-Host") != "shop.example" {
			t.Errorf("Host = %q, X-Forwarded-Host = %q", got.Host, got.Header.Get("X-Forwarded-Host"))
		}
	})
	t.Run("headers of one hop", func(t *testing.T) {
		handler, requests := seen()
		r := start(t, handler, nil)
		r.do(t, http.MethodGet, "/", nil, "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Te: gzip", "Proxy-Authorization: x")
		got := (<-requests).Header
		for _, name := range []string{"X-Hop", "Keep-Alive", "Te", "Proxy-Authorization"} {
			if got.Get(name) != "" {
				t.Errorf("%s reached the upstream", name)
			}
		}
	})
}

// What the upstream answers arrives as it was.
func TestAnswersPass(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		serve  http.HandlerFunc
		status int
		body   string
		header map[string]string
	}{
		{name: "JSON", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{}")
		}, body: "{}", header: map[string]string{"Content-Type": "application/json", "Content-Length": "2"}},
		{name: "gzip stays gzip", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "not really")
		}, body: "not really", header: map[string]string{"Content-Encoding": "gzip"}},
		{name: "404", serve: http.NotFound, status: 404, body: "404 page not found\n"},
		{name: "500", serve: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, status: 500, body: "no\n"},
		{name: "redirect", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/there")
			w.WriteHeader(http.StatusFound)
		}, status: 302, header: map[string]string{"Location": "/there"}},
		{name: "HEAD", method: http.MethodHead, serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
		}, header: map[string]string{"Content-Length": "5"}},
		{name: "204", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, status: 204},
		{name: "cookies", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
		}, header: map[string]string{"Set-Cookie": "a=1|b=2"}},
		{name: "64 KB of Server-Timing", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Before", "1")
			for range 64 {
				w.Header().Add("Server-Timing", strings.Repeat("x", 1020))
			}
		}, header: map[string]string{"X-Before": "1"}},
		{name: "a method that nobody knows", method: "BREW", serve: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Method)
		}, body: "BREW"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, tt.serve, nil)
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			response := r.do(t, method, "/", nil)
			status := tt.status
			if status == 0 {
				status = http.StatusOK
			}
			if got := text(t, response); got != tt.body || response.StatusCode != status {
				t.Errorf("%d %q, want %d %q", response.StatusCode, got, status, tt.body)
			}
			for name, want := range tt.header {
				if got := strings.Join(response.Header.Values(name), "|"); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			server, client := r.pair(t)
			if info := servertiming.Read(response.Header.Values("Server-Timing")...); info.SpanID.String() != server.SpanContext.SpanID().String() {
				t.Errorf("Server-Timing names %v", info.SpanID)
			}
			wantError := map[bool]codes.Code{true: codes.Error}
			if server.Status.Code != wantError[status >= 500] || client.Status.Code != wantError[status >= 400] {
				t.Errorf("statuses of the spans: %v, %v", server.Status, client.Status)
			}
			if method == "BREW" && (server.Name != "HTTP" || attributesOf(server)["http.request.method"] != "_OTHER") {
				t.Errorf("span %s of an unknown method: %v", server.Name, attributesOf(server))
			}
		})
	}
}

func TestTrailers(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Announced")
		_, _ = io.WriteString(w, "x")
		w.Header().Set("X-Announced", r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}), nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	request.Trailer = http.Header{"X-Sent": {"1"}}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text(t, response); response.Trailer.Get("X-Announced") != "1" || response.Trailer.Get("X-Late") != "2" {
		t.Errorf("trailers = %v", response.Trailer)
	}
}

func TestInterimAnswers(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.Copy(w, r.Body) // which sends 100 Continue
	}), nil)
	var interim []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got100Continue: func() { interim = append(interim, 100) },
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints && header.Get("Link") == "" {
				t.Errorf("103 with %v", header)
			}
			if header.Get("Server-Timing") != "" {
				t.Errorf("%d with Server-Timing", code)
			}
			interim = append(interim, code)
			return nil
		},
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue")
	r.client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := text(t, response); got != "body" || !slices.Contains(interim, 103) || !slices.Contains(interim, 100) {
		t.Errorf("body %q after %v", got, interim)
	}
	if len(response.Header.Values("Server-Timing")) != 1 {
		t.Errorf("Server-Timing = %q", response.Header.Values("Server-Timing"))
	}
}

// A switch of protocols is a tunnel; its spans last as long.
func TestUpgrade(t *testing.T) {
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	}), nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Server-Timing") != "" {
		t.Fatalf("%v, %v", response, err)
	}
	if n := len(r.spans.GetSpans()); n != 0 {
		t.Errorf("%d spans ended while the tunnel is open", n)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if got, err := io.ReadAll(reader); err != nil || string(got) != "echo hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = conn.Close()
	server, _ := r.pair(t)
	if got := attributesOf(server)["http.response.status_code"]; got != "101" || server.Status.Code == codes.Error {
		t.Errorf("status %s, %v", got, server.Status)
	}
}

// Each event is passed on when it comes, not when there are many.
func TestServerSentEvents(t *testing.T) {
	more := make(chan struct{})
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	}), nil)
	response := r.do(t, http.MethodGet, "/", nil)
	reader := bufio.NewReader(response.Body)
	for range 3 {
		if line, err := reader.ReadString('\n'); err != nil || line != "data: x\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = reader.ReadString('\n')
		more <- struct{}{}
	}
}

func TestProtocols(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	t.Run("h2c to the upstream", func(t *testing.T) {
		backend := httptest.NewUnstartedServer(handler)
		backend.Config.Protocols = new(http.Protocols)
		backend.Config.Protocols.SetUnencryptedHTTP2(true)
		backend.Start()
		t.Cleanup(backend.Close)
		transport := proxy.NewH2CTransport(proxy.Timeouts{})
		t.Cleanup(transport.CloseIdleConnections)
		r := front(t, strings.Replace(backend.URL, "http://", "h2c://", 1), func(o *proxy.Options) { o.Transport = transport })
		if got := text(t, r.do(t, http.MethodGet, "/", nil)); got != "HTTP/2.0" {
			t.Errorf("the upstream was asked by %s", got)
		}
	})
	t.Run("HTTP/2 from the client", func(t *testing.T) {
		backend := httptest.NewServer(handler)
		t.Cleanup(backend.Close)
		target, _ := url.Parse(backend.URL)
		spans := tracetest.NewInMemoryExporter()
		transport := proxy.NewTransport(proxy.Timeouts{})
		t.Cleanup(transport.CloseIdleConnections)
		handler, err := proxy.New(proxy.Options{Upstream: target, Transport: transport, TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(handler)
		server.EnableHTTP2 = true
		server.StartTLS()
		t.Cleanup(server.Close)
		r := &rig{server.URL, server.Client(), spans}
		response := r.do(t, http.MethodGet, "/", nil)
		if got := text(t, response); got != "HTTP/1.1" || response.Proto != "HTTP/2.0" {
			t.Errorf("upstream by %s, client by %s", got, response.Proto)
		}
		span, _ := r.pair(t)
		if a := attributesOf(span); a["network.protocol.version"] != "2" || a["url.scheme"] != "https" {
			t.Errorf("attributes %v", a)
		}
	})
}

// An upstream that is not there, silent, or wrong: a clear answer, and a span that says so.
func TestUpstreamFails(t *testing.T) {
	raw := func(answer string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}
	hold := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for _, tt := range []struct {
		name   string
		serve  func(net.Conn) // nil: nobody listens
		status int            // 0: the answer breaks off
		cause  string
	}{
		{"nobody listens", nil, 502, "upstream_unreachable"},
		{"silent", hold, 504, "timeout"},
		{"closes at once", func(conn net.Conn) { _ = conn.Close() }, 502, "upstream_unreachable"},
		{"no HTTP", raw("SSH-2.0-OpenSSH\r\n\r\n"), 502, "upstream_unreachable"},
		{"a header that is none", raw("HTTP/1.1 200 OK\r\nbad header\r\n\r\n"), 502, "upstream_unreachable"},
		{"two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), 502, "upstream_unreachable"},
		{"switches unasked", raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), 502, "upstream_answer"},
		{"shorter than it says", raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), 0, "aborted"},
		{"stops in a chunk", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"), 0, "aborted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if tt.serve == nil {
				_ = listener.Close()
			} else {
				t.Cleanup(func() { _ = listener.Close() })
				go func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						go tt.serve(conn)
					}
				}()
			}
			told := make(chan error, 16)
			r := front(t, "http://"+listener.Addr().String(), func(o *proxy.Options) {
				o.OnFailure = func(err error) { told <- err }
				transport := proxy.NewTransport(proxy.Timeouts{Answer: 50 * time.Millisecond})
				t.Cleanup(transport.CloseIdleConnections)
				o.Transport = transport
			})
			for _, accept := range []string{"text/html,*/*", "application/json"} {
				r.spans.Reset()
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/<script>", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Accept", accept)
				var body []byte
				response, err := r.client.Do(request)
				if err == nil { // the headers may not have gone out when the answer broke off
					body, err = io.ReadAll(response.Body)
					_ = response.Body.Close()
				}
				server, client := r.pair(t)
				if got := attributesOf(server)["error.type"]; got != tt.cause || server.Status.Code != codes.Error || client.Status.Code != codes.Error {
					t.Errorf("error.type = %q, want %q; %v, %v", got, tt.cause, server.Status, client.Status)
				}
				if tt.status == 0 {
					if err == nil {
						t.Errorf("the answer ends as if it were whole: %q", body)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := <-told; err == nil {
					t.Error("nobody is told why")
				}
				if response.StatusCode != tt.status || !strings.Contains(string(body), server.SpanContext.TraceID().String()) {
					t.Errorf("%d %s", response.StatusCode, body)
				}
				if got := strings.HasPrefix(string(body), "<!doctype html>"); got != strings.Contains(accept, "html") {
					t.Errorf("to %s: %s", accept, body)
				}
				if strings.Contains(string(body), listener.Addr().String()) || strings.Contains(string(body), "<script>") {
					t.Errorf("the page tells too much: %s", body)
				}
				if info := servertiming.Read(response.Header.Values("Server-Timing")...); info.Outcome != servertiming.Received {
					t.Errorf("Server-Timing = %q", response.Header.Values("Server-Timing"))
				}
			}
		})
	}
}

// A client that goes is no failure of the upstream.
func TestClientGoes(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-asked
		cancel()
	}()
	if response, err := r.client.Do(request); !errors.Is(err, context.Canceled) {
		_ = response.Body.Close()
		t.Fatal(err)
	}
	<-gone
	server, _ := r.pair(t)
	if a := attributesOf(server); a["http.response.status_code"] != "499" || server.Status.Code == codes.Error {
		t.Errorf("%v, %v", a, server.Status)
	}
}

// Bodies pass through a buffer, whatever their size.
func TestMemoryIsConstant(t *testing.T) {
	const size = 200 << 20
	r := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = io.CopyN(w, zeros{}, n)
	}), nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; n != size || err != nil || grown > 8<<20 {
		t.Errorf("%d bytes, %v; %d allocated", n, err, grown)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOptions(t *testing.T) {
	provider := sdktrace.NewTracerProvider()
	for name, o := range map[string]proxy.Options{
		"no upstream":       {TracerProvider: provider},
		"a path":            {TracerProvider: provider, Upstream: &url.URL{Path: "/x"}},
		"another scheme":    {TracerProvider: provider, Upstream: &url.URL{Scheme: "ftp", Host: "x"}},
		"no TracerProvider": {Upstream: &url.URL{Scheme: "http", Host: "x"}},
		"Via is no token":   {TracerProvider: provider, Upstream: &url.URL{Scheme: "http", Host: "x"}, Via: "a\r\nb"},
	} {
		if _, err := proxy.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, name := range []string{"agent", "always", "never"} {
		if trust, err := proxy.ParseTrust(name); err != nil || trust.String() != name {
			t.Errorf("%s: %v, %v", name, trust, err)
		}
	}
	if _, err := proxy.ParseTrust("sometimes"); err == nil {
		t.Error("no error for an unknown policy")
	}
}

// The path of the upstream goes before that of the request, and what the client wrote
// stays as it was.
func TestPaths(t *testing.T) {
	for _, path := range []string{"/", "/a/b?c=d&c=e", "/a%2Fb", "/a//b/../c", "/%E2%82%AC?q=%20+"} {
		got := make(chan string, 1)
		r := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.RequestURI }), func(o *proxy.Options) { o.Upstream.Path = "/base" })
		r.do(t, http.MethodGet, path, nil)
		if uri := <-got; uri != "/base"+path {
			t.Errorf("%s arrives as %s", path, uri)
		}
	}
}

// What goes around the upstream's answers sees them, inside of the span.
func TestWrap(t *testing.T) {
	handler, _ := seen()
	r := start(t, handler, func(o *proxy.Options) {
		o.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				trace.SpanFromContext(r.Context()).SetAttributes(attribute.Bool("wrapped", true))
				recorder := httptest.NewRecorder()
				next.ServeHTTP(recorder, r)
				_, _ = w.Write(bytes.ToUpper(recorder.Body.Bytes()))
			})
		}
	})
	if got := text(t, r.do(t, http.MethodGet, "/", nil)); got != "OK" {
		t.Errorf("got %q", got)
	}
	if server, _ := r.pair(t); attributesOf(server)["wrapped"] != "true" {
		t.Errorf("attributes %v", attributesOf(server))
	}
}

// slowSender is a transport that looks for the end of a request's body, as http.Transport
// does, only when the beginning of the answer has reached the client.
type slowSender struct{}

func (slowSender) RoundTrip(request *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(io.LimitReader(request.Body, request.ContentLength))
	if err != nil {
		return nil, err
	}
	past := readerFunc(func(p []byte) (int, error) { return request.Body.Read(p) })
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1,
		Body: io.NopCloser(io.MultiReader(bytes.NewReader(sent), past)), Request: request,
	}, nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestAnswerIsQuickerThanTheEndOfTheRequest: an upstream that has got as much as was
// announced may answer at once, and its answer is whole.
func TestAnswerIsQuickerThanTheEndOfTheRequest(t *testing.T) {
	r := start(t, http.NotFoundHandler(), func(o *proxy.Options) { o.Transport = slowSender{} })
	if got := text(t, r.do(t, http.MethodPost, "/", strings.NewReader("name=merino"))); got != "name=merino" {
		t.Errorf("the answer is %q", got)
	}
}

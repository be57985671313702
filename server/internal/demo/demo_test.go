package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/net/html"
)

const testApplication = "745a78fe5b6e57f6"

// collector is an OTLP/HTTP endpoint that keeps what it gets.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []collected
}

type collected struct {
	ptrace.Span
	service string
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
			http.NotFound(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		req := ptraceotlp.NewExportRequest()
		if err == nil {
			err = req.UnmarshalProto(body)
		}
		if err != nil {
			t.Errorf("OTLP request: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, rs := range req.Traces().ResourceSpans().All() {
			service, _ := rs.Resource().Attributes().Get("service.name")
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					c.spans = append(c.spans, collected{s, service.Str()})
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// find returns the one span that fits.
func (c *collector) find(t *testing.T, service, name string, kind ptrace.SpanKind) collected {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []collected
	var names []string
	for _, s := range c.spans {
		names = append(names, s.service+": "+s.Kind().String()+" "+s.Name())
		if s.service == service && s.Name() == name && s.Kind() == kind {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans %s %q of %s, want 1; there are:\n%s", len(found), kind, name, service, strings.Join(names, "\n"))
	}
	return found[0]
}

func start(t *testing.T) (*Shop, *collector) {
	t.Helper()
	c := newCollector(t)
	s, err := Start(t.Context(), Config{
		ServerURL:     "http://127.0.0.1:8318/",
		OTLPEndpoint:  c.URL,
		ApplicationID: testApplication,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return s, c
}

func shutdown(t *testing.T, s *Shop) {
	t.Helper()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are pairs of name and value.
func do(t *testing.T, method, target, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("answer %d %q: %v", a.status, a.body, err)
	}
	return v
}

func TestHomePage(t *testing.T) {
	s, _ := start(t)
	page := do(t, http.MethodGet, s.URLs.Shop+"/", "")
	if page.status != http.StatusOK {
		t.Fatalf("status %d: %s", page.status, page.body)
	}
	for _, name := range []string{"Merino skein, fern", "€14.50", "/product/mystery-parcel"} {
		if !strings.Contains(page.body, name) {
			t.Errorf("the page does not show %q", name)
		}
	}

	first := firstInHead(t, page.body)
	want := map[string]string{
		"src":                           "http://127.0.0.1:8318/throughline.js",
		"data-application-id":           testApplication,
		"data-endpoint":                 "http://127.0.0.1:8318/beacon",
		"data-allow-query-parameters":   "id category",
		"data-cross-origin-url-pattern": "^" + regexp.QuoteMeta(s.URLs.Payments) + "/",
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first element of head (-want +got):\n%s", diff)
	}
	if !regexp.MustCompile(first["data-cross-origin-url-pattern"]).MatchString(s.URLs.Payments + "/pay") {
		t.Error("the allow pattern does not match the payments origin")
	}
}

// firstInHead returns the attributes of the script that head starts with.
func firstInHead(t *testing.T, page string) map[string]string {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(page))
	inHead := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			t.Fatalf("no element in head: %v", z.Err())
		case html.StartTagToken:
			tok := z.Token()
			if !inHead {
				inHead = tok.Data == "head"
				continue
			}
			if tok.Data != "script" {
				t.Fatalf("head starts with %s, want script", tok.Data)
			}
			attrs := map[string]string{}
			for _, a := range tok.Attr {
				attrs[a.Key] = a.Val
			}
			return attrs
		}
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	s, _ := start(t)
	want := "default-src 'none'; script-src 'self' http://127.0.0.1:8318; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self' http://127.0.0.1:8318 " + s.URLs.Payments + " " + s.URLs.Partner +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	for _, path := range []string{"/", "/category/yarn", "/product/linen-thread", "/product/mystery-parcel", "/nowhere"} {
		page := do(t, http.MethodGet, s.URLs.Shop+path, "")
		if got := page.header.Get("Content-Security-Policy"); got != want {
			t.Errorf("GET %s: Content-Security-Policy\n got %s\nwant %s", path, got, want)
		}
		if strings.Contains(page.body, "<style") || strings.Contains(page.body, " style=") || strings.Contains(page.body, " onclick=") {
			t.Errorf("GET %s has inline style or script", path)
		}
	}
}

// TestAnswers pins status, freshness and the presence of trace information on
// every answer that the driven visit and a curious person get.
func TestAnswers(t *testing.T) {
	s, _ := start(t)
	tests := []struct {
		method, url, body string
		status            int
	}{
		{"GET", s.URLs.Shop + "/", "", 200},
		{"GET", s.URLs.Shop + "/category/yarn", "", 200},
		{"GET", s.URLs.Shop + "/category/wool", "", 404},
		{"GET", s.URLs.Shop + "/product/merino-skein", "", 200},
		{"GET", s.URLs.Shop + "/product/mystery-parcel", "", 500},
		{"GET", s.URLs.Shop + "/product/unheard-of", "", 404},
		{"GET", s.URLs.Shop + "/product/%2e%2e%2fstock", "", 404},
		{"GET", s.URLs.Shop + "/nowhere", "", 404},
		{"GET", s.URLs.Shop + "/static/shop.css", "", 200},
		{"GET", s.URLs.Shop + "/static/shop.js", "", 200},
		{"GET", s.URLs.Shop + "/static/products/merino-skein.svg", "", 200},
		{"GET", s.URLs.Shop + "/static/../templates/page.html", "", 404},
		{"GET", s.URLs.Shop + "/api/products", "", 200},
		{"GET", s.URLs.Shop + "/api/stock?id=merino-skein", "", 200},
		{"GET", s.URLs.Shop + "/api/stock?id=none", "", 404},
		{"POST", s.URLs.Shop + "/api/cart", `{"items":[{"id":"merino-skein","quantity":2}]}`, 200},
		{"POST", s.URLs.Shop + "/api/cart", `{"items":[{"id":"merino-skein","quantity":100}]}`, 422},
		{"POST", s.URLs.Shop + "/api/cart", `{"items":[{"id":"none","quantity":1}]}`, 422},
		{"POST", s.URLs.Shop + "/api/cart", `{`, 400},
		{"POST", s.URLs.Shop + "/api/cart", `{"items":"` + strings.Repeat("x", maxBody) + `"}`, 400},
		{"POST", s.URLs.Shop + "/api/voucher", `{"code":"THREAD10"}`, 500},
		{"POST", s.URLs.Shop + "/api/voucher", `{"code":""}`, 400},
		{"GET", s.URLs.Payments + "/methods", "", 200},
		{"POST", s.URLs.Payments + "/pay", `{"amount_cents":1450,"method":"card"}`, 201},
		{"POST", s.URLs.Payments + "/pay", `{"amount_cents":-1,"method":"card"}`, 422},
		{"POST", s.URLs.Payments + "/pay", `{"amount_cents":1,"method":"shells"}`, 422},
		{"POST", s.URLs.Payments + "/pay", `nonsense`, 400},
	}
	for _, tt := range tests {
		a := do(t, tt.method, tt.url, tt.body)
		if a.status != tt.status {
			t.Errorf("%s %s: status %d, want %d: %s", tt.method, tt.url, a.status, tt.status, a.body)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s %s: Cache-Control %q, want no-store", tt.method, tt.url, got)
		}
		timing := strings.Join(a.header.Values("Server-Timing"), ", ")
		for _, entry := range []string{"dtTrId;", "dtSInfo;", "dtRpid;", "trace;", "now;"} {
			if !strings.Contains(timing, entry) {
				t.Errorf("%s %s: Server-Timing %q lacks %s", tt.method, tt.url, timing, entry)
			}
		}
	}
}

// TestCategoryIsServedAsItsViewShowsIt: a view that a page's script made is the same when it is loaded anew.
func TestCategoryIsServedAsItsViewShowsIt(t *testing.T) {
	s, _ := start(t)
	list := decode[productList](t, do(t, http.MethodGet, s.URLs.Shop+"/api/products?category=Tools", ""))
	if len(list.Products) != 2 || list.Products[0].Category != "Tools" || list.Products[1].Category != "Tools" {
		t.Errorf("products of one category: %+v", list.Products)
	}
	page := do(t, http.MethodGet, s.URLs.Shop+"/category/tools", "")
	for _, p := range assortment {
		hidden := strings.Contains(page.body, `data-id="`+p.ID+`" hidden>`)
		if hidden == (p.Category == "Tools") {
			t.Errorf("%s, of %s: hidden %v", p.ID, p.Category, hidden)
		}
	}
	if !strings.Contains(page.body, "<title>Tools · Bobbin</title>") {
		t.Error("the page's title does not name the category")
	}
}

func TestCartIsPriced(t *testing.T) {
	s, _ := start(t)
	a := do(t, http.MethodPost, s.URLs.Shop+"/api/cart",
		`{"items":[{"id":"merino-skein","quantity":2},{"id":"linen-thread","quantity":1}]}`)
	type cart struct {
		Lines      []cartLine      `json:"lines"`
		Total      string          `json:"total"`
		TotalCents int64           `json:"total_cents"`
		Methods    []paymentMethod `json:"payment_methods"`
	}
	want := cart{
		Lines: []cartLine{
			{ID: "merino-skein", Name: "Merino skein, fern", Quantity: 2, Total: "€29.00"},
			{ID: "linen-thread", Name: "Linen thread, undyed", Quantity: 1, Total: "€6.20"},
		},
		Total: "€35.20", TotalCents: 3520, Methods: paymentMethods,
	}
	if diff := cmp.Diff(want, decode[cart](t, a)); diff != "" {
		t.Errorf("cart (-want +got):\n%s", diff)
	}
}

// TestTraceRunsThroughTheBackends follows a browser's context from the shop to
// the catalog's database.
func TestTraceRunsThroughTheBackends(t *testing.T) {
	s, c := start(t)
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	const state = "2ead957c-980df25b@dtr=1;00f067aa0ba902b7;1;745a78fe5b6e57f6;1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
	a := do(t, http.MethodGet, s.URLs.Shop+"/api/stock?id=merino-skein", "",
		"traceparent", "00-"+trace+"-"+parent+"-03", "tracestate", state)
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	shutdown(t, s)

	entry := c.find(t, "shop", "GET /api/stock", ptrace.SpanKindServer)
	if entry.TraceID().String() != trace || entry.ParentSpanID().String() != parent || entry.TraceState().AsRaw() != state {
		t.Errorf("entry span: trace %s, parent %s, state %q", entry.TraceID(), entry.ParentSpanID(), entry.TraceState().AsRaw())
	}
	if timing := strings.Join(a.header.Values("Server-Timing"), ", "); !strings.Contains(timing, entry.SpanID().String()) {
		t.Errorf("Server-Timing %q does not name the entry span %s", timing, entry.SpanID())
	}
	call := c.find(t, "shop", "HTTP GET", ptrace.SpanKindClient)
	answered := c.find(t, "catalog", "GET /stock", ptrace.SpanKindServer)
	query := c.find(t, "catalog", "SELECT stock", ptrace.SpanKindInternal)
	for _, link := range []struct{ parent, child collected }{{entry, call}, {call, answered}, {answered, query}} {
		if link.child.ParentSpanID() != link.parent.SpanID() || link.child.TraceID() != entry.TraceID() {
			t.Errorf("%s %q is not the child of %s %q", link.child.service, link.child.Name(), link.parent.service, link.parent.Name())
		}
	}
	want := map[string]any{
		"db.system.name":            "other_sql",
		"db.namespace":              "shop",
		"db.operation.name":         "SELECT",
		"db.collection.name":        "stock",
		"db.query.text":             "SELECT quantity, place FROM stock WHERE product_id = ?",
		"db.response.returned_rows": int64(1),
	}
	if diff := cmp.Diff(want, query.Attributes().AsRaw()); diff != "" {
		t.Errorf("attributes of the query (-want +got):\n%s", diff)
	}
}

func TestBrokenProductRecordsTheError(t *testing.T) {
	s, c := start(t)
	page := do(t, http.MethodGet, s.URLs.Shop+"/product/mystery-parcel", "")
	if page.status != http.StatusInternalServerError || !strings.Contains(page.body, "Back to the shop") {
		t.Errorf("status %d: %s", page.status, page.body)
	}
	shutdown(t, s)
	for _, span := range []collected{
		c.find(t, "shop", "GET /product/{id}", ptrace.SpanKindServer),
		c.find(t, "catalog", "GET /products/{id}", ptrace.SpanKindServer),
		c.find(t, "catalog", "catalog.price", ptrace.SpanKindInternal),
	} {
		if span.Status().Code() != ptrace.StatusCodeError {
			t.Errorf("%s %q is not marked as failed", span.service, span.Name())
		}
	}
	price := c.find(t, "catalog", "catalog.price", ptrace.SpanKindInternal)
	if price.Events().Len() != 1 || price.Events().At(0).Name() != "exception" {
		t.Fatalf("events of the failed span: %d, want one exception", price.Events().Len())
	}
	message, _ := price.Events().At(0).Attributes().Get("exception.message")
	if message.Type() != pcommon.ValueTypeStr || message.Str() != errNoPrice.Error() {
		t.Errorf("exception.message %q, want %q", message.AsString(), errNoPrice)
	}
}

// TestVoucherFailsInASpanOfPayments: what the page throws leads to the one span that failed first.
func TestVoucherFailsInASpanOfPayments(t *testing.T) {
	s, c := start(t)
	a := do(t, http.MethodPost, s.URLs.Shop+"/api/voucher", `{"code":"THREAD 10/x"}`)
	if got := decode[map[string]string](t, a)["error"]; a.status != http.StatusInternalServerError || got != plantedError {
		t.Errorf("status %d, error %q, want 500, %q", a.status, got, plantedError)
	}
	shutdown(t, s)
	entry := c.find(t, "shop", "POST /api/voucher", ptrace.SpanKindServer)
	failed := c.find(t, "payments", failingSpan, ptrace.SpanKindInternal)
	if failed.TraceID() != entry.TraceID() || failed.Status().Code() != ptrace.StatusCodeError || entry.Status().Code() != ptrace.StatusCodeError {
		t.Errorf("failed span: trace %s, %v; entry span: trace %s, %v", failed.TraceID(), failed.Status().Code(), entry.TraceID(), entry.Status().Code())
	}
}

func TestPaymentsAllowTheShopsOriginAlone(t *testing.T) {
	s, _ := start(t)
	preflight := []string{
		"Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type,traceparent,tracestate",
	}
	allowed := do(t, http.MethodOptions, s.URLs.Payments+"/pay", "", append(preflight, "Origin", s.URLs.Shop)...)
	if allowed.status != http.StatusNoContent {
		t.Errorf("preflight: status %d", allowed.status)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":  s.URLs.Shop,
		"Access-Control-Allow-Headers": "content-type, traceparent, tracestate",
		"Access-Control-Allow-Methods": "GET, POST",
		"Vary":                         "Origin",
	} {
		if got := allowed.header.Get(name); got != want {
			t.Errorf("preflight: %s %q, want %q", name, got, want)
		}
	}

	actual := do(t, http.MethodGet, s.URLs.Payments+"/methods", "", "Origin", s.URLs.Shop)
	if got := actual.header.Get("Access-Control-Allow-Origin"); got != s.URLs.Shop {
		t.Errorf("actual answer: Access-Control-Allow-Origin %q, want %q", got, s.URLs.Shop)
	}
	for _, stranger := range []string{"http://evil.example", "null", s.URLs.Shop + ".evil.example"} {
		refused := do(t, http.MethodOptions, s.URLs.Payments+"/pay", "", append(preflight, "Origin", stranger)...)
		if got := refused.header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("origin %s: Access-Control-Allow-Origin %q, want none", stranger, got)
		}
	}
}

func TestPartnerTellsWhatItReceived(t *testing.T) {
	s, _ := start(t)
	plain := do(t, http.MethodGet, s.URLs.Partner+"/offer", "")
	if plain.body != `{"traceparent":null,"tracestate":null}` {
		t.Errorf("without context: %s", plain.body)
	}
	if plain.header.Get("Server-Timing") != "" || plain.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("headers of a plain origin: %v", plain.header)
	}
	traced := do(t, http.MethodGet, s.URLs.Partner+"/offer", "", "traceparent", "00-x", "tracestate", "a=b")
	if traced.body != `{"traceparent":"00-x","tracestate":"a=b"}` {
		t.Errorf("with context: %s", traced.body)
	}
	preflight := do(t, http.MethodOptions, s.URLs.Partner+"/offer", "",
		"Origin", s.URLs.Shop, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "traceparent")
	if preflight.status != http.StatusNotFound || preflight.header.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("preflight: status %d, %v; a partner answers none", preflight.status, preflight.header)
	}
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	good := Config{ServerURL: "http://127.0.0.1:8318", OTLPEndpoint: "http://127.0.0.1:4318", ApplicationID: testApplication}
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	tests := []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no server", func(c *Config) { c.ServerURL = "" }, "server URL"},
		{"server with a path", func(c *Config) { c.ServerURL += "/base" }, "server URL"},
		{"server that would tear the policy", func(c *Config) { c.ServerURL = "http://a;script-src" }, "server URL"},
		{"OTLP endpoint without scheme", func(c *Config) { c.OTLPEndpoint = "127.0.0.1:4318" }, "OTLP endpoint"},
		{"application id", func(c *Config) { c.ApplicationID = `"><script>` }, "application id"},
		{"address in use", func(c *Config) { c.CatalogAddr = occupied.Addr().String() }, "catalog cannot listen"},
	}
	for _, tt := range tests {
		cfg := good
		tt.change(&cfg)
		s, err := Start(t.Context(), cfg)
		if err == nil {
			shutdown(t, s)
			t.Errorf("%s: started", tt.name)
			continue
		}
		if !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %q does not say %q", tt.name, err, tt.says)
		}
	}
}

func TestShutdown(t *testing.T) {
	s, c := start(t)
	do(t, http.MethodGet, s.URLs.Shop+"/", "")
	shutdown(t, s)
	c.find(t, "shop", "GET /{$}", ptrace.SpanKindServer)
	shutdown(t, s)
	for _, u := range []string{s.URLs.Shop, s.URLs.Catalog, s.URLs.Payments, s.URLs.Partner} {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", parsed.Host); err == nil {
			conn.Close()
			t.Errorf("%s still answers", u)
		}
	}
}

func TestLostSpansAreLogged(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer refuses.Close()
	var log bytes.Buffer // the logger's handler locks it
	s, err := Start(t.Context(), Config{
		ServerURL: "http://127.0.0.1:8318", OTLPEndpoint: refuses.URL, ApplicationID: testApplication,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	do(t, http.MethodGet, s.URLs.Payments+"/methods", "")
	shutdown(t, s)
	if !strings.Contains(log.String(), "spans were not sent") || !strings.Contains(log.String(), "service=payments") {
		t.Errorf("log: %q", log.String())
	}
}

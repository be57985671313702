package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	noon    = time.Date(2026, 4, 27, 12, 0, 0, 0, time.UTC)
	traceID = tracecontext.TraceID{0: 0x2f, 15: 9}
	sent    = tracecontext.SpanID{7: 0xaa}
	entry   = tracecontext.SpanID{7: 0xbb}
	inner   = tracecontext.SpanID{7: 0xcc}
)

// shop is a store with one linked fetch, its two spans, and a hostile image URL.
func shop(t *testing.T) store.Reader {
	t.Helper()
	st := new(storetest.Memory)
	fetch := model.RequestEvent{
		ID: model.EventID{7: 1}, Kind: model.KindFetch, Start: noon, Duration: 80 * time.Millisecond, Method: "GET",
		URL: "https://shop.example/api/stock?q=1", Host: "shop.example", StatusCode: 200,
		TraceContextHint: model.ContextSet, ServerTimingHint: model.TimingReceived,
		Frontend: model.Frontend{ApplicationID: "745a78fe5b6e57f6", SessionID: "S-0", InstanceID: "I"},
		Sent:     model.SpanContext{TraceID: traceID, SpanID: sent},
	}
	image := model.RequestEvent{
		ID: model.EventID{7: 2}, Kind: model.KindResource, Start: noon.Add(time.Second), Method: "GET",
		URL: "https://cdn.example/<script>alert(1)</script>%25", Host: "cdn.example",
		TraceContextHint: model.ContextNotSet, ServerTimingHint: model.TimingNotAvailable,
	}
	dtr := model.Dtr{SpanID: sent, SessionID: "S-0", InstanceID: "I"}
	err := st.Write(t.Context(), store.Batch{Requests: []model.RequestEvent{fetch, image}, Spans: []model.Span{
		{TraceID: traceID, SpanID: entry, ParentSpanID: sent, Kind: model.SpanServer, Name: "GET /api/stock", Service: "shop", Start: noon.Add(time.Millisecond), Duration: time.Millisecond, DtrState: model.DtrValid, Dtr: dtr},
		{TraceID: traceID, SpanID: inner, ParentSpanID: entry, Kind: model.SpanServer, Name: "GET /stock", Service: "catalog", Start: noon.Add(2 * time.Millisecond), DtrState: model.DtrValid, Dtr: dtr},
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = st.PutLinks(t.Context(), []model.Link{{RequestID: fetch.ID, JudgedAt: noon, Verdict: model.Verdict{
		Status: model.Linked, Reason: model.Exact, Joined: model.SpanContext{TraceID: traceID, SpanID: entry}, Final: true,
	}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func serve(t *testing.T, st store.Reader, onError func(error)) *httptest.Server {
	t.Helper()
	h, err := api.New(api.Config{
		Query: query.New(query.Config{Reader: st, Explain: func(v model.Verdict) query.Explanation {
			return query.Explanation{Title: string(v.Status), Text: string(v.Reason)}
		}}),
		Beacon:  http.NotFoundHandler(),
		Metrics: http.NotFoundHandler(),
		OnError: onError,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// get reads an answer and its body as plain JSON values.
func get(t *testing.T, s *httptest.Server, path string) (*http.Response, map[string]any) {
	t.Helper()
	resp, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatalf("GET %s: status %d, and the body is not JSON: %v", path, resp.StatusCode, err)
	}
	return resp, body
}

func failOn(t *testing.T) func(error) {
	t.Helper()
	return func(err error) { t.Errorf("the server reports: %v", err) }
}

func TestOpenAPIGolden(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	_, body := get(t, s, "/api/v1/openapi.json")
	got, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the OpenAPI document changed; if that is meant, run make generate (-want +got):\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", []string{"0000000000000002", "0000000000000001"}},
		{"?status=linked", []string{"0000000000000001"}},
		{"?status=pending", []string{"0000000000000002"}},
		{"?reason=exact&kind=fetch&method=GET", []string{"0000000000000001"}},
		{"?application=745a78fe5b6e57f6&session=S-0", []string{"0000000000000001"}},
		{"?url=API%2FSTOCK", []string{"0000000000000001"}},
		{"?url=%3Cscript%3E", []string{"0000000000000002"}},
		{"?url=%25", []string{"0000000000000002"}},
		{"?trace=" + traceID.String(), []string{"0000000000000001"}},
		{"?from=2026-04-27T12:00:00.5Z", []string{"0000000000000002"}},
		{"?to=2026-04-27T12:00:00.5Z", []string{"0000000000000001"}},
		{"?status=partial", []string{}},
	} {
		t.Run(c.query, func(t *testing.T) {
			resp, body := get(t, s, "/api/v1/requests"+c.query)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %v", resp.StatusCode, body)
			}
			list, ok := body["requests"].([]any)
			if !ok {
				t.Fatalf("requests is %T, want an array", body["requests"])
			}
			got := []string{}
			for _, r := range list {
				got = append(got, r.(map[string]any)["id"].(string))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPagesShowEveryRequestOnce(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	_, first := get(t, s, "/api/v1/requests?limit=1")
	cursor, ok := first["next_cursor"].(string)
	if !ok {
		t.Fatalf("the first of two pages has no next_cursor: %v", first)
	}
	_, second := get(t, s, "/api/v1/requests?limit=1&cursor="+cursor)
	if _, more := second["next_cursor"]; more {
		t.Errorf("the last page has a next_cursor")
	}
	ids := []any{first["requests"].([]any)[0].(map[string]any)["id"], second["requests"].([]any)[0].(map[string]any)["id"]}
	if diff := cmp.Diff([]any{"0000000000000002", "0000000000000001"}, ids); diff != "" {
		t.Errorf("ids over both pages (-want +got):\n%s", diff)
	}
}

func TestRequestShowsEventVerdictExplanationAndTrace(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	resp, body := get(t, s, "/api/v1/requests/0000000000000001")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", resp.StatusCode, body)
	}
	request := body["request"].(map[string]any)
	for name, want := range map[string]any{
		"url.full": "https://shop.example/api/stock?q=1", "http.request.method": "GET", "http.response.status_code": 200.0,
		"trace.id": traceID.String(), "span.id": sent.String(), "session.id": "S-0", "rum.instance.id": "I", "rum.application.id": "745a78fe5b6e57f6",
		"request.trace_context_hint": "set", "request.server_timing_hint": "received",
		"link.status": "linked", "link.reason": "exact", "link.span_id": entry.String(), "start_time": "2026-04-27T12:00:00Z", "duration_ms": 80.0,
	} {
		if request[name] != want {
			t.Errorf("%s = %v, want %v", name, request[name], want)
		}
	}
	if diff := cmp.Diff(map[string]any{"title": "linked", "text": "exact"}, body["explanation"]); diff != "" {
		t.Errorf("explanation (-want +got):\n%s", diff)
	}
	var outline []string
	for _, r := range body["trace"].(map[string]any)["rows"].([]any) {
		row := r.(map[string]any)
		outline = append(outline, strings.Repeat("> ", int(row["depth"].(float64)))+row["name"].(string))
	}
	if diff := cmp.Diff([]string{"GET https://shop.example/api/stock?q=1", "> GET /api/stock", "> > GET /stock"}, outline); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestWayBackFromAnInnerSpan(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	resp, body := get(t, s, "/api/v1/spans/"+traceID.String()+"/"+inner.String()+"/frontend")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", resp.StatusCode, body)
	}
	if body["session.id"] != "S-0" || body["rum.instance.id"] != "I" || body["entry_span_id"] != entry.String() || body["via"] != "trace_context" {
		t.Errorf("the way back leads to %v", body)
	}
	if request := body["request"].(map[string]any); request["id"] != "0000000000000001" {
		t.Errorf("the way back leads to request %v", request["id"])
	}
}

func TestRefusalsSayWhatIsWrongAndWhatToDo(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	for path, want := range map[string]int{
		"/api/v1/requests?limit=0":                                     http.StatusBadRequest,
		"/api/v1/requests?limit=1000":                                  http.StatusBadRequest,
		"/api/v1/requests?limit=many":                                  http.StatusBadRequest,
		"/api/v1/requests?status=lost":                                 http.StatusBadRequest,
		"/api/v1/requests?from=yesterday":                              http.StatusBadRequest,
		"/api/v1/requests?nonsense=1":                                  http.StatusBadRequest,
		"/api/v1/requests?cursor=AAAA":                                 http.StatusBadRequest,
		"/api/v1/requests?trace=" + zeros(32):                          http.StatusBadRequest,
		"/api/v1/requests/" + zeros(16):                                http.StatusBadRequest,
		"/api/v1/requests/xyz":                                         http.StatusBadRequest,
		"/api/v1/requests/00000000000000ff":                            http.StatusNotFound,
		"/api/v1/traces/" + "a" + zeros(31):                            http.StatusNotFound,
		"/api/v1/spans/a" + zeros(31) + "/ab/frontend":                 http.StatusBadRequest,
		"/api/v1/nothing":                                              http.StatusNotFound,
		"/throughline.0123456789ab.js":                                 http.StatusNotFound, // an earlier release's
		"/api/v1/spans/a" + zeros(31) + "/b" + zeros(15) + "/frontend": http.StatusNotFound,
	} {
		t.Run(path, func(t *testing.T) {
			resp, body := get(t, s, path)
			if resp.StatusCode != want {
				t.Errorf("status %d, want %d", resp.StatusCode, want)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q, want application/json", got)
			}
			if body["error"] == "" || body["hint"] == nil || body["hint"] == "" {
				t.Errorf("the body %v does not say what is wrong and what to do", body)
			}
		})
	}
}

func zeros(n int) string { return strings.Repeat("0", n) }

// brokenStore fails in a way that must not reach the client.
type brokenStore struct{ store.Reader }

var errDisk = errors.New("/var/lib/secret.duckdb: input/output error")

func (brokenStore) Requests(context.Context, store.Filter, store.Page) ([]model.LinkedRequest, error) {
	return nil, errDisk
}

func TestFailureInsideIsToldToTheOperatorOnly(t *testing.T) {
	var told error
	s := serve(t, brokenStore{}, func(err error) { told = err })
	resp, body := get(t, s, "/api/v1/requests")
	if resp.StatusCode != http.StatusInternalServerError || !errors.Is(told, errDisk) {
		t.Errorf("status %d, the operator was told %v; want 500 and %v", resp.StatusCode, told, errDisk)
	}
	if text := body["error"].(string) + body["hint"].(string); strings.Contains(text, "secret") {
		t.Errorf("the client was told %q", text)
	}
}

func TestAgentScriptMayBeLoadedByAnyPageAndIsCheckedAgain(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	resp, err := s.Client().Get(s.URL + api.AgentPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	h := resp.Header
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") ||
		h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, headers %v", resp.StatusCode, h)
	}
	again, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+api.AgentPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("If-None-Match", h.Get("ETag"))
	if resp, err = s.Client().Do(again); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotModified {
		t.Errorf("asked with its own ETag, the script answers %d, want 304", resp.StatusCode)
	}
	versioned := "/throughline." + strings.Trim(h.Get("ETag"), `"`) + ".js"
	if resp, err = s.Client().Get(s.URL + versioned); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s answers %d with Cache-Control %q, want 200 and immutable", versioned, resp.StatusCode, resp.Header.Get("Cache-Control"))
	}
}

func TestEveryAnswerKeepsBrowsersInBounds(t *testing.T) {
	s := serve(t, shop(t), failOn(t))
	for _, path := range []string{"/", "/requests/0000000000000001", "/api/v1/requests", "/healthz", "/readyz"} {
		resp, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe-") {
			t.Errorf("GET %s: policy %q", path, csp)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s may be sniffed", path)
		}
	}
}

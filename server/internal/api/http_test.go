package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// ask sends a request with headers, given in pairs, and returns the answer with its bytes as sent.
func ask(t *testing.T, h http.Handler, method, path, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	resp := w.Result()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, raw
}

func TestAnswerIsNotSentAgainToWhoHasIt(t *testing.T) {
	st := shop(t)
	h := handler(t, st)
	const path = "/api/v1/requests?limit=3"
	resp, body := ask(t, h, http.MethodGet, path, "")
	tag := resp.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || resp.Header.Get("Cache-Control") != "private, no-cache" || len(body) == 0 {
		t.Fatalf("ETag %s, Cache-Control %q, %d bytes", tag, resp.Header.Get("Cache-Control"), len(body))
	}
	for _, match := range []string{tag, strings.TrimPrefix(tag, "W/"), `"other", ` + tag, "*"} {
		for _, encoding := range []string{"", "gzip", "zstd"} {
			resp, body := ask(t, h, http.MethodGet, path, "", "If-None-Match", match, "Accept-Encoding", encoding)
			if resp.StatusCode != http.StatusNotModified || len(body) != 0 || resp.Header.Get("ETag") != tag || resp.Header.Get("Content-Encoding") != "" {
				t.Errorf("If-None-Match %s, Accept-Encoding %q: status %d, %d bytes, header %v", match, encoding, resp.StatusCode, len(body), resp.Header)
			}
		}
	}
	if resp, _ := ask(t, h, http.MethodGet, path, "", "If-None-Match", `W/"other"`); resp.StatusCode != http.StatusOK {
		t.Errorf("another ETag: status %d, want 200", resp.StatusCode)
	}
	if resp, _ := ask(t, h, http.MethodGet, "/api/v1/requests/00000000000000ff", "", "If-None-Match", "*"); resp.StatusCode != http.StatusNotFound || resp.Header.Get("ETag") != "" {
		t.Errorf("what is not there: status %d, ETag %q", resp.StatusCode, resp.Header.Get("ETag"))
	}
	newer := model.RequestEvent{ID: eventID(9), Start: now, Kind: model.KindFetch}
	if err := st.Write(t.Context(), store.Batch{Requests: []model.RequestEvent{newer}}); err != nil {
		t.Fatal(err)
	}
	if resp, _ := ask(t, h, http.MethodGet, path, "", "If-None-Match", tag); resp.StatusCode != http.StatusOK || resp.Header.Get("ETag") == tag {
		t.Errorf("a changed answer: status %d, ETag %s", resp.StatusCode, resp.Header.Get("ETag"))
	}
}

func TestAnswerIsCompressedAsTheClientTakesIt(t *testing.T) {
	h := handler(t, shop(t))
	const path = "/api/v1/requests"
	_, plain := ask(t, h, http.MethodGet, path, "")
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "zstd;q=0, gzip": "gzip",
	} {
		resp, body := ask(t, h, http.MethodGet, path, "", "Accept-Encoding", accept)
		got := resp.Header.Get("Content-Encoding")
		if got != want || !slices.Contains(resp.Header.Values("Vary"), "Accept-Encoding") || !strings.HasPrefix(resp.Header.Get("ETag"), `W/"`) {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q; header %v", accept, got, want, resp.Header)
		}
		if decoded := decode(t, got, body); !bytes.Equal(decoded, plain) {
			t.Errorf("Accept-Encoding %q: another body", accept)
		}
	}
	if resp, _ := ask(t, h, http.MethodGet, "/api/v1/requests/00000000000000ff", "", "Accept-Encoding", "zstd"); resp.Header.Get("Content-Encoding") != "" {
		t.Error("a short answer is compressed")
	}
}

func decode(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// slowStore answers when its caller has given up.
type slowStore struct{ store.Reader }

func (slowStore) Coverage(ctx context.Context, _ store.CoverageQuery) ([]store.CoverageCount, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestQuestionIsCutAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, slowStore{})
		start := time.Now()
		resp, raw := ask(t, h, http.MethodGet, "/api/v1/coverage", "")
		var body struct{ Error, Hint string }
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(body.Error, "10s") || !strings.Contains(body.Hint, "shorter") || time.Since(start) != 10*time.Second {
			t.Errorf("status %d after %v: %s", resp.StatusCode, time.Since(start), raw)
		}
	})
}

func TestAnnotationsAreKeptAndDeleted(t *testing.T) {
	h := handler(t, shop(t))
	const path, note = "/api/v1/annotations", `{"title":" shop 1.5 deployed ","tags":["deployment"]}`
	resp, raw := ask(t, h, http.MethodPost, path, note, "Content-Type", "application/json")
	want := `{"id":"0000000000000099","time":"2026-04-27T13:00:00Z","title":"shop 1.5 deployed","tags":["deployment"]}` + "\n"
	if resp.StatusCode != http.StatusCreated || string(raw) != want {
		t.Errorf("POST: status %d, %s, want %s", resp.StatusCode, raw, want)
	}
	if _, raw = ask(t, h, http.MethodGet, path+"?to=2026-04-27T14:00:00Z", ""); strings.Count(string(raw), `"id"`) != 2 {
		t.Errorf("after a POST: %s", raw)
	}
	if resp, raw = ask(t, h, http.MethodDelete, path+"/0000000000000099", ""); resp.StatusCode != http.StatusNoContent || len(raw) != 0 {
		t.Errorf("DELETE: status %d, %q", resp.StatusCode, raw)
	}
	if resp, raw = ask(t, h, http.MethodDelete, path+"/0000000000000099", ""); resp.StatusCode != http.StatusNotFound || !bytes.Contains(raw, []byte(`"hint"`)) {
		t.Errorf("a second DELETE: status %d, %s", resp.StatusCode, raw)
	}
}

func TestAnnotationsThatAreRefused(t *testing.T) {
	h := handler(t, shop(t))
	for body, want := range map[string]int{
		``:                         http.StatusBadRequest,
		`{`:                        http.StatusBadRequest,
		`{"title":""}`:             http.StatusBadRequest,
		`{"title":"  "}`:           http.StatusBadRequest,
		`{"title":"a","more":"b"}`: http.StatusBadRequest,
		`{"title":"` + strings.Repeat("a", 201) + `"}`:                                       http.StatusBadRequest,
		`{"title":"a","text":"` + strings.Repeat("a", 4001) + `"}`:                           http.StatusBadRequest,
		`{"title":"a","tags":[""]}`:                                                          http.StatusBadRequest,
		`{"title":"a","tags":["` + strings.Repeat("a", 65) + `"]}`:                           http.StatusBadRequest,
		`{"title":"a","tags":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 17), ",") + `]}`: http.StatusBadRequest,
		`{"title":"a","time":"1969-01-01T00:00:00Z"}`:                                        http.StatusBadRequest,
		`{"title":"a","time":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}`:           http.StatusBadRequest,
		`{"title":"a","rum.application.id":"shop"}`:                                          http.StatusBadRequest,
		`{"title":"` + strings.Repeat("a", 70_000) + `"}`:                                    http.StatusRequestEntityTooLarge,
	} {
		resp, raw := ask(t, h, http.MethodPost, "/api/v1/annotations", body, "Content-Type", "application/json")
		if resp.StatusCode != want || !bytes.Contains(raw, []byte(`"error"`)) {
			t.Errorf("%.60s: status %d, want %d; %s", body, resp.StatusCode, want, raw)
		}
	}
	resp, raw := ask(t, h, http.MethodPost, "/api/v1/annotations", `{"title":"a"}`, "Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site")
	if resp.StatusCode != http.StatusForbidden || !bytes.Contains(raw, []byte(`"hint"`)) {
		t.Errorf("from a page of another origin: status %d, %s", resp.StatusCode, raw)
	}
}

// TestEveryRouteIsDescribed: what the main port answers is in the API's document, or here with the reason why not.
func TestEveryRouteIsDescribed(t *testing.T) {
	elsewhere := map[string]string{
		"/":                            "the web UI: files and its page, for people",
		"/beacon":                      "the agents' own protocol, described in wire/beacon/beacon.md",
		"GET /metrics":                 "Prometheus' text format, for its scraper",
		"GET /healthz":                 "for orchestrators, which look at the status alone",
		"GET /readyz":                  "for orchestrators, which look at the status alone",
		"GET /throughline.js":          "the browser agent's script, for pages",
		"GET /api/v1/openapi.json":     "the document itself",
		"GET /api/v1/openapi.yaml":     "the document itself",
		"GET /api/v1/openapi-3.0.json": "the document itself, for older tools",
		"GET /api/v1/openapi-3.0.yaml": "the document itself, for older tools",
	}
	raw, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	patterns, err := api.Patterns(api.Config{Query: query.New(query.Config{}), Beacon: http.NotFoundHandler(), Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	described := 0
	for _, p := range patterns {
		method, path, _ := strings.Cut(p, " ")
		if _, ok := document.Paths[path][strings.ToLower(method)]; ok {
			described++
			continue
		}
		ofAgent := strings.HasPrefix(p, "GET /throughline") // what goes with the script, and both under names made from their content
		if elsewhere[p] == "" && !ofAgent {
			t.Errorf("%s is not in the API's document", p)
		}
		delete(elsewhere, p)
	}
	for p := range elsewhere {
		t.Errorf("%s is an exception, and no route", p)
	}
	if described == 0 {
		t.Error("the document describes no route")
	}
}

// brokenTail fails when it is looked at for the second time.
type brokenTail struct {
	store.Reader
	looks int
}

func (b *brokenTail) Tail(ctx context.Context, after uint64, f store.Filter, limit int) ([]model.LinkedRequest, uint64, error) {
	if b.looks++; b.looks > 1 {
		return nil, 0, errDisk
	}
	return b.Reader.Tail(ctx, after, f, limit)
}

// TestParametersTakeWhatFiltersTake: the single parameters of the list of requests allow the same values.
func TestParametersTakeWhatFiltersTake(t *testing.T) {
	raw, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name   string
					Schema struct{ Enum []string }
				}
			}
		}
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	fields := map[string]store.Field{"status": store.FieldStatus, "reason": store.FieldReason, "kind": store.FieldKind}
	for _, p := range document.Paths["/api/v1/requests"].Get.Parameters {
		if f, ok := fields[p.Name]; ok {
			if want := query.Values(f); !slices.Equal(p.Schema.Enum, want) {
				t.Errorf("%s allows %v, and a filter %v", p.Name, p.Schema.Enum, want)
			}
			delete(fields, p.Name)
		}
	}
	if len(fields) > 0 {
		t.Errorf("there is no parameter for %v", fields)
	}
}

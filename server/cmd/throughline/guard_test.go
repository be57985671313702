package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/store"
)

const (
	shopID      = "745a78fe5b6e57f6"
	shopOrigin  = "https://shop.example"
	ingestToken = "ingest-0123456789abcdef"
	apiToken    = "api-0123456789abcdef"
	fullAddress = "203.0.113.77"
)

// syncBuffer is a log that a test reads after others wrote it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// guardedServer starts a server with every guard in place.
func guardedServer(t *testing.T) (s *server, dir string, log *syncBuffer) {
	t.Helper()
	dir, log = t.TempDir(), &syncBuffer{}
	c := testConfig(dir)
	c.Applications = []config.Application{{ID: shopID, Name: "Shop", Origins: []string{shopOrigin}}}
	c.Tokens = config.Tokens{Ingest: config.Secrets{ingestToken}, API: config.Secrets{apiToken}}
	c.TrustedProxies = []string{"127.0.0.1"}
	c.BeaconRate, c.BeaconBurst = 0.001, 3
	s, err := startServer(t.Context(), c, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return s, dir, log
}

// exchange sends a request and reads the answer.
func exchange(t *testing.T, method, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func beaconOf(application string) string {
	now := time.Now().UnixMilli()
	return fmt.Sprintf(`{"v":1,"sent":%d,"time_origin":%d,"rum.application.id":%q,"events":[
		{"type":"request","id":"00000000000000a1","start":0,"duration":50,"request.kind":"fetch","url.full":"https://shop.example/api/stock",
		 "request.trace_context_hint":"disabled","request.server_timing_hint":"not_available"}]}`, now, now-100, application)
}

func TestGuardedBeacons(t *testing.T) {
	s, _, _ := guardedServer(t)
	for _, c := range []struct {
		name, application, origin, address string
		status                             int
		reason, allow                      string
	}{
		{"taken", shopID, shopOrigin, "203.0.113.1", http.StatusAccepted, "", shopOrigin},
		{"another application", "0123456789abcdef", shopOrigin, "203.0.113.1", http.StatusForbidden, "unknown_application", shopOrigin},
		{"another origin", shopID, "https://evil.example", "203.0.113.1", http.StatusForbidden, "origin_not_allowed", "*"},
		{"too many", shopID, shopOrigin, "203.0.113.1", http.StatusTooManyRequests, "rate_limited", shopOrigin},
		{"another address", shopID, shopOrigin, "203.0.113.2", http.StatusAccepted, "", shopOrigin},
		{"no origin", shopID, "", "203.0.113.2", http.StatusForbidden, "origin_not_allowed", "*"},
	} {
		header := map[string]string{"Content-Type": "text/plain", "X-Forwarded-For": "8.8.8.8, " + c.address}
		if c.origin != "" {
			header["Origin"] = c.origin
		}
		resp, body := exchange(t, http.MethodPost, s.mainURL()+"/beacon", beaconOf(c.application), header)
		h := resp.Header
		if resp.StatusCode != c.status || h.Get("Throughline-Reject-Reason") != c.reason || h.Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: answered %d, %s, headers %v", c.name, resp.StatusCode, body, h)
		}
		if c.reason != "" && !strings.Contains(body, `"hint"`) {
			t.Errorf("%s: the body has no hint: %s", c.name, body)
		}
	}
	_, metrics := exchange(t, http.MethodGet, s.mainURL()+"/metrics", "", map[string]string{"Authorization": "Bearer " + apiToken})
	for _, want := range []string{
		`throughline_beacons_rejected_total{reason="unknown_application"} 1`, `throughline_beacons_rejected_total{reason="origin_not_allowed"} 2`,
		`throughline_beacons_rejected_total{reason="rate_limited"} 1`, "throughline_rate_limited_addresses 2",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestTokensOpenTheirDoors(t *testing.T) {
	s, _, _ := guardedServer(t)
	for _, c := range []struct {
		method, url, token string
		status             int
	}{
		{http.MethodGet, s.mainURL() + "/api/v1/requests", "", http.StatusUnauthorized},
		{http.MethodGet, s.mainURL() + "/api/v1/openapi.json", "", http.StatusUnauthorized},
		{http.MethodGet, s.mainURL() + "//api/v1/requests", "", http.StatusUnauthorized}, // after a redirect
		{http.MethodGet, s.mainURL() + "/api/v1/requests", ingestToken, http.StatusUnauthorized},
		{http.MethodGet, s.mainURL() + "/api/v1/requests", apiToken, http.StatusOK},
		{http.MethodGet, s.mainURL() + "/metrics", "", http.StatusUnauthorized},
		{http.MethodGet, s.mainURL() + "/metrics", apiToken, http.StatusOK},
		{http.MethodGet, s.mainURL() + "/healthz", "", http.StatusOK},
		{http.MethodGet, s.mainURL() + "/readyz", "", http.StatusOK},
		{http.MethodGet, s.mainURL() + "/throughline.js", "", http.StatusOK},
		{http.MethodPost, s.otlpURL() + "/v1/traces", "", http.StatusUnauthorized},
		{http.MethodPost, s.otlpURL() + "/v1/traces", apiToken, http.StatusUnauthorized},
		{http.MethodPost, s.otlpURL() + "/v1/traces", ingestToken, http.StatusOK},
	} {
		header := map[string]string{"Content-Type": "application/json"}
		if c.token != "" {
			header["Authorization"] = "Bearer " + c.token
		}
		resp, body := exchange(t, c.method, c.url, `{"resourceSpans":[]}`, header)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s with token %q answers %d: %s", c.method, c.url, c.token, resp.StatusCode, body)
		}
		if c.status == http.StatusUnauthorized && (resp.Header.Get("WWW-Authenticate") == "" || !strings.Contains(body, `"hint"`)) {
			t.Errorf("%s %s answers headers %v: %s", c.method, c.url, resp.Header, body)
		}
	}

	conn, err := grpc.NewClient(s.otlpGRPC.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	traces := ptraceotlp.NewGRPCClient(conn)
	for token, want := range map[string]codes.Code{"": codes.Unauthenticated, apiToken: codes.Unauthenticated, ingestToken: codes.OK} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		if _, err := traces.Export(ctx, ptraceotlp.NewExportRequest()); status.Code(err) != want {
			t.Errorf("OTLP/gRPC with token %q answers %v, want %v", token, err, want)
		}
	}
}

// A client's full address stays in memory: what is stored, logged, counted and
// answered does not have it.
func TestNoFullAddressIsKept(t *testing.T) {
	s, dir, log := guardedServer(t)
	var told strings.Builder
	for _, body := range []string{beaconOf(shopID), beaconOf("0123456789abcdef"), "not a beacon", beaconOf(shopID)} { // the last one over the rate
		_, answer := exchange(t, http.MethodPost, s.mainURL()+"/beacon", body, map[string]string{"X-Forwarded-For": fullAddress, "Origin": shopOrigin})
		told.WriteString(answer)
	}
	if err := s.loader.Await(t.Context(), store.Position(s.journal.Stats().Last)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/metrics", "/readyz", "/api/v1/requests"} {
		_, answer := exchange(t, http.MethodGet, s.mainURL()+path, "", map[string]string{"Authorization": "Bearer " + apiToken})
		told.WriteString(answer)
	}
	if !strings.Contains(told.String(), "rate_limited") || !strings.Contains(told.String(), "00000000000000a1") {
		t.Fatalf("the answers lack what should be in them: %s", told.String())
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/beacon", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("X-Forwarded-For", fullAddress)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0")
	c := s.describe(r)
	if c.Address != "203.0.113.0" || c.Browser != "Firefox" || c.OS != "Linux" {
		t.Errorf("the sender is described as %+v", c)
	}
	fmt.Fprintf(&told, "%+v", c)

	told.WriteString(log.String())
	if strings.Contains(told.String(), fullAddress) {
		t.Errorf("the full address is told:\n%s", told.String())
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		files++
		if bytes.Contains(content, []byte(fullAddress)) {
			t.Errorf("%s holds the full address", filepath.Base(path))
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were looked at, error %v", files, err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/journal"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

const (
	testTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	testSent  = "00f067aa0ba902b7"
	testEntry = "b7ad6b7169203331"
	testState = "2ead957c-980df25b@dtr=1;" + testSent + ";1;745a78fe5b6e57f6;1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
)

// testConfig is a server on free ports that judges soon.
func testConfig(dir string) config.Serve {
	return config.Serve{
		Listen: anyPort, OTLPHTTP: anyPort, OTLPGRPC: anyPort, Data: dir, MemoryLimit: 256,
		Tenant: "2ead957c-980df25b", LinkWait: time.Minute, LinkInterval: 20 * time.Millisecond,
		Journal: config.Journal{Budget: 128},
	}
}

// newTestServer starts a server on free ports that stops with the test.
func newTestServer(t *testing.T, dir string) (*server, error) {
	t.Helper()
	s, err := startServer(t.Context(), testConfig(dir), slog.New(slog.DiscardHandler), nil)
	if err == nil {
		t.Cleanup(func() {
			if err := s.stop(context.Background()); err != nil {
				t.Errorf("stopping: %v", err)
			}
		})
	}
	return s, err
}

// A signal may come before a listener's goroutine has begun to serve.
func TestServerStopsBeforeItServes(t *testing.T) {
	for range 20 {
		s, err := startServer(t.Context(), testConfig(t.TempDir()), slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func post(t *testing.T, url, contentType, body string) {
	t.Helper()
	resp, err := http.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		t.Fatalf("POST %s: status %d: %s", url, resp.StatusCode, answer)
	}
}

func sendBeacon(t *testing.T, s *server, id string) {
	t.Helper()
	now := time.Now().UnixMilli()
	post(t, s.mainURL()+"/beacon", "text/plain", fmt.Sprintf(`{"v":1,"sent":%d,"time_origin":%d,"rum.application.id":"745a78fe5b6e57f6",
		"session.id":"VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0","rum.instance.id":"1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F","events":[
		{"type":"request","id":%q,"start":0,"duration":50,"request.kind":"fetch","url.full":"https://shop.example/api/stock",
		 "request.trace_context_hint":"set","request.server_timing_hint":"not_available","trace.id":%q,"span.id":%q}]}`, now, now-100, id, testTrace, testSent))
}

func sendSpan(t *testing.T, s *server) {
	t.Helper()
	now := time.Now().UnixNano()
	post(t, s.otlpURL()+"/v1/traces", "application/json", fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
		"scopeSpans":[{"spans":[{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":"GET /api/stock","kind":2,"flags":769,"traceState":%q,
		"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, testTrace, testEntry, testSent, testState, now, now+1000))
}

// verdict reads what became of a request.
func verdict(t *testing.T, s *server, id string) (status, reason string) {
	t.Helper()
	resp, err := http.Get(s.mainURL() + "/api/v1/requests/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Request struct {
			Status string `json:"link.status"`
			Reason string `json:"link.reason"`
		} `json:"request"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Request.Status, body.Request.Reason
}

// await looks at a request until it has a verdict.
func await(t *testing.T, s *server, id, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		status, reason := verdict(t, s, id)
		if got := status + "/" + reason; got == want {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("request %s is %s/%s, want %s", id, status, reason, want)
		}
	}
}

func TestBeaconAndSpanBecomeALinkInAnyOrder(t *testing.T) {
	s, err := newTestServer(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sendBeacon(t, s, "00000000000000a1")
	await(t, s, "00000000000000a1", "pending/")
	sendSpan(t, s)
	await(t, s, "00000000000000a1", "linked/exact")
	sendBeacon(t, s, "00000000000000a2")
	await(t, s, "00000000000000a2", "linked/exact")
}

func TestRestartKeepsWhatWasAcknowledgedAndGoesOnJudging(t *testing.T) {
	dir := t.TempDir()
	first, err := newTestServer(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	sendBeacon(t, first, "00000000000000a1")
	if err := first.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := newTestServer(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	sendSpan(t, second)
	await(t, second, "00000000000000a1", "linked/exact")
}

func TestHealth(t *testing.T) {
	s, err := newTestServer(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/", "/throughline.js"} {
		resp, err := http.Get(s.mainURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
	}
}

func TestSecondServerOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := newTestServer(t, dir); err != nil {
		t.Fatal(err)
	}
	_, err := newTestServer(t, dir)
	if want := "another throughline has the data folder " + dir + " open; stop it or use another --data"; err == nil || err.Error() != want {
		t.Errorf("a second server: %v, want %s", err, want)
	}
	c := testConfig(dir)
	if _, err := openJournal(t.Context(), &c, new(storetest.Memory)); err == nil || !strings.Contains(err.Error(), "another throughline") || !errors.Is(err, journal.ErrLocked) {
		t.Errorf("a second journal: %v", err)
	}
}

func TestExposureIsLogged(t *testing.T) {
	for addr, want := range map[string]int{"127.0.0.1:0": 0, ":0": 1} {
		var log syncBuffer
		c := testConfig(t.TempDir())
		c.Listen, c.OTLPHTTP, c.InsecureNoAuth = addr, addr, true
		warnOfExposure(slog.New(slog.NewTextHandler(&log, nil)), &c)
		if text := log.String(); strings.Count(text, "level=WARN") != want || strings.Contains(text, "read the API") != (want > 0) || strings.Contains(text, "send spans") != (want > 0) {
			t.Errorf("listening at %s logs %q", addr, text)
		}
	}
}

func TestApplicationsHaveTheirNames(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Applications = []config.Application{{ID: shopID, Name: "Shop"}, {ID: "0123456789012345"}}
	s, err := startServer(t.Context(), c, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	sendBeacon(t, s, "00000000000000a1")
	sendSpan(t, s)
	await(t, s, "00000000000000a1", "linked/exact")
	if _, body := exchange(t, http.MethodGet, s.mainURL()+"/api/v1/applications", "", nil); !strings.Contains(body, `"value":"`+shopID+`","name":"Shop"`) {
		t.Errorf("the application has no name: %s", body)
	}
}

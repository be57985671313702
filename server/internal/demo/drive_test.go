package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/query"
)

//go:embed testdata/agent.js
var standInAgent string

// standInServer serves a script in place of the agent, takes its beacons, and
// lists what they held as requests that are linked.
type standInServer struct {
	*httptest.Server
	script string
	served func() // called when the script was asked for; may be nil

	mu       sync.Mutex
	requests []query.Request
	allowed  []string // URLs that the allow pattern of the page matched
}

func newStandInServer(t *testing.T, script string) *standInServer {
	t.Helper()
	s := &standInServer{script: script}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /throughline.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, s.script)
		if s.served != nil {
			s.served()
		}
	})
	mux.HandleFunc("GET /throughline-idle.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Access-Control-Allow-Origin", "*")
	})
	mux.HandleFunc("POST /beacon", func(_ http.ResponseWriter, r *http.Request) {
		var beacon struct {
			ApplicationID string `json:"applicationId"`
			Events        []struct {
				Kind    string `json:"kind"`
				URL     string `json:"url"`
				Allowed bool   `json:"allowed"`
			} `json:"events"`
		}
		if err := json.NewDecoder(r.Body).Decode(&beacon); err != nil || beacon.ApplicationID != testApplication {
			t.Errorf("beacon %+v: %v", beacon, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range beacon.Events {
			method := http.MethodGet // Resource Timing does not tell
			if slices.ContainsFunc([]string{"/api/cart", "/api/voucher", "/pay"}, func(path string) bool { return strings.HasSuffix(e.URL, path) }) {
				method = http.MethodPost
			}
			s.requests = append(s.requests, query.Request{
				Kind: e.Kind, Method: method, URL: e.URL, StartTime: time.Now(), LinkStatus: "linked",
			})
			if e.Allowed {
				s.allowed = append(s.allowed, e.URL)
			}
		}
	})
	mux.HandleFunc("GET /api/v1/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		json.NewEncoder(w).Encode(query.RequestPage{Requests: s.requests})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func drivable(t *testing.T, server *standInServer) (DriveConfig, *collector) {
	t.Helper()
	chromium, err := FindChromium(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t)
	s, err := Start(t.Context(), Config{ServerURL: server.URL, OTLPEndpoint: c.URL, ApplicationID: testApplication})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s) })
	return DriveConfig{URLs: s.URLs, ServerURL: server.URL, ChromiumPath: chromium, UserDataDir: t.TempDir()}, c
}

// TestDrive walks a real browser through the shop. What the browser's network
// layer told must be what Resource Timing told the script in the page.
func TestDrive(t *testing.T) {
	server := newStandInServer(t, standInAgent)
	cfg, _ := drivable(t, server)
	var stepsDone []string
	cfg.Progress = func(step string) { stepsDone = append(stepsDone, step) }
	var stored []query.Request
	cfg.BeforeClose = func(ctx context.Context, v Visit) (err error) {
		stored, err = WaitForVerdicts(ctx, VerdictsConfig{APIURL: server.URL, Visit: v, Interval: 10 * time.Millisecond})
		return err
	}
	v, err := Drive(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(Comparison{}, Compare(v.Seen, stored)); diff != "" {
		t.Errorf("browser and page do not tell the same (-want +got):\n%s", diff)
	}
	shop := cfg.URLs.Shop
	for _, want := range []SeenRequest{
		{kindDocument, "GET", shop + "/"},
		{kindResource, "GET", shop + "/static/shop.css"},
		{kindResource, "GET", shop + "/static/products/mystery-parcel.svg"},
		{kindFetch, "GET", shop + "/api/products"},
		{kindDocument, "GET", shop + "/product/merino-skein"},
		{kindXHR, "GET", shop + "/api/stock?id=merino-skein"},
		{kindFetch, "GET", shop + "/api/products?category=Yarn"},
		{kindFetch, "POST", shop + "/api/cart"},
		{kindFetch, "POST", shop + "/api/voucher"},
		{kindFetch, "GET", cfg.URLs.Payments + "/methods"},
		{kindFetch, "POST", cfg.URLs.Payments + "/pay"},
		{kindFetch, "GET", cfg.URLs.Partner + "/offer"},
	} {
		if !slices.Contains(v.Seen, want) {
			t.Errorf("%v was not sent", want)
		}
	}
	if v.Pages != 2 || v.SoftNavigations != 2 || v.PartnerTraceparent != "" {
		t.Errorf("%d pages and %d soft navigations, want 2 and 2; partner got %q, want nothing", v.Pages, v.SoftNavigations, v.PartnerTraceparent)
	}
	if want := []string{cfg.URLs.Payments + "/methods", cfg.URLs.Payments + "/pay"}; !cmp.Equal(want, server.allowed) {
		t.Errorf("the allow pattern matches %q, want %q", server.allowed, want)
	}
	if len(stepsDone) != 12 {
		t.Errorf("progress of %d steps, want 12: %q", len(stepsDone), stepsDone)
	}
}

func TestDriveReportsAPageThatThrows(t *testing.T) {
	cfg, _ := drivable(t, newStandInServer(t, `throw new Error("agent out of thread")`))
	_, err := Drive(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "agent out of thread") {
		t.Errorf("error %v", err)
	}
}

func TestDriveReportsAStrictPolicyViolation(t *testing.T) {
	cfg, _ := drivable(t, newStandInServer(t, `document.documentElement.setAttribute("onclick", "1")`))
	_, err := Drive(t.Context(), cfg)
	if err == nil || !regexp.MustCompile(`(?i)content security policy`).MatchString(err.Error()) {
		t.Errorf("error %v", err)
	}
}

// TestDriveEndsWithItsContext: a page that never gets ready holds nobody up.
func TestDriveEndsWithItsContext(t *testing.T) {
	server := newStandInServer(t, `addEventListener("load", (e) => e.stopImmediatePropagation(), true)`)
	ctx, cancel := context.WithCancel(t.Context())
	server.served = cancel
	cfg, _ := drivable(t, server)
	_, err := Drive(ctx, cfg)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `step "open the shop"`) {
		t.Errorf("error %v", err)
	}
}

func TestDriveWithoutABrowser(t *testing.T) {
	_, err := Drive(t.Context(), DriveConfig{ChromiumPath: filepath.Join(t.TempDir(), "none")})
	if err == nil || !strings.Contains(err.Error(), "start ") {
		t.Errorf("error %v", err)
	}
}

func TestFindChromium(t *testing.T) {
	dir := t.TempDir()
	executable := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PATH", dir)
	none := func(string) string { return "" }

	if _, err := FindChromium(none); err == nil || !strings.Contains(err.Error(), "apt-get install chromium") {
		t.Errorf("without a browser: %v", err)
	}
	if _, err := FindChromium(func(string) string { return filepath.Join(dir, "missing") }); err == nil || !strings.Contains(err.Error(), "$CHROMIUM") {
		t.Errorf("with a wrong $CHROMIUM: %v", err)
	}
	chrome := executable("google-chrome")
	if got, err := FindChromium(none); got != chrome || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, chrome)
	}
	chromium := executable("chromium")
	if got, err := FindChromium(none); got != chromium || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, chromium)
	}
	if got, err := FindChromium(func(string) string { return chrome }); got != chrome || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, chrome)
	}
}

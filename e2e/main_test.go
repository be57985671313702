package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// patience bounds the whole of a driven demo: browser start, shopping, verdicts.
const patience = 3 * time.Minute

// standing is a demo that was driven once and waits to be asked.
type standing struct {
	Server   string `json:"server"`
	Shop     string `json:"shop"`
	Catalog  string `json:"catalog"`
	Payments string `json:"payments"`
	Partner  string `json:"partner"`
}

// demo is the demo that all tests of this package read.
var demo standing

func TestMain(m *testing.M) {
	code, err := withDemo(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func binary() (string, error) {
	path := os.Getenv("THROUGHLINE_BINARY")
	if path == "" {
		return "", errors.New("THROUGHLINE_BINARY does not name the built binary; run: make e2e")
	}
	return path, nil
}

// withDemo starts the demo, has it driven, runs the tests, and stops it as a
// person would.
func withDemo(run func() int) (code int, err error) {
	path, err := binary()
	if err != nil {
		return 1, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	starting := time.AfterFunc(patience, cancel)
	defer starting.Stop()
	cmd := exec.CommandContext(ctx, path, "demo", "--drive", "--random-ports", "--json")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGINT))
		if waited := cmd.Wait(); waited != nil {
			err = errors.Join(err, fmt.Errorf("the demo did not stop cleanly after an interrupt: %w", waited))
		}
	}()
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		return 1, fmt.Errorf("the demo ended before it stood: %w", errors.Join(lines.Err(), ctx.Err()))
	}
	if err := json.Unmarshal(lines.Bytes(), &demo); err != nil {
		return 1, fmt.Errorf("the demo's first line: %w", err)
	}
	if !lines.Scan() { // the summary comes when every verdict is there
		return 1, fmt.Errorf("the demo ended before its verdicts were in: %w", errors.Join(lines.Err(), ctx.Err()))
	}
	starting.Stop() // the tests have bounds of their own
	return run(), nil
}

// request is what these tests read of a request, by the API's names.
type request struct {
	ID               string `json:"id"`
	Kind             string `json:"request.kind"`
	InitiatorType    string `json:"performance.initiator_type"`
	URL              string `json:"url.full"`
	Method           string `json:"http.request.method"`
	Status           int    `json:"http.response.status_code"`
	TraceContextHint string `json:"request.trace_context_hint"`
	ServerTimingHint string `json:"request.server_timing_hint"`
	TraceID          string `json:"trace.id"`
	SpanID           string `json:"span.id"`
	SessionID        string `json:"session.id"`
	ViewID           string `json:"view.instance_id"`
	LinkStatus       string `json:"link.status"`
	LinkReason       string `json:"link.reason"`
	LinkTraceID      string `json:"link.trace_id"`
	LinkSpanID       string `json:"link.span_id"`
}

func (r request) String() string {
	return fmt.Sprintf("%s %s %s (%s/%s, hints %s/%s)", r.Kind, r.Method, r.URL, r.LinkStatus, r.LinkReason, r.TraceContextHint, r.ServerTimingHint)
}

// on reports whether the request went to an origin, and to a path of it where
// one is given.
func (r request) on(origin, path string) bool {
	u, err := url.Parse(r.URL)
	return err == nil && u.Scheme+"://"+u.Host == origin && (path == "" || u.Path == path)
}

type row struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	ParentID   string         `json:"parent_id"`
	Depth      int            `json:"depth"`
	StartMs    float64        `json:"start_ms"`
	DurationMs float64        `json:"duration_ms"`
	Name       string         `json:"name"`
	Service    string         `json:"service.name"`
	Kind       string         `json:"span.kind"`
	Entry      bool           `json:"entry"`
	Error      string         `json:"error"`
	Phases     []phase        `json:"phases"`
	Attributes map[string]any `json:"attributes"`
}

type phase struct {
	Name       string  `json:"name"`
	StartMs    float64 `json:"start_ms"`
	DurationMs float64 `json:"duration_ms"`
}

type detail struct {
	Request     request `json:"request"`
	Explanation struct {
		Title string `json:"title"`
		Text  string `json:"text"`
	} `json:"explanation"`
	Trace struct {
		Clock *struct {
			OffsetMs float64 `json:"offset_ms"`
			Source   string  `json:"source"`
		} `json:"clock"`
		Rows []row `json:"rows"`
	} `json:"trace"`
}

// ask reads an answer of the API.
func ask[T any](t *testing.T, origin, path string) T {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out T
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d: %+v", path, resp.StatusCode, out)
	}
	return out
}

// requests returns every request that the server stored, walking all pages.
func requests(t *testing.T) []request {
	t.Helper()
	var out []request
	for cursor := ""; ; {
		page := ask[struct {
			Requests   []request `json:"requests"`
			NextCursor string    `json:"next_cursor"`
		}](t, demo.Server, "/api/v1/requests?limit=10&cursor="+url.QueryEscape(cursor))
		out = append(out, page.Requests...)
		if cursor = page.NextCursor; cursor == "" {
			return out
		}
	}
}

// pick returns the requests that match, at least one.
func pick(t *testing.T, what string, match func(request) bool) []request {
	t.Helper()
	var out []request
	for _, r := range requests(t) {
		if match(r) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		t.Fatalf("the server stored no %s", what)
	}
	return out
}

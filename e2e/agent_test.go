package e2e

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// agentFile returns a file that pages load from the server, and checks that a page of another origin may: with
// integrity it is fetched by CORS, and so is what import() brings.
func agentFile(t *testing.T, name string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, demo.Server+name, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	script, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	h := resp.Header
	if resp.StatusCode != http.StatusOK || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("GET %s: status %d, headers %v", name, resp.StatusCode, h)
	}
	return script
}

func TestAgentFilesMayBeLoadedByAnyPage(t *testing.T) {
	for _, name := range []string{"/throughline.js", "/throughline-idle.js", "/throughline-worker.js"} {
		if len(agentFile(t, name)) == 0 {
			t.Errorf("GET %s: empty", name)
		}
	}
}

// passedOn is a beacon that a page sent to a path of its own origin, and what the server said.
type passedOn struct {
	gzip     bool
	status   int
	accepted int
	rejected map[string]int
}

// ownPage is a page of another origin than the server's, as docs/guides describe it: the script with integrity, a
// strict content security policy, and beacons by a first-party path.
type ownPage struct {
	*httptest.Server
	beacons chan passedOn
}

func newOwnPage(t *testing.T) *ownPage {
	t.Helper()
	sum := sha512.Sum384(agentFile(t, "/throughline.js"))
	page := fmt.Sprintf(`<!doctype html><html lang="en"><head><title>Own page</title>
<script src="%s/throughline.js" integrity="sha384-%s" crossorigin data-application-id="%s" data-endpoint="/rum"></script>
</head><body><h1>Own page</h1></body></html>`, demo.Server, base64.StdEncoding.EncodeToString(sum[:]), "00000000000000e2")
	p := &ownPage{beacons: make(chan passedOn, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src "+demo.Server+"; connect-src 'self'; require-trusted-types-for 'script'")
		io.WriteString(w, page)
	})
	mux.HandleFunc("POST /rum", func(w http.ResponseWriter, r *http.Request) { p.passOn(t, w, r) })
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *ownPage) passOn(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the page is gone
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, demo.Server+"/beacon", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	var answer struct {
		Accepted int            `json:"accepted"`
		Rejected map[string]int `json:"rejected"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Errorf("answer to a beacon: %v", err)
	}
	w.WriteHeader(resp.StatusCode)
	p.beacons <- passedOn{bytes.HasPrefix(body, []byte{0x1f, 0x8b}), resp.StatusCode, answer.Accepted, answer.Rejected}
}

// TestGzippedBeaconsOfAStrictPageAreTaken: the agent starts with integrity and under a strict policy, loads what
// explains web vitals, and the server takes what it sends compressed, event by event.
func TestGzippedBeaconsOfAStrictPageAreTaken(t *testing.T) {
	page := newOwnPage(t)
	ctx := tab(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate(page.URL),
		// The second file is loaded when the page is idle.
		chromedp.Evaluate[chromedp.Void](`new Promise((loaded) => new PerformanceObserver((list) => {
			if (list.getEntries().some((e) => e.name.endsWith("/throughline-idle.js") && e.responseStatus === 200)) loaded();
		}).observe({ type: "resource", buffered: true }))`, chromedp.EvalAwaitPromise),
	)
	if err != nil {
		t.Fatal(err)
	}
	for packed := false; !packed; { // a small one may come before
		select {
		case b := <-page.beacons:
			if b.status != http.StatusAccepted || b.accepted == 0 || len(b.rejected) > 0 {
				t.Errorf("a beacon was answered %+v", b)
			}
			packed = b.gzip
		case <-ctx.Done():
			t.Fatal("no beacon was packed")
		}
	}
}

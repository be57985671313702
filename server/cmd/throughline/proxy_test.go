package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/browser"
	"github.com/throughline-rum/throughline/wire/servertiming"
)

// runningProxy is the command in a process of its own.
type runningProxy struct {
	url, metrics string        // as it says them
	log          <-chan string // its lines
	cmd          *exec.Cmd
	ended        chan error
}

// runProxy starts the command with these arguments and waits until it serves.
func runProxy(t *testing.T, args ...string) *runningProxy {
	t.Helper()
	program, err := exec.LookPath("throughline") // testscript has put it there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"proxy"}, args...)...)
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string, 1024), make(chan error, 1)
	go func() {
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
		ended <- cmd.Wait()
	}()
	p := &runningProxy{log: lines, cmd: cmd, ended: ended}
	for field := range strings.FieldsSeq(p.wait(t, "msg=ready")) {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "proxy":
			p.url = value
		case "metrics":
			p.metrics = value
		}
	}
	return p
}

// wait returns the next line of the log that holds text.
func (p *runningProxy) wait(t *testing.T, text string) string {
	t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		select {
		case line, ok := <-p.log:
			if !ok {
				t.Fatalf("the proxy ended before it said %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-late.C:
			t.Fatalf("the proxy did not say %q", text)
		}
	}
}

// stop interrupts the proxy, which ends without a fault.
func (p *runningProxy) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range p.log {
	}
	if err := <-p.ended; err != nil {
		t.Errorf("the proxy ended with %v", err)
	}
}

// named returns a backend that answers with its name.
func named(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.Host)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// collector is an OTLP endpoint that tells the services of the spans that it got.
func collector(t *testing.T) (address string, services <-chan string) {
	t.Helper()
	got := make(chan string, 64)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		request := ptraceotlp.NewExportRequest()
		if err := request.UnmarshalProto(body); err != nil {
			t.Error(err)
		}
		for _, spans := range request.Traces().ResourceSpans().All() {
			service, _ := spans.Resource().Attributes().Get("service.name")
			for _, scope := range spans.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					got <- service.Str() + " " + span.Kind().String() + " " + r.Header.Get("Authorization")
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func fetch(t *testing.T, url, host string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

// Three flags are enough: the page is told its trace, and the spans arrive.
func TestProxyOfOneUpstream(t *testing.T) {
	otlp, spans := collector(t)
	p := runProxy(t, "--listen", anyPort, "--upstream", named(t, "shop"), "--service", "shop", "--otlp", otlp)
	status, body, header := fetch(t, p.url+"/", "shop.example")
	if status != http.StatusOK || body != "shop shop.example" {
		t.Errorf("%d %s", status, body)
	}
	if servertiming.Read(header.Values("Server-Timing")...).SpanID.IsZero() {
		t.Errorf("Server-Timing = %q", header.Values("Server-Timing"))
	}
	p.stop(t) // which sends the last spans
	for _, want := range []string{"shop Client ", "shop Server "} {
		if got := <-spans; got != want {
			t.Errorf("span of %q, want %q", got, want)
		}
	}
}

// Hosts and paths lead to their upstreams, the more special first; a file that is read
// again changes that, and one with a mistake does not.
func TestProxyRoutes(t *testing.T) {
	otlp, spans := collector(t)
	shop, api, tenants, all := named(t, "shop"), named(t, "api"), named(t, "tenants"), named(t, "all")
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write := func(first string) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, `
listen: 127.0.0.1:0
otlp: %s
otlp_token: [secret]
routes:
  - {upstream: %s, service: all}
  - {hosts: ["*.shop.example"], upstream: %s, service: tenants}
  - {hosts: [shop.example], upstream: %s, service: shop, answer_timeout: 5s}
  - {hosts: [shop.example], path: /api, upstream: %s, service: api, trust: always, origins: [{matcher: EQUALS, pattern: "https://shop.example"}]}
`, otlp, all, tenants, first, api), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(shop)
	p := runProxy(t, "--config", file)
	check := func(url, host, want string) {
		t.Helper()
		if _, body, _ := fetch(t, p.url+url, host); body != want+" "+host {
			t.Errorf("%s%s is answered by %q, want %s", host, url, body, want)
		}
	}
	check("/", "other.example", "all")
	check("/", "shop.example", "shop")
	check("/apiary", "shop.example", "shop")
	check("/api", "shop.example", "api")
	check("/api/x", "SHOP.example:80", "api")
	check("/api", "a.shop.example", "tenants")
	check("/", "x.a.shop.example", "tenants")
	check("/", "evilshop.example", "all")

	write("not a URL")
	hangUp(t, p)
	if line := p.wait(t, "stays as it was"); !strings.Contains(line, "proxy.yaml:8: routes[2].upstream") {
		t.Errorf("the log says %s", line)
	}
	check("/", "shop.example", "shop")
	write(named(t, "new"))
	hangUp(t, p)
	p.wait(t, "read again")
	check("/", "shop.example", "new")
	p.stop(t)
	got := map[string]int{}
	for len(spans) > 0 {
		got[<-spans]++
	}
	if got["api Server Bearer secret"] != 2 || got["shop Server Bearer secret"] != 4 || got["tenants Client Bearer secret"] != 2 {
		t.Errorf("spans %v", got)
	}
}

func hangUp(t *testing.T, p *runningProxy) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// A request that is under way when the proxy is stopped gets its answer.
func TestProxyDrains(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			return
		}
		close(asked)
		<-release
		_, _ = io.WriteString(w, "late")
	}))
	defer s.Close()
	otlp, _ := collector(t)
	p := runProxy(t, "--listen", anyPort, "--upstream", s.URL, "--service", "shop", "--otlp", otlp)
	answered := make(chan string, 1)
	go func() {
		r, _ := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, p.url, nil)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-asked
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	refused := time.NewTimer(30 * time.Second)
	defer refused.Stop()
	for {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/.throughline/", nil)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil { // it takes no more
			break
		}
		_ = response.Body.Close()
		select {
		case <-refused.C:
			t.Fatal("a proxy that is stopped still takes requests")
		default:
		}
	}
	close(release)
	if got := <-answered; got != "late" {
		t.Errorf("the running request was answered with %q", got)
	}
	for range p.log {
	}
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
}

// With a server, pages find the agent on their own origin, and their beacons reach it
// with their own address.
func TestProxyPassesBeaconsOn(t *testing.T) {
	beacons := make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		beacons <- r
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	otlp, _ := collector(t)
	p := runProxy(t, "--listen", anyPort, "--upstream", named(t, "shop"), "--service", "shop", "--otlp", otlp, "--server", s.URL)
	want, err := browser.File(browser.AgentFile)
	if err != nil {
		t.Fatal(err)
	}
	if status, body, _ := fetch(t, p.url+"/.throughline/"+browser.AgentFile, ""); status != http.StatusOK || body != string(want) {
		t.Errorf("the agent: %d, %d bytes", status, len(body))
	}
	response, err := http.Post(p.url+"/.throughline/beacon", "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if r := <-beacons; response.StatusCode != http.StatusAccepted || r.Header.Get("X-Forwarded-For") != "127.0.0.1" || r.URL.Path != "/beacon" {
		t.Errorf("status %d; the server got %s from %q", response.StatusCode, r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}
	p.stop(t)
}

// Pages of a route with an application get the agent's script, with what the route sets,
// and the metrics count them; a page whose policy forbids it stays as it is, and says so.
func TestProxyInjects(t *testing.T) {
	const page = `<!doctype html><html><head><meta charset="utf-8"><title>Shop</title></head></html>`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/strict" {
			w.Header().Set("Content-Security-Policy", "script-src 'none'")
		}
		_, _ = io.WriteString(w, page)
	}))
	defer s.Close()
	otlp, _ := collector(t)
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
listen: 127.0.0.1:0
metrics: 127.0.0.1:0
otlp: %s
server: %s
tenant: 2ead957c-980df25b
routes:
  - upstream: %s
    service: shop
    application: 745a78fe5b6e57f6
    integrity: true
    inject_debug: true
    session_cookie: {name: shop-session, path: /}
    attributes: [{name: data-consent-required, value: ""}]
`, otlp, s.URL, s.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	p := runProxy(t, "--config", file)
	_, body, _ := fetch(t, p.url+"/", "")
	before, rest, found := strings.Cut(body, `<script src="/.throughline/`)
	element, after, ended := strings.Cut(rest, "></script>")
	if !found || !ended || before+after != page || !strings.HasSuffix(before, `<meta charset="utf-8">`) {
		t.Fatalf("the page is now %s", body)
	}
	for _, want := range []string{
		`data-application-id="745a78fe5b6e57f6"`, `data-endpoint="/.throughline/beacon"`, `data-tenant="2ead957c-980df25b"`,
		`data-session-cookie="shop-session; Path=/"`, `data-consent-required=""`, `integrity="sha384-`,
	} {
		if !strings.Contains(element, want) {
			t.Errorf("the element has no %s: %s", want, element)
		}
	}
	src, _, _ := strings.Cut(rest, `"`)
	if status, script, header := fetch(t, p.url+"/.throughline/"+src, ""); status != http.StatusOK || script == "" || !strings.Contains(header.Get("Cache-Control"), "immutable") {
		t.Errorf("its script: status %d, %v", status, header)
	}
	_, body, header := fetch(t, p.url+"/strict", "")
	if body != page || header.Get("Throughline-Injection") != "csp_forbids" {
		t.Errorf("the strict page: %v %s", header, body)
	}
	_, metrics, _ := fetch(t, p.metrics, "")
	for _, want := range []string{`throughline_proxy_injections_total{result="injected",service="shop"} 1`, `throughline_proxy_injections_total{result="csp_forbids",service="shop"} 1`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics have no %s:\n%s", want, metrics)
		}
	}
	ready := strings.TrimSuffix(p.metrics, "/metrics") + "/readyz"
	if status, text, _ := fetch(t, ready, ""); status != http.StatusOK {
		t.Errorf("while the upstream is up: %d %s", status, text)
	}
	s.Close()
	if status, text, _ := fetch(t, ready, ""); status != http.StatusServiceUnavailable || text != "shop cannot be reached\n" {
		t.Errorf("while the upstream is down: %d %q", status, text)
	}
	if status, _, _ := fetch(t, p.url+"/", ""); status != http.StatusBadGateway {
		t.Errorf("status %d", status)
	}
	if _, metrics, _ = fetch(t, p.metrics, ""); !strings.Contains(metrics, `throughline_proxy_upstream_failures_total{service="shop"} 1`) {
		t.Errorf("the metrics do not count the failure:\n%s", metrics)
	}
	p.stop(t)
}

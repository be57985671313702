package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

// The goals of the proxy: requests per second of processor time, beside those of
// httputil.ReverseProxy.
const (
	goalJSON = 0.85
	goalPage = 0.7
)

// connections are how many ask a proxy at once.
const connections = 8

// grace is how long a process may take to stop; startTimeout, to begin.
const (
	grace        = 5 * time.Second
	startTimeout = 20 * time.Second
)

// subject is a proxy under test.
type subject struct {
	name    string
	url     string
	p       *process.Process
	injects bool
}

// bench is a run with its processes.
type bench struct {
	temp     string
	upstream string
	running  []*process.Process
}

func (b *bench) stop() {
	for _, p := range slices.Backward(b.running) {
		_, _ = p.Stop(grace)
	}
}

func (b *bench) start(ctx context.Context, name, binary string, args ...string) (*process.Process, error) {
	p, err := process.Start(ctx, filepath.Join(b.temp, name+".log"), nil, binary, args...)
	if err != nil {
		return nil, err
	}
	b.running = append(b.running, p)
	return p, nil
}

// self starts this program in another role, and returns where it listens.
func (b *bench) self(ctx context.Context, name string, args ...string) (*process.Process, string, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p, err := b.start(ctx, name, binary, args...)
	if err != nil {
		return nil, "", err
	}
	var address string
	err = poll(ctx, func() bool {
		address, _, _ = strings.Cut(p.LogTail(), "\n")
		return strings.HasPrefix(address, "http://")
	})
	return p, address, err
}

// poll waits until something is so.
func poll(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("a program did not begin within %v", startTimeout)
		}
	}
	return nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// begin starts an upstream.
func begin(ctx context.Context, temp string) (*bench, error) {
	b := &bench{temp: temp}
	_, address, err := b.self(ctx, "upstream", roleUpstream)
	b.upstream = address
	return b, err
}

// ours starts the proxy, with the script in its pages or without.
func (b *bench) ours(ctx context.Context, name, binary string, inject bool) (*subject, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"proxy", "--listen", address, "--upstream", b.upstream, "--service", "bench", "--otlp", b.upstream}
	if inject {
		args = append(args, "--server", b.upstream, "--application", "745a78fe5b6e57f6")
	}
	p, err := b.start(ctx, strings.ReplaceAll(name, " ", "-"), binary, args...)
	if err != nil {
		return nil, err
	}
	return b.ready(ctx, &subject{name, "http://" + address, p, inject})
}

func (b *bench) ready(ctx context.Context, s *subject) (*subject, error) {
	err := poll(ctx, func() bool {
		status, err := get(ctx, http.DefaultClient, s.url+"/json", io.Discard)
		return err == nil && status == http.StatusOK
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w; it printed: %s", s.name, err, s.p.LogTail())
	}
	var html strings.Builder
	if _, err := get(ctx, http.DefaultClient, s.url+"/page", &html); err != nil {
		return nil, err
	}
	if found := strings.Contains(html.String(), "data-application-id"); found != s.injects {
		return nil, fmt.Errorf("%s: the script is in the page: %t", s.name, found)
	}
	return s, nil
}

// nginx starts nginx; substitute: with sub_filter, which puts a script into pages.
func (b *bench) nginx(ctx context.Context, name string, substitute bool) (*subject, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(b.temp, strings.ReplaceAll(name, " ", "-"))
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // its workers are another user's
		return nil, err
	}
	filter := ""
	if substitute {
		filter = `sub_filter '<meta charset="utf-8">' '<meta charset="utf-8"><script src="/.throughline/throughline.js" data-application-id="745a78fe5b6e57f6"></script>';`
	}
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  keepalive_requests 1000000;
  upstream backend { server %[2]s; keepalive 64; keepalive_requests 1000000; }
  server { listen %[3]s; location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; %[4]s } }
}
`, folder, strings.TrimPrefix(b.upstream, "http://"), address, filter)
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { //nolint:gosec // its workers are another user's
		return nil, err
	}
	p, err := b.start(ctx, strings.ReplaceAll(name, " ", "-"), "nginx", "-c", file, "-p", folder, "-e", filepath.Join(folder, "error.log"))
	if err != nil {
		return nil, err
	}
	return b.ready(ctx, &subject{name, "http://" + address, p, substitute})
}

func (b *bench) caddy(ctx context.Context) (*subject, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.temp, "Caddyfile")
	config := fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n}\nhttp://%s {\n\treverse_proxy %s\n}\n", address, b.upstream)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, "caddy", "caddy", "run", "--config", file, "--adapter", "caddyfile")
	if err != nil {
		return nil, err
	}
	return b.ready(ctx, &subject{"Caddy", "http://" + address, p, false})
}

// measureProxies lets every proxy answer the same requests in turns.
func measureProxies(ctx context.Context, o options, temp string, say func(string, ...any)) (*table.Table, []string, error) {
	b, err := begin(ctx, temp)
	defer b.stop()
	if err != nil {
		return nil, nil, err
	}
	var all []*subject
	add := func(s *subject, err2 error) { all, err = append(all, s), errors.Join(err, err2) }
	p, address, err := b.self(ctx, "bare", roleBare, b.upstream)
	add(&subject{"httputil.ReverseProxy", address, p, false}, err)
	add(b.ours(ctx, "Throughline", o.proxy, false))
	add(b.ours(ctx, "Throughline with injection", o.proxy, true))
	add(b.nginx(ctx, "nginx", false))
	add(b.nginx(ctx, "nginx with sub_filter", true))
	add(b.caddy(ctx))
	if err != nil {
		return nil, nil, err
	}
	paths := []string{"/json", "/page"}
	figures := map[string][]float64{}
	for round := range o.rounds {
		for _, s := range all {
			for _, path := range paths {
				say("round %d of %d: %s %s ...", round+1, o.rounds, s.name, path)
				figure, err := s.perCPUSecond(ctx, path, o.requests)
				if err != nil {
					return nil, nil, fmt.Errorf("%s %s: %w", s.name, path, err)
				}
				figures[s.name+path] = append(figures[s.name+path], figure)
			}
		}
	}
	median := func(s *subject, path string) float64 {
		slices.Sort(figures[s.name+path])
		return figures[s.name+path][o.rounds/2]
	}
	t := &table.Table{
		Title: "Proxies",
		Notes: []string{fmt.Sprintf("Requests per second of the proxy's processor time, %d connections, medians of %d rounds; in brackets beside `httputil.ReverseProxy`. "+
			"The page has 10 KB; ours makes and sends two spans for each request, the others none. Goals: %.2f for JSON, %.1f for the page with injection.", connections, o.rounds, goalJSON, goalPage)},
		Head: []string{"proxy", "1 KB of JSON", "HTML page", "goal"},
	}
	for i, s := range all {
		json, html := median(s, paths[0]), median(s, paths[1])
		jsonRatio, htmlRatio := json/median(all[0], paths[0]), html/median(all[0], paths[1])
		goal := ""
		switch i {
		case 1:
			goal = table.Mark(jsonRatio >= goalJSON)
		case 2:
			goal = table.Mark(htmlRatio >= goalPage)
		}
		t.Add(s.name, fmt.Sprintf("%s (%.2f)", table.Count(json), jsonRatio), fmt.Sprintf("%s (%.2f)", table.Count(html), htmlRatio), goal)
	}
	return t, versions(ctx), nil
}

// versions asks the programs of others which they are.
func versions(ctx context.Context) []string {
	var list []string
	for _, args := range [][]string{{"nginx", "-v"}, {"caddy", "version"}} {
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput() //nolint:gosec // both are constant
		if err == nil {
			first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			list = append(list, args[0]+" "+strings.TrimPrefix(first, "nginx version: nginx/"))
		}
	}
	return list
}

// perCPUSecond sends requests and returns how many a second of processor time answers.
func (s *subject) perCPUSecond(ctx context.Context, path string, requests int) (float64, error) {
	if err := s.load(ctx, path, requests/10); err != nil { // warm-up
		return 0, err
	}
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if err := s.load(ctx, path, requests); err != nil {
		return 0, err
	}
	after, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if after <= before {
		return 0, errors.New("it took no processor time; give more -requests")
	}
	return float64(requests) / (after - before).Seconds(), nil
}

// load sends requests over several connections.
func (s *subject) load(ctx context.Context, path string, requests int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}, Timeout: startTimeout}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(requests))
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				status, err := get(ctx, client, s.url+path, io.Discard)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// get writes an answer's body to a writer.
func get(ctx context.Context, client *http.Client, url string, to io.Writer) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(to, response.Body)
	return response.StatusCode, err
}

// cpu returns the processor time of a process and its children.
func (s *subject) cpu() (time.Duration, error) {
	total, err := s.p.CPU()
	if err != nil {
		return 0, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.p.PID()))
	if err != nil {
		return total, nil //nolint:nilerr // a kernel without the file; nginx alone has children
	}
	words := bufio.NewScanner(strings.NewReader(string(children)))
	words.Split(bufio.ScanWords)
	for words.Scan() {
		pid, err := strconv.Atoi(words.Text())
		if err != nil {
			return 0, err
		}
		used, err := process.CPUOf(pid)
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

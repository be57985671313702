package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
)

// runCommand runs one command to its end and returns what it printed.
func runCommand(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), args, &out, &errOut, func(string) string { return "" })
	return out.String(), errOut.String(), err
}

func TestVersionAndHelp(t *testing.T) {
	if out, _, err := runCommand(t, "version"); err != nil || !strings.HasPrefix(out, "throughline ") {
		t.Errorf("version prints %q, error %v", out, err)
	}
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"demo", "--help"}} {
		if out, _, err := runCommand(t, args...); err != nil || !strings.Contains(out, "Usage: throughline") {
			t.Errorf("%v prints %q, error %v", args, out, err)
		}
	}
	if out, _, _ := runCommand(t, "serve", "--help"); !strings.Contains(out, "THROUGHLINE_LISTEN") {
		t.Errorf("serve --help does not name the environment's variables:\n%s", out)
	}
}

func TestErrorsSayTheWayOut(t *testing.T) {
	busy, err := newTestServer(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("tcp", demoMain); err == nil { // else somebody else uses it, which does as well
		defer l.Close()
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":      {nil, "--help"},
		"unknown command": {[]string{"serv"}, "--help"},
		"bad tenant":      {[]string{"serve", "--tenant=x", "--data=" + t.TempDir()}, "8 hexadecimal digits"},
		"bad address":     {[]string{"serve", "--listen=8318", "--data=" + t.TempDir()}, "host:port"},
		"port in use":     {[]string{"serve", "--listen=" + busy.main.Addr().String(), "--data=" + t.TempDir()}, "--listen"},
		"demo's port":     {[]string{"demo"}, "--random-ports"},
		"folder is a file": {[]string{"serve", "--listen=127.0.0.1:0", "--otlp-http=127.0.0.1:0", "--otlp-grpc=127.0.0.1:0", "--data=main.go"},
			"--data"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := runCommand(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v fails with %v, want a word of %q", c.args, err, c.want)
			}
		})
	}
}

func TestServeStopsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := notice{seen: make(chan struct{}), text: "msg=ready"}
	done := make(chan error)
	go func() {
		args := []string{"serve", "--listen=127.0.0.1:0", "--otlp-http=127.0.0.1:0", "--otlp-grpc=127.0.0.1:0", "--data=" + t.TempDir()}
		done <- run(ctx, args, &log, &log, func(string) string { return "" })
	}()
	select {
	case <-log.seen:
	case err := <-done:
		t.Fatalf("serve ended before it was ready: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// notice is a log that tells when a text comes by.
type notice struct {
	seen chan struct{}
	text string
	once bool
}

func (n *notice) Write(p []byte) (int, error) {
	if !n.once && bytes.Contains(p, []byte(n.text)) {
		n.once = true
		close(n.seen)
	}
	return len(p), nil
}

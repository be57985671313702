package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The limits of one server process.
const (
	startTimeout = 2 * time.Minute // a start may have to replay a journal
	stopTimeout  = time.Minute     // after a signal that asks nicely
	maxLog       = 8 << 20         // bytes of a server's log that are kept
	maxLogLine   = 1 << 20
)

// addresses are where a server listens.
type addresses struct {
	ui, otlpHTTP string // URLs
	otlpGRPC     string // host:port
}

// ready is the line with which a server says that it takes data.
var (
	readyLine = regexp.MustCompile(`\bmsg=ready\b`)
	addrUI    = regexp.MustCompile(`\bui=(\S+)`)
	addrHTTP  = regexp.MustCompile(`\botlp_http=(\S+)`)
	addrGRPC  = regexp.MustCompile(`\botlp_grpc=(\S+)`)
)

// launcher starts servers.
type launcher struct {
	binary string
	logs   string // folder of the servers' logs
	args   []string
	env    []string
	starts int // so far; numbers the logs
}

// server is a process of `throughline serve`.
type server struct {
	addresses
	cmd    *exec.Cmd
	log    string
	killed atomic.Bool
	ready  chan addresses // takes one, once the server is ready
	done   chan struct{}  // closed when the process has ended
	err    error          // how it ended; read after done
}

// spawn starts a server on a data folder and does not wait until it is ready.
// When ctx ends the process is killed.
func (l *launcher) spawn(ctx context.Context, data string, env ...string) (*server, error) {
	l.starts++
	s := &server{
		log:   filepath.Join(l.logs, fmt.Sprintf("server-%d.log", l.starts)),
		ready: make(chan addresses, 1),
		done:  make(chan struct{}),
	}
	args := []string{
		"serve", "--data", data, "--listen", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0",
		"--memory-limit", "256", "--link-wait", linkWait.String(), "--link-interval", "50ms",
		"--beacon-rate", "0", // all senders have one address
	}
	s.cmd = exec.CommandContext(ctx, l.binary, append(args, l.args...)...) //nolint:gosec // the binary that the caller wants to be tested
	s.cmd.Env = append(append(cleanEnvironment(), l.env...), env...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, fmt.Errorf("the server's log: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		log.Close()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	go s.follow(stderr, log)
	return s, nil
}

// cleanEnvironment is the environment without settings of the server.
func cleanEnvironment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "THROUGHLINE_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// follow keeps the server's log, looks for the line that says ready, and waits
// for the end of the process.
func (s *server) follow(stderr io.Reader, log *os.File) {
	defer close(s.done)
	defer log.Close()
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, maxLogLine)
	for kept := 0; lines.Scan(); {
		line := lines.Text()
		if kept += len(line) + 1; kept <= maxLog {
			fmt.Fprintln(log, line)
		}
		if !readyLine.MatchString(line) {
			continue
		}
		if a, ok := parseReady(line); ok {
			s.ready <- a
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // after a line that is too long
	s.err = s.cmd.Wait()
}

func parseReady(line string) (addresses, bool) {
	var found [3]string
	for i, r := range []*regexp.Regexp{addrUI, addrHTTP, addrGRPC} {
		m := r.FindStringSubmatch(line)
		if m == nil {
			return addresses{}, false
		}
		found[i] = m[1]
	}
	return addresses{found[0], found[1], found[2]}, true
}

// start starts a server and waits until it is ready.
func (l *launcher) start(ctx context.Context, data string, env ...string) (*server, error) {
	s, err := l.spawn(ctx, data, env...)
	if err != nil {
		return nil, err
	}
	patience := time.NewTimer(startTimeout)
	defer patience.Stop()
	select {
	case s.addresses = <-s.ready:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("no start on %s: %w", data, s.endedByItself())
	case <-patience.C:
		s.kill()
		return nil, fmt.Errorf("the server was not ready on %s after %v; its log is %s and ends:\n%s", data, startTimeout, s.log, s.lastLines())
	case <-ctx.Done():
		s.kill()
		return nil, ctx.Err()
	}
}

// alive reports whether the server is meant to run.
func (s *server) alive() bool { return !s.killed.Load() }

// ended reports whether the process has ended, for whatever reason.
func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// kill ends the process as a power cut would, and waits until it is gone. It
// returns false where the process had ended by itself.
func (s *server) kill() bool {
	if s.ended() && s.alive() {
		s.killed.Store(true)
		return false
	}
	s.killed.Store(true)
	_ = s.cmd.Process.Kill() // it may have ended just now
	<-s.done
	return true
}

// endedByItself is the error of a server that nobody ended; it is for after done.
func (s *server) endedByItself() error {
	how := "with status 0"
	if s.err != nil {
		how = s.err.Error()
	}
	return fmt.Errorf("the server ended by itself, %s; its log %s ends:\n%s", how, s.log, s.lastLines())
}

// stop asks the server to stop and waits until it has. It fails where the server
// does not, or says that it failed.
func (s *server) stop() error {
	s.killed.Store(true)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("the server could not be told to stop: %w", err)
	}
	patience := time.NewTimer(stopTimeout)
	defer patience.Stop()
	select {
	case <-s.done:
	case <-patience.C:
		s.kill()
		return fmt.Errorf("the server had not stopped %v after a signal; its log is %s", stopTimeout, s.log)
	}
	if s.err != nil {
		return fmt.Errorf("the server stopped with %w; its log is %s and ends:\n%s", s.err, s.log, s.lastLines())
	}
	return nil
}

// lastLines returns the end of the log.
func (s *server) lastLines() string {
	const most = 1000
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return strings.TrimSpace(string(text))
}

// copyFolder copies a data folder that no process uses.
func copyFolder(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copying the data folder: %w", err)
	}
	return nil
}

var errNotRoot = errors.New("it needs root, to mount a small tmpfs")

// mountSmall mounts a file system in memory of so many MiB on a folder. The
// caller unmounts it.
func mountSmall(ctx context.Context, folder string, mebibytes int) (unmount func() error, err error) {
	if os.Geteuid() != 0 {
		return nil, errNotRoot
	}
	size := fmt.Sprintf("size=%dm,mode=700", mebibytes)
	if out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", size, "throughline-crash", folder).CombinedOutput(); err != nil { //nolint:gosec // a folder that this program made
		return nil, fmt.Errorf("mounting a tmpfs: %w: %s", err, out)
	}
	return func() error {
		if out, err := exec.CommandContext(context.WithoutCancel(ctx), "umount", folder).CombinedOutput(); err != nil { //nolint:gosec // the same folder
			return fmt.Errorf("unmounting %s: %w: %s (do it by hand)", folder, err, out)
		}
		return nil
	}, nil
}

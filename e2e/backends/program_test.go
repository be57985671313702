package backends

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startPatience = 30 * time.Second // until a program says that it listens
	stopPatience  = 15 * time.Second // from SIGTERM to SIGKILL
	keptLines     = 40               // of what a program says, shown where its test fails
)

// command is a program to start, and how it says where it listens.
type command struct {
	dir   string
	env   []string       // beside the environment of the test
	ready *regexp.Regexp // each of its groups is an address that the program says
	args  []string
}

// start runs a program until the test ends, with all that it starts itself, and
// returns what the groups of ready matched in one of its lines.
func start(t *testing.T, c command) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	said, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("%v (run: make e2e)", err)
	}
	out := &output{ready: c.ready, found: make(chan []string, 1)}
	var reading sync.WaitGroup
	reading.Go(func() { out.read(said) })
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		writer.Close()
	}()
	t.Cleanup(func() {
		cancel()
		err := <-ended
		reading.Wait()
		if killed(err) {
			t.Errorf("%s did not stop within %v: %v", c.args[0], stopPatience, err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(c.args, " "), out.text())
		}
	})
	timer := time.NewTimer(startPatience)
	defer timer.Stop()
	select {
	case found := <-out.found:
		return found
	case err := <-ended:
		ended <- err
		t.Fatalf("%s ended before it listened: %v", c.args[0], err)
	case <-timer.C:
		t.Fatalf("%s did not listen within %v", c.args[0], startPatience)
	}
	return nil
}

// killed reports whether a program, or one that it started, outlived SIGTERM.
func killed(err error) bool {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, ok := exit.Sys().(syscall.WaitStatus)
		return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	return errors.Is(err, exec.ErrWaitDelay)
}

// output keeps the last lines that a program said.
type output struct {
	ready *regexp.Regexp
	found chan []string // gets the groups of the first line that matches

	mu    sync.Mutex
	lines []string
}

func (o *output) read(r *io.PipeReader) {
	waiting := true
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		line := scanner.Text()
		o.mu.Lock()
		o.lines = append(o.lines, line)
		o.lines = o.lines[max(0, len(o.lines)-keptLines):]
		o.mu.Unlock()
		if groups := o.ready.FindStringSubmatch(line); waiting && groups != nil {
			waiting = false
			o.found <- slices.Clone(groups[1:])
		}
	}
	r.CloseWithError(scanner.Err()) // a line too long must not block the program
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

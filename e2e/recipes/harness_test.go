package recipes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds each wait for a program: its start, its end, an answer.
const patience = 30 * time.Second

// folder is all that a program may write to, and the address that it listens on.
type folder struct {
	path   string
	listen string
}

// nobody is whom programs run as where the tests are root's: some refuse to serve as root.
const nobody = 65534

func newFolder(t *testing.T) *folder {
	t.Helper()
	// That of t.TempDir is in one that only its owner may enter.
	path, err := os.MkdirTemp("", "throughline-recipe") //nolint:usetesting // for that
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
	})
	in := &folder{path: path}
	in.own(t, path)
	return in
}

func (in *folder) own(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

func (in *folder) mkdir(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(in.path, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	in.own(t, path)
	return path
}

func (in *folder) write(t *testing.T, name, text string) string {
	t.Helper()
	in.mkdir(t, filepath.Dir(name))
	path := filepath.Join(in.path, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in.own(t, path)
	return path
}

// process is a program that runs until the test ends.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	mu     sync.Mutex
	output bytes.Buffer
	lines  chan string // the first line that run was told to find
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// run starts a program. Its output is kept, and its first line that matches is sent.
func run(t *testing.T, cmd *exec.Cmd, find *regexp.Regexp) *process {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	if as := cmd.SysProcAttr.Credential; as != nil { // some open /dev/stderr anew
		if err := in.Chown(int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	cmd.SysProcAttr.Setpgid = true // so that none of its children stays
	p := &process{cmd: cmd, ended: make(chan struct{}), lines: make(chan string, 1)}
	err = cmd.Start()
	in.Close()
	if err != nil {
		out.Close()
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.output.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if find != nil {
				if m := find.FindStringSubmatch(lines.Text()); m != nil {
					p.lines <- m[1]
					find = nil
				}
			}
		}
	}()
	go func() {
		_ = cmd.Wait() // what it said tells more
		<-read
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), p.said())
		}
	})
	return p
}

// stop ends a program as a system does, and waits for its end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // where it has ended, that is seen next
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
		t.Errorf("%s did not stop", filepath.Base(p.cmd.Path))
	}
}

// start starts a program with the configuration of its guide, and returns its address.
func (prog *program) start(t *testing.T, g guide, heading, config, upstream string) string {
	t.Helper()
	// What belongs to the administrator is not on the PATH of everyone.
	path, err := exec.LookPath(prog.binary)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + prog.binary)
	}
	if err != nil {
		t.Fatalf("%s is not here: %v; run: build/setup.sh recipes (on Debian: apt-get install %s)", prog.binary, err, prog.debian)
	}
	for try := 1; ; try++ {
		in := newFolder(t)
		in.listen = freeAddress(t)
		text := strings.ReplaceAll(config, guideProgram, in.listen)
		text = strings.NewReplacer(guideProxy, upstream, guideApplication, upstream).Replace(text)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, prog.arrange(t, in, g, heading, text)...) // ended by stop
		cmd.Dir = in.path
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + in.path}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		p := run(t, cmd, nil)
		err := p.answers(in.listen)
		if err == nil {
			return in.listen
		}
		// Another program of the machine may have taken the port in between.
		if try == 5 || !strings.Contains(strings.ToLower(p.said()), "address already in use") {
			t.Fatalf("%s: %v", prog.binary, err)
		}
		p.stop(t)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answers waits until a program takes connections.
func (p *process) answers(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return errors.New("it ended before it answered")
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

var ready = regexp.MustCompile(`msg=ready proxy=http://(\S+)`)

// startProxy starts the command of the guide, with another upstream, and returns its
// address.
func startProxy(t *testing.T, g guide, heading, upstream, otlp string) string {
	t.Helper()
	binary := os.Getenv("THROUGHLINE_BINARY")
	if binary == "" {
		t.Fatal("THROUGHLINE_BINARY does not name the built binary; run: make e2e")
	}
	args := g.command(t, heading, "throughline")
	for i, word := range args {
		switch word {
		case guideProxy:
			args[i] = "127.0.0.1:0"
		case "http://" + guideProgram, "http://" + guideApplication:
			args[i] = "http://" + upstream
		}
	}
	p := run(t, exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(args, "--otlp", otlp)...), ready)
	select {
	case address := <-p.lines:
		return address
	case <-p.ended:
		t.Fatal("the proxy ended before it stood")
	case <-time.After(patience):
		t.Fatal("the proxy does not stand")
	}
	return ""
}

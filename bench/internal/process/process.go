// Package process runs the servers under test as processes and reads what they
// cost from /proc. It works on Linux only.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// userHertz is the unit of the CPU times in /proc: Linux gives them to programs in
// hundredths of a second on every machine.
const userHertz = 100

// Process is a program that was started here. Its methods are not for concurrent use.
type Process struct {
	cmd     *exec.Cmd
	logPath string
	done    chan struct{}
	err     error // of its end; read after done is closed
}

// Start starts a program; what it prints goes to the file logPath. When ctx ends
// it is killed. env is added to this program's own environment.
func Start(ctx context.Context, logPath string, env []string, binary string, args ...string) (*Process, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close()                                // the child has its own
	cmd := exec.CommandContext(ctx, binary, args...) //nolint:gosec // the operator names the program
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(logPath)
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (build it first)", err)
	}
	p := &Process{cmd: cmd, logPath: logPath, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// LogTail returns the end of what the program printed.
func (p *Process) LogTail() string {
	const tail = 2000
	all, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(all[max(0, len(all)-tail):]))
}

// CPU returns the processor time that the program has taken so far, all its
// threads and the children that it waited for included.
func (p *Process) CPU() (time.Duration, error) { return CPUOf(p.PID()) }

// CPUOf is [Process.CPU] of any process, as of a child that a program keeps.
func CPUOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	return parseCPU(string(stat))
}

// Memory returns what the program keeps in memory now, and the most it kept, in bytes.
func (p *Process) Memory() (now, peak int64, err error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "status"))
	if err != nil {
		return 0, 0, err
	}
	if now, err = parseKilobytes(string(status), "VmRSS"); err != nil {
		return 0, 0, err
	}
	peak, err = parseKilobytes(string(status), "VmHWM")
	return now, peak, err
}

// Stop asks the program to end, kills it after grace, and returns the processor
// time of its whole life.
func (p *Process) Stop(grace time.Duration) (time.Duration, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
		return 0, fmt.Errorf("it did not stop within %v and was killed", grace)
	}
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), nil
}

// Kill ends the program at once, as a crash would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// parseCPU reads utime, stime, cutime and cstime from /proc/PID/stat (proc(5)). The
// second field is the program's name in parentheses and may hold anything.
func parseCPU(stat string) (time.Duration, error) {
	const first, fields = 11, 4 // utime is field 14; counted from the one after the name
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("/proc stat: no name in it")
	}
	rest := strings.Fields(stat[end+1:])
	if len(rest) < first+fields {
		return 0, errors.New("/proc stat: too few fields")
	}
	var ticks int64
	for _, field := range rest[first : first+fields] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// parseKilobytes reads a field such as "VmHWM:   1234 kB" from /proc/PID/status.
func parseKilobytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc status: %s: %w", name, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("/proc status: no %s in it", name)
}

// DiskUse returns the bytes that the files below folder take on disk. Holes of
// sparse files are not counted, nor is what is below folders named like one of except.
func DiskUse(folder string, except ...string) (int64, error) {
	const block = 512 // the unit of st_blocks, whatever the file system's is
	var total int64
	err := filepath.WalkDir(folder, func(_ string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains(except, entry.Name()) {
			return filepath.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			total += stat.Blocks * block
		}
		return nil
	})
	return total, err
}

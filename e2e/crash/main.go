package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// linkWait is how long the servers wait for late spans; short, so that every
// request has a verdict soon.
const linkWait = time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Getenv)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	modes    string
	rounds   int
	seed     uint64
	senders  int
	longest  time.Duration
	patience time.Duration
	block    time.Duration
	full     int
	folder   string
	args     []string
}

// The names of the modes.
const (
	modeKill     = "kill"
	modeDiskFull = "diskfull"
	modeBlocked  = "blocked"
)

func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.modes, "mode", modeKill+","+modeDiskFull+","+modeBlocked, "modes to run, divided by commas: kill, diskfull, blocked")
	flags.IntVar(&o.rounds, "rounds", 100, "rounds of mode kill")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of every choice; 0: a new one, which is printed")
	flags.IntVar(&o.senders, "senders", 8, "senders at work at once")
	flags.DurationVar(&o.longest, "load", 2500*time.Millisecond, "longest time under load before a kill")
	flags.DurationVar(&o.patience, "patience", 90*time.Second, "how long a reopened server may take until everything is there and has its verdict")
	flags.DurationVar(&o.block, "block", time.Minute, "how long mode blocked keeps the store shut")
	flags.IntVar(&o.full, "disk", 128, "size of mode diskfull's file system, in MiB")
	flags.StringVar(&o.folder, "dir", "", "folder for the data; empty: the system's folder for temporary files")
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: THROUGHLINE_BINARY=path crash [flags] [-- flags of throughline serve]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.args = flags.Args()
	switch {
	case o.rounds < 1 || o.senders < 1 || o.senders > 1000:
		return o, errors.New("-rounds and -senders must be at least 1, -senders at most 1000")
	case o.longest < 10*time.Millisecond || o.block < time.Second || o.patience < time.Second:
		return o, errors.New("-load must be at least 10ms, -block and -patience at least 1s")
	case o.full < 32 || o.full > 1024:
		return o, errors.New("-disk must be 32 to 1024")
	}
	for o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	return o, nil
}

// harness runs modes against one binary.
type harness struct {
	options
	launcher
	out    io.Writer
	folder string // of this run; removed where nothing failed
}

// run runs the modes, prints their table, and fails where the server broke a promise.
func run(ctx context.Context, args []string, out io.Writer, getenv func(string) string) (err error) {
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	binary := getenv("THROUGHLINE_BINARY")
	if binary == "" {
		return errors.New("THROUGHLINE_BINARY does not name the built binary; run: make crash")
	}
	modes := map[string]func(context.Context, *tally) error{}
	h := &harness{options: o, out: out}
	modes[modeKill], modes[modeDiskFull], modes[modeBlocked] = h.kill, h.diskFull, h.blocked
	names := strings.Split(o.modes, ",")
	for _, name := range names {
		if modes[name] == nil {
			return fmt.Errorf("-mode: %q is none of kill, diskfull, blocked", name)
		}
	}
	if h.folder, err = os.MkdirTemp(o.folder, "throughline-crash-"); err != nil {
		return fmt.Errorf("a folder for the data: %w (choose another with -dir)", err)
	}
	h.launcher = launcher{binary: binary, logs: h.folder, args: o.args}
	fmt.Fprintf(out, "seed %d, data in %s\n", o.seed, h.folder)

	var tallies []*tally
	failed := false
	for _, name := range names {
		t := newTally(name)
		tallies = append(tallies, t)
		if err := modes[name](ctx, t); err != nil {
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), os.RemoveAll(h.folder))
			}
			t.violate("%v", err)
		}
		failed = failed || t.failed()
	}
	h.report(tallies)
	if failed {
		return fmt.Errorf("a promise was broken; the data and the servers' logs are kept in %s, and -seed %d makes the same choices again", h.folder, o.seed)
	}
	return os.RemoveAll(h.folder)
}

// report prints what was broken, and the table.
func (h *harness) report(tallies []*tally) {
	for _, t := range tallies {
		for _, text := range t.told {
			fmt.Fprintf(h.out, "%s: %s\n", t.mode, text)
		}
	}
	fmt.Fprintln(h.out)
	table := tabwriter.NewWriter(h.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "mode\trounds\tacknowledged\tlost\tdoubled\ttorn\tother faults\tunanswered messages\trepeated\trefused messages")
	for _, t := range tallies {
		if t.skipped != "" {
			fmt.Fprintf(table, "%s\tskipped: %s\n", t.mode, t.skipped)
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n",
			t.mode, t.rounds, t.acknowledged, t.lost, t.doubled, t.torn, t.faulty, t.unanswered, t.repeated, t.byReason())
	}
	table.Flush() //nolint:errcheck // as every print
}

// say prints a line of progress.
func (h *harness) say(format string, args ...any) { fmt.Fprintf(h.out, format+"\n", args...) }

// in returns a path in the run's folder.
func (h *harness) in(name string) string { return filepath.Join(h.folder, name) }

// connect returns a client of a running server.
func connect(s *server) (*client, error) { return newClient(s.addresses, s.alive) }

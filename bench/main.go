// Command bench measures this build's server against others, on this machine,
// with the same data and the same load. It starts binaries as processes and
// talks to them over the network; it knows nothing of their insides.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/host"
	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// The steps of a run.
const (
	stepSpans   = "spans"
	stepBeacons = "beacons"
	stepStore   = "store"
	stepReplay  = "replay"
)

// brought is a rival's binary that the operator brought.
type brought struct{ path, version string }

// options are what the command line says.
type options struct {
	binary, label      string
	root, out          string
	steps, rivals      []string
	brought            map[string]brought // by the rival's name
	rows, spans        int
	beacons            int
	connections, count int
	replay             int
	rate               int
	data               string
	timeout, perMetric time.Duration
	args               []string
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{args: args, brought: map[string]brought{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "server", "bin/throughline", "the server's binary")
	flags.StringVar(&o.label, "label", "", "what the server's version is called in the tables; default: the revision that is checked out")
	flags.StringVar(&o.root, "root", ".", "the repository's folder")
	flags.StringVar(&o.out, "out", "", "a Markdown file between whose markers the tables are written, too")
	steps := flags.String("steps", "spans,beacons,store,replay", "what to measure")
	rivals := flags.String("rivals", "all", "the rivals' names, separated by semicolons; all; none")
	flags.Func("bring", "NAME=PATH of a rival's binary that cannot be built here, or NAME@VERSION=PATH; may be repeated", func(s string) error {
		name, path, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want NAME=PATH or NAME@VERSION=PATH")
		}
		name, version, ok := strings.Cut(name, "@")
		if !ok {
			version = "brought"
		}
		path, err := filepath.Abs(path)
		o.brought[name] = brought{path, version}
		return err
	})
	flags.IntVar(&o.rows, "rows", 1_000_000, "request events in the store, and about as many spans; 10000000 for the full run")
	flags.IntVar(&o.spans, "spans", 100_000, "spans that each server takes in")
	flags.IntVar(&o.beacons, "beacons", 5_000, "beacons that each server takes in")
	flags.IntVar(&o.connections, "connections", 16, "connections that send at once")
	flags.IntVar(&o.count, "count", 1, "how often each server takes in the load; the median counts")
	flags.IntVar(&o.replay, "replay", 200, "megabytes of spans that are sent before the server is killed, for the replay")
	flags.IntVar(&o.rate, "rate", 5_000, "events and spans a second that come in while the store is asked; 0: none")
	flags.StringVar(&o.data, "data", "", "a folder that keeps the filled store: filled where it is empty, used as it is where it is not; default: a temporary one")
	flags.DurationVar(&o.timeout, "timeout", 90*time.Minute, "the end of everything")
	flags.DurationVar(&o.perMetric, "per-query", 30*time.Second, "how long each question is asked at most")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag; see -help", flags.Arg(0))
	}
	o.steps = strings.Split(*steps, ",")
	for _, step := range o.steps {
		if !slices.Contains([]string{stepSpans, stepBeacons, stepStore, stepReplay}, step) {
			return o, fmt.Errorf("-steps: there is no step %q", step)
		}
	}
	o.rivals = strings.Split(*rivals, ";")
	for _, limit := range []struct {
		name          string
		value, lo, hi int
	}{
		{"rows", o.rows, 1_000, 100_000_000}, {"spans", o.spans, 1_000, 2_000_000}, {"beacons", o.beacons, 100, 200_000},
		{"connections", o.connections, 1, 128}, {"rate", o.rate, 0, 200_000},
		{"count", o.count, 1, 99}, {"replay", o.replay, 10, 10_000},
	} {
		if limit.value < limit.lo || limit.value > limit.hi {
			return o, fmt.Errorf("-%s must be %d to %d", limit.name, limit.lo, limit.hi)
		}
	}
	var err error
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return o, err
	}
	if o.data != "" { // the server runs in it
		if o.data, err = filepath.Abs(o.data); err != nil {
			return o, err
		}
	}
	o.root, err = filepath.Abs(o.root)
	return o, err
}

// bench is one run.
type bench struct {
	options

	temp     string // removed at the end
	progress progress
	ours     *subject.Server
	versions []string // of all programs that were run
	began    time.Time

	loadBefore string // the machine's load average
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("it took longer than -timeout %v", o.timeout))
	defer cancel()
	temp, err := os.MkdirTemp("", "throughline-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // a temporary folder
	b := &bench{options: o, temp: temp, progress: progress{to: stderr}, began: time.Now(), loadBefore: host.Load()}
	if err := b.findOurs(ctx); err != nil {
		return err
	}
	var tables []*table.Table
	var failed error
	for _, step := range []struct {
		name    string
		measure func(context.Context) (*table.Table, error)
	}{{stepSpans, b.measureSpans}, {stepBeacons, b.measureBeacons}, {stepStore, b.measureStore}, {stepReplay, b.measureReplay}} {
		if !slices.Contains(o.steps, step.name) {
			continue
		}
		t, err := step.measure(ctx)
		if t != nil {
			tables = append(tables, t)
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		if err != nil {
			failed = fmt.Errorf("%s: %w", step.name, err)
			break
		}
	}
	if failed != nil && len(tables) == 0 {
		return failed
	}
	if failed != nil {
		b.out = "" // the document keeps whole runs only
	}
	return errors.Join(failed, b.report(context.WithoutCancel(ctx), tables, stdout))
}

// Command agents measures what the backend agents cost, on this machine, beside others that
// do some of the same: the middleware by itself, the proxy as a process, and the injection
// of the script into a long document.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/host"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "agents:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	proxy            string
	out              string
	requests, rounds int
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && (args[0] == roleUpstream || args[0] == roleBare) {
		return play(ctx, args, stdout)
	}
	var o options
	flags := flag.NewFlagSet("agents", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.proxy, "proxy", "bin/throughline", "the program whose proxy is measured")
	flags.StringVar(&o.out, "out", "", "a Markdown file between whose markers the tables are written, too")
	flags.IntVar(&o.requests, "requests", 10_000, "requests a proxy and round")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds, in which the proxies take turns; the median counts")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.requests < 100 || o.rounds < 1 {
		return errors.New("give at least 100 -requests and 1 of -rounds")
	}
	var err error
	if o.proxy, err = filepath.Abs(o.proxy); err != nil {
		return err
	}
	facts := table.Table{Title: "Run", Head: []string{"what", "value"}}
	facts.Add("date", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	facts.Add("command", fmt.Sprintf("bench/agents -requests %d -rounds %d", o.requests, o.rounds))
	facts.Add("machine", fmt.Sprintf("%s, %d processors, %s of memory", host.Processor(), runtime.NumCPU(), host.Memory()))
	before := host.Load()
	say := func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }

	say("middleware ...")
	middleware, err := measureMiddleware(o)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "throughline-agents-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left is the system's to clean
	proxies, versions, err := measureProxies(ctx, o, temp, say)
	if err != nil {
		return err
	}
	say("injection into 10 MB ...")
	stream, err := measureStream(ctx, o, temp)
	if err != nil {
		return err
	}
	facts.Add("other work", fmt.Sprintf("load average %s at the start, %s at the end; what is measured makes some of it", before, host.Load()))
	facts.Add("kernel", host.Kernel())
	facts.Add("programs", strings.Join(append([]string{runtime.Version()}, versions...), ", "))
	var text bytes.Buffer
	for _, t := range []*table.Table{&facts, middleware, proxies, stream} {
		if _, err := t.WriteTo(&text); err != nil {
			return err
		}
	}
	if _, err := stdout.Write(text.Bytes()); err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	if err := table.Keep(o.out, "bench-agents", text.String()); err != nil {
		return fmt.Errorf("-out %w", err)
	}
	say("written to %s", filepath.Base(o.out))
	return nil
}

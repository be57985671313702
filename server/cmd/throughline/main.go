// Command throughline links what real users' browsers saw of their requests with
// the traces of the backends that answered them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // from here on a second signal ends the process at once
	}()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "throughline:", err)
		}
		os.Exit(1)
	}
}

// errReported is a failure whose output has already said everything.
var errReported = errors.New("failed")

// streams is what a command may use of the process around it.
type streams struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the server: UI, API, beacons, OTLP and the embedded store."`
	Proxy   proxyCommand   `cmd:"" help:"Put a proxy in front of a backend: it links the backend's pages without changing it."`
	Config  configCommand  `cmd:"" help:"Look at the configuration."`
	Demo    demoCommand    `cmd:"" help:"Run a small shop and a server on a temporary store."`
	Explain explainCommand `cmd:"" help:"Say in plain words what a verdict means and what to do about it."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// run executes one command; args are without the program's name.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) error {
	var cli commands
	exited := false
	parser, err := kong.New(&cli,
		kong.Name("throughline"),
		kong.Description("Links what real users' browsers saw of their requests with the backend traces that answered them."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }), // after --help
		kong.Vars{"tenant": string(tracecontext.DefaultTenant)},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr, getenv}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (see throughline --help)", err)
	}
	return command.Run()
}

type versionCommand struct{}

// Run prints the version that the binary was built from.
func (versionCommand) Run(s streams) error {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintln(s.stdout, "throughline", version)
	return err
}

package main

import (
	"errors"
	"net"
	"os"

	"github.com/alecthomas/kong"

	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/guard"
)

type configCommand struct {
	Print configPrintCommand `cmd:"" help:"Print the configuration in effect, as a file, and where each value comes from."`
}

type configPrintCommand struct {
	config.Serve `embed:""`
}

// Run prints what serve would use with the same flags, environment and file.
func (c *configPrintCommand) Run(line *kong.Context, s streams) error {
	loaded, err := loadConfig(c.Serve, line)
	if err != nil {
		return err
	}
	return loaded.Print(s.stdout)
}

// loadConfig completes what the command line has set, and checks the whole.
func loadConfig(c config.Serve, line *kong.Context) (*config.Loaded, error) {
	loaded, err := config.Load(c, config.CommandLine{
		Given:     givenFlags(line),
		LookupEnv: os.LookupEnv, // as the parser of the command line does
	})
	if err != nil {
		return nil, err
	}
	if _, err := newGuard(&loaded.Serve); err != nil {
		if bad, ok := errors.AsType[*guard.ConfigError](err); ok {
			return nil, loaded.Explain(bad.Path, bad.Err, bad.Hint)
		}
		return nil, err
	}
	return loaded, nil
}

// givenFlags returns what tells whether a flag was given.
func givenFlags(line *kong.Context) func(flag string) bool {
	given := map[string]bool{}
	for _, p := range line.Path {
		if p.Flag != nil {
			given[p.Flag.Name] = true
		}
	}
	return func(flag string) bool { return given[flag] }
}

// applicationNames returns the names of applications, by id.
func applicationNames(c *config.Serve) map[string]string {
	names := map[string]string{}
	for _, a := range c.Applications {
		if a.Name != "" {
			names[a.ID] = a.Name
		}
	}
	return names
}

// newGuard returns the guard that a configuration asks for.
func newGuard(c *config.Serve) (*guard.Guard, error) {
	g := guard.Config{
		TrustedProxies:  c.TrustedProxies,
		ForwardedHeader: c.ForwardedHeader,
		AddressRate:     guard.Rate{PerSecond: c.BeaconRate, Burst: c.BeaconBurst},
		ApplicationRate: guard.Rate{PerSecond: c.ApplicationRate, Burst: c.ApplicationBurst},
		IngestTokens:    c.Tokens.Ingest,
		APITokens:       c.Tokens.API,
	}
	if c.InsecureNoAuth {
		g.Hosts = []string{"*"}
	} else if host, _, err := net.SplitHostPort(c.Listen); err == nil {
		g.Hosts = []string{host}
	}
	for _, a := range c.Applications {
		g.Applications = append(g.Applications, guard.Application{ID: a.ID, Origins: a.Origins, NoOrigin: a.NoOrigin})
	}
	return guard.New(g)
}

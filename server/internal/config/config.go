// Package config turns flags and environment into one validated struct. It
// opens nothing.
package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Serve is the configuration of `throughline serve`. The tags are read by the
// command line parser (github.com/alecthomas/kong).
type Serve struct {
	Listen   string `default:"127.0.0.1:8318" env:"THROUGHLINE_LISTEN" placeholder:"ADDR" help:"Address of the UI, the API, the agent script and beacons."`
	OTLPHTTP string `name:"otlp-http" default:"127.0.0.1:4318" env:"THROUGHLINE_OTLP_HTTP" placeholder:"ADDR" help:"Address of OTLP/HTTP."`
	OTLPGRPC string `name:"otlp-grpc" default:"127.0.0.1:4317" env:"THROUGHLINE_OTLP_GRPC" placeholder:"ADDR" help:"Address of OTLP/gRPC."`

	Data        string `default:"throughline-data" env:"THROUGHLINE_DATA" placeholder:"DIR" help:"Folder of the embedded store; made where it is missing."`
	MemoryLimit int    `default:"1024" env:"THROUGHLINE_MEMORY_LIMIT" placeholder:"MIB" help:"Memory that the embedded store may use, in MiB."`

	Tenant       string        `default:"${tenant}" env:"THROUGHLINE_TENANT" placeholder:"8HEX-8HEX" help:"Deployment and environment in the tracestate key; the agents must name the same."`
	LinkWait     time.Duration `default:"2m" env:"THROUGHLINE_LINK_WAIT" help:"How long to wait for late spans before a link is called missing."`
	LinkInterval time.Duration `default:"1s" env:"THROUGHLINE_LINK_INTERVAL" help:"How often to look for links that can be judged."`
}

// Error is a setting that cannot be used.
type Error struct {
	Setting string // the flag's name
	Err     error
	Hint    string // what to do
}

func (e *Error) Error() string {
	return fmt.Sprintf("--%s: %v (%s)", e.Setting, e.Err, e.Hint)
}

func (e *Error) Unwrap() error { return e.Err }

// The limits of settings.
const (
	minMemoryLimit = 128 // MiB; below it DuckDB cannot commit a large batch
	maxLinkWait    = 24 * time.Hour
	minInterval    = 10 * time.Millisecond
)

// Validate reports the first setting that cannot be used.
func (c *Serve) Validate() error {
	for _, l := range []struct{ setting, addr string }{{"listen", c.Listen}, {"otlp-http", c.OTLPHTTP}, {"otlp-grpc", c.OTLPGRPC}} {
		if _, _, err := net.SplitHostPort(l.addr); err != nil {
			return &Error{l.setting, err, "give host:port, for example 127.0.0.1:8318"}
		}
	}
	if c.Data == "" {
		return &Error{"data", errors.New("no folder given"), "name the folder that holds the store"}
	}
	if c.MemoryLimit < minMemoryLimit {
		return &Error{"memory-limit", fmt.Errorf("%d MiB is too little", c.MemoryLimit), fmt.Sprintf("give at least %d", minMemoryLimit)}
	}
	if _, err := tracecontext.ParseTenant(c.Tenant); err != nil {
		return &Error{"tenant", err, "give 8 hexadecimal digits, a hyphen, 8 hexadecimal digits"}
	}
	if c.LinkWait <= 0 || c.LinkWait > maxLinkWait {
		return &Error{"link-wait", fmt.Errorf("%v is out of range", c.LinkWait), fmt.Sprintf("give more than 0 and at most %v", maxLinkWait)}
	}
	if c.LinkInterval < minInterval {
		return &Error{"link-interval", fmt.Errorf("%v is too short", c.LinkInterval), fmt.Sprintf("give at least %v", minInterval)}
	}
	return nil
}

// StorePath returns the file of the embedded store.
func (c *Serve) StorePath() string { return filepath.Join(c.Data, "throughline.duckdb") }

// JournalPath returns the folder of the journal.
func (c *Serve) JournalPath() string { return filepath.Join(c.Data, "journal") }

// RejectedPath returns the folder of records that the store refuses.
func (c *Serve) RejectedPath() string { return filepath.Join(c.Data, "rejected") }

// Package config turns a YAML file, the environment and flags into one validated
// struct, and prints it. Of the system it reads the file, and the files of tokens
// that it names.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Serve is the configuration of `throughline serve`. The command line parser
// (github.com/alecthomas/kong) reads the tags for flags and environment, this
// package those for the file; a key of the file is a field's yaml tag.
type Serve struct {
	ConfigFile string `name:"config" env:"THROUGHLINE_CONFIG" placeholder:"FILE" yaml:"-" help:"YAML file with settings; flags and environment win over it."`

	Listen   string `yaml:"listen" default:"127.0.0.1:8318" env:"THROUGHLINE_LISTEN" placeholder:"ADDR" help:"Address of the UI, the API, the agent script and beacons."`
	OTLPHTTP string `yaml:"otlp_http" name:"otlp-http" default:"127.0.0.1:4318" env:"THROUGHLINE_OTLP_HTTP" placeholder:"ADDR" help:"Address of OTLP/HTTP."`
	OTLPGRPC string `yaml:"otlp_grpc" name:"otlp-grpc" default:"127.0.0.1:4317" env:"THROUGHLINE_OTLP_GRPC" placeholder:"ADDR" help:"Address of OTLP/gRPC."`

	Data        string `yaml:"data" default:"throughline-data" env:"THROUGHLINE_DATA" placeholder:"DIR" help:"Folder of the embedded store; made where it is missing."`
	MemoryLimit int    `yaml:"memory_limit" default:"512" env:"THROUGHLINE_MEMORY_LIMIT" placeholder:"MIB" help:"Memory that the embedded store may use, in MiB."`

	Journal   Journal   `embed:"" prefix:"journal-" yaml:"journal"`
	Retention Retention `embed:"" prefix:"retention-" yaml:"retention"`

	Tenant       string        `yaml:"tenant" default:"${tenant}" env:"THROUGHLINE_TENANT" placeholder:"8HEX-8HEX" help:"Deployment and environment in the tracestate key; the agents must name the same."`
	LinkWait     time.Duration `yaml:"link_wait" default:"2m" env:"THROUGHLINE_LINK_WAIT" help:"How long to wait for late spans before a link is called missing."`
	LinkInterval time.Duration `yaml:"link_interval" default:"1s" env:"THROUGHLINE_LINK_INTERVAL" help:"How often to look for links that can be judged."`

	BeaconRate       float64 `yaml:"beacon_rate" default:"50" env:"THROUGHLINE_BEACON_RATE" placeholder:"N" help:"Beacons a second that one client address may send in the long run; 0: no limit."`
	BeaconBurst      int     `yaml:"beacon_burst" default:"200" env:"THROUGHLINE_BEACON_BURST" placeholder:"N" help:"Beacons that one client address may send at once."`
	ApplicationRate  float64 `yaml:"application_rate" default:"0" env:"THROUGHLINE_APPLICATION_RATE" placeholder:"N" help:"Beacons a second that one application may send in the long run; 0: no limit."`
	ApplicationBurst int     `yaml:"application_burst" default:"1000" env:"THROUGHLINE_APPLICATION_BURST" placeholder:"N" help:"Beacons that one application may send at once."`

	TrustedProxies  []string `yaml:"trusted_proxies" env:"THROUGHLINE_TRUSTED_PROXIES" placeholder:"CIDR" help:"Addresses or ranges of the proxies in front of the server, which are believed when they tell the client's address."`
	ForwardedHeader string   `yaml:"forwarded_header" default:"X-Forwarded-For" env:"THROUGHLINE_FORWARDED_HEADER" placeholder:"HEADER" help:"Header in which they tell it: X-Forwarded-For or Forwarded."`
	GeoIPFile       string   `yaml:"geoip_file" name:"geoip-file" env:"THROUGHLINE_GEOIP_FILE" placeholder:"FILE" help:"MaxMind DB file that tells the country of an address; without it none is told."`

	InsecureNoAuth bool `yaml:"insecure_no_auth" env:"THROUGHLINE_INSECURE_NO_AUTH" help:"Let other machines reach the API and OTLP without a token."`

	Applications []Application `kong:"-" yaml:"applications" help:"Frontends that may send beacons; empty: every application."`
	Tokens       Tokens        `kong:"-" yaml:"tokens" help:"Bearer tokens; empty: nobody needs one."`
}

// Journal is about the journal, which holds what the store has not taken yet.
type Journal struct {
	Budget int `yaml:"budget" default:"2048" env:"THROUGHLINE_JOURNAL_BUDGET" placeholder:"MIB" help:"Disk that the journal may take while the store is slow, in MiB; beyond it senders are told to come again."`
}

// Retention is how long data is kept, by kind, counted from its start.
type Retention struct {
	Requests    Period `yaml:"requests" default:"30d" env:"THROUGHLINE_RETENTION_REQUESTS" help:"How long requests are kept, with their verdicts: 30d, 12h; 0: for ever."`
	Navigations Period `yaml:"navigations" default:"30d" env:"THROUGHLINE_RETENTION_NAVIGATIONS" help:"How long page loads are kept, with web vitals, actions and page events; 0: for ever."`
	Errors      Period `yaml:"errors" default:"30d" env:"THROUGHLINE_RETENTION_ERRORS" help:"How long errors are kept; 0: for ever."`
	Spans       Period `yaml:"spans" default:"30d" env:"THROUGHLINE_RETENTION_SPANS" help:"How long spans are kept; 0: for ever."`
}

// Application is a frontend that may send beacons.
type Application struct {
	ID       string   `yaml:"id"`
	Name     string   `yaml:"name"`
	Origins  []string `yaml:"origins"`
	NoOrigin bool     `yaml:"no_origin"`
}

// Tokens are the bearer tokens that open OTLP and the API. They have no flags,
// which every user of the machine could read.
type Tokens struct {
	Ingest     Secrets `yaml:"ingest" env:"THROUGHLINE_TOKENS_INGEST" help:"Tokens for OTLP."`
	IngestFile string  `yaml:"ingest_file" env:"THROUGHLINE_TOKENS_INGEST_FILE" help:"File with more of them, one a line."`
	API        Secrets `yaml:"api" env:"THROUGHLINE_TOKENS_API" help:"Tokens for the API and the metrics."`
	APIFile    string  `yaml:"api_file" env:"THROUGHLINE_TOKENS_API_FILE" help:"File with more of them, one a line."`
}

// Secrets are values that no log and no output shows.
type Secrets []string

// String tells how many there are.
func (s Secrets) String() string { return fmt.Sprintf("[%d not shown]", len(s)) }

// GoString is String, for %#v.
func (s Secrets) GoString() string { return s.String() }

// LogValue is String, for logs.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }

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
	minBudget      = 64      // MiB; half of it must hold the largest record
	maxBudget      = 1 << 24 // MiB
	minRetention   = Period(time.Hour)
)

// Check reports the first setting that cannot be used. (A method Validate would be
// called by the command line parser, before the file is read.)
func (c *Serve) Check() error {
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
	for _, r := range []struct {
		setting string
		rate    float64
		burst   int
	}{{"beacon", c.BeaconRate, c.BeaconBurst}, {"application", c.ApplicationRate, c.ApplicationBurst}} {
		if r.rate < 0 || math.IsNaN(r.rate) || math.IsInf(r.rate, 0) {
			return &Error{r.setting + "-rate", fmt.Errorf("%v is no rate", r.rate), "give a number a second, or 0 for no limit"}
		}
		if r.rate > 0 && r.burst < 1 {
			return &Error{r.setting + "-burst", fmt.Errorf("with %d nothing could come in", r.burst), "give at least 1; four times the rate is a good start"}
		}
	}
	if err := c.Journal.check(); err != nil {
		return err
	}
	if err := c.Retention.check(); err != nil {
		return err
	}
	return c.checkExposure()
}

func (j *Journal) check() error {
	if j.Budget < minBudget || j.Budget > maxBudget {
		return &Error{"journal-budget", fmt.Errorf("%d MiB is out of range", j.Budget), fmt.Sprintf("give at least %d and at most %d", minBudget, maxBudget)}
	}
	return nil
}

func (r *Retention) check() error {
	for _, k := range []struct {
		kind string
		keep Period
	}{{"requests", r.Requests}, {"navigations", r.Navigations}, {"errors", r.Errors}, {"spans", r.Spans}} {
		if k.keep < 0 || k.keep > maxPeriod || k.keep > 0 && k.keep < minRetention {
			return &Error{"retention-" + k.kind, fmt.Errorf("%v is out of range", k.keep), fmt.Sprintf("give at least %v, or 0 to keep them for ever", minRetention)}
		}
	}
	return nil
}

// checkExposure refuses to show data to other machines, or to take spans of
// them, without a token, unless that was asked for.
func (c *Serve) checkExposure() error {
	if open := c.Exposed(); len(open) > 0 && !c.InsecureNoAuth {
		return open[0]
	}
	return nil
}

// Exposed tells of each address at which other machines need no token where they should.
func (c *Serve) Exposed() []*Error {
	var open []*Error
	for _, l := range []struct {
		setting, addr, what, tokens, env string
		have                             int
	}{
		{"listen", c.Listen, "read the API, which shows what users did", "tokens.api", "THROUGHLINE_TOKENS_API", len(c.Tokens.API)},
		{"otlp-http", c.OTLPHTTP, "send spans", "tokens.ingest", "THROUGHLINE_TOKENS_INGEST", len(c.Tokens.Ingest)},
		{"otlp-grpc", c.OTLPGRPC, "send spans", "tokens.ingest", "THROUGHLINE_TOKENS_INGEST", len(c.Tokens.Ingest)},
	} {
		if l.have > 0 || isLoopback(l.addr) {
			continue
		}
		open = append(open, &Error{
			l.setting,
			fmt.Errorf("at %s other machines could %s, without a token", l.addr, l.what),
			fmt.Sprintf("set %s in the configuration file or %s, listen on 127.0.0.1 behind a proxy that authenticates, or accept it with --insecure-no-auth", l.tokens, l.env),
		})
	}
	return open
}

// isLoopback reports whether an address can be reached from this machine only.
// Names other than localhost may resolve to anything.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// StorePath returns the file of the embedded store.
func (c *Serve) StorePath() string { return filepath.Join(c.Data, "throughline.duckdb") }

// JournalPath returns the folder of the journal.
func (c *Serve) JournalPath() string { return filepath.Join(c.Data, "journal") }

// RejectedPath returns the folder of records that the store refuses.
func (c *Serve) RejectedPath() string { return filepath.Join(c.Data, "rejected") }

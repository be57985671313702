// Package guard decides who may send and who may ask: applications and their
// origins, rates, tokens, and whose address a request comes from. It looks at
// requests only and knows nothing of what they carry.
package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons of refusals, as the reason header and the counters name them.
const (
	UnknownApplication = "unknown_application"
	OriginNotAllowed   = "origin_not_allowed"
	RateLimited        = "rate_limited"
	Unauthenticated    = "unauthenticated"
	HostNotAllowed     = "host_not_allowed"
)

// The largest number of senders whose rate is known one by one; see [limiter].
const (
	MaxAddresses    = 100_000
	maxApplications = 10_000
)

// Config is what a Guard is made of. The zero value lets everybody in.
type Config struct {
	Applications []Application // who may send beacons; empty: every application

	TrustedProxies  []string // addresses or CIDR ranges whose ForwardedHeader is believed
	ForwardedHeader string   // XForwardedFor or Forwarded; empty: XForwardedFor

	AddressRate     Rate // beacons from one client address; an IPv6 /64 counts as one
	ApplicationRate Rate // beacons of one application

	IngestTokens []string // for OTLP; empty: nobody needs one
	APITokens    []string // for the API and the metrics; empty: nobody needs one
	// Hosts are the names by which the API is asked for where nobody needs a token, beside localhost and addresses; a
	// page of another name must not reach it by having that name lead here (DNS rebinding). "*": any name.
	Hosts []string

	Now func() time.Time // the clock of the rates; nil: time.Now
}

// ConfigError is a setting that cannot be used.
type ConfigError struct {
	Path string // the setting, as the configuration file nests it
	Err  error
	Hint string // what to do
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %v (%s)", e.Path, e.Err, e.Hint) }

func (e *ConfigError) Unwrap() error { return e.Err }

// RefusalError says why a request is not let in. No text repeats what was sent.
type RefusalError struct {
	status                int
	reason, problem, hint string
}

// Error returns what is wrong.
func (r *RefusalError) Error() string { return r.problem }

// Status returns the HTTP status code.
func (r *RefusalError) Status() int { return r.status }

// Reason returns a fixed word for counters and headers.
func (r *RefusalError) Reason() string { return r.reason }

// Hint returns what to do.
func (r *RefusalError) Hint() string { return r.hint }

// Guard lets requests in or refuses them. Its methods may be called by many
// goroutines. Where a method returns an error, that is a *RefusalError.
type Guard struct {
	applications   applications
	proxies        proxies
	byAddress      *limiter[netip.Addr] // nil: no limit
	byApplication  *limiter[string]     // nil: no limit
	ingest, api    tokens
	hosts          []string // lower case
	apiRefusals    *prometheus.CounterVec
	trackedSenders prometheus.GaugeFunc
}

// New checks the settings; its error is a *ConfigError.
func New(c Config) (*Guard, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	g := &Guard{apiRefusals: newAPIRefusals()}
	var err error
	if g.applications, err = newApplications(c.Applications); err != nil {
		return nil, err
	}
	if g.proxies, err = newProxies(c.TrustedProxies, c.ForwardedHeader); err != nil {
		return nil, err
	}
	if g.byAddress, err = newLimiter[netip.Addr]("beacon_rate", "beacon_burst", c.AddressRate, MaxAddresses, c.Now); err != nil {
		return nil, err
	}
	if g.byApplication, err = newLimiter[string]("application_rate", "application_burst", c.ApplicationRate, maxApplications, c.Now); err != nil {
		return nil, err
	}
	if g.ingest, err = newTokens("tokens.ingest", c.IngestTokens); err != nil {
		return nil, err
	}
	if g.api, err = newTokens("tokens.api", c.APITokens); err != nil {
		return nil, err
	}
	for _, h := range c.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	g.trackedSenders = newTrackedSenders(g)
	return g, nil
}

// Sender is asked before the body of a beacon is read.
func (g *Guard) Sender(r *http.Request) error {
	if g.byAddress.allow(addressKey(g.ClientAddress(r))) {
		return nil
	}
	return &RefusalError{http.StatusTooManyRequests, RateLimited, "more beacons come from this address than the server's settings allow",
		"Send it again after the time that Retry-After says; the operator can raise beacon_rate, or name the proxy in front of the server in trusted_proxies."}
}

// Application is asked for each beacon that could be decoded. The origin is the
// Origin header, empty where there is none.
func (g *Guard) Application(id, origin string) error {
	if refused := g.applications.allow(id, origin); refused != nil {
		return refused
	}
	if g.byApplication.allow(strings.Clone(id)) { // which keeps it, and not the beacon that it is a part of
		return nil
	}
	return &RefusalError{http.StatusTooManyRequests, RateLimited, "more beacons come from this application than the server's settings allow",
		"Send it again after the time that Retry-After says; the operator can raise application_rate."}
}

// AllowOrigin returns the value for Access-Control-Allow-Origin in answers to
// beacons; empty: none. Where it is not "*", it depends on the origin.
func (g *Guard) AllowOrigin(origin string) string { return g.applications.allowOrigin(origin) }

// Traces is asked for each OTLP request, with its Authorization header.
func (g *Guard) Traces(authorization string) error {
	if g.ingest.allow(authorization) {
		return nil
	}
	return &RefusalError{http.StatusUnauthorized, Unauthenticated, "an ingest token is needed",
		"Set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN, with a token of tokens.ingest in the server's settings."}
}

// Addresses returns how many client addresses have a bucket of their own.
func (g *Guard) Addresses() int { return g.byAddress.len() }

var errEmpty = errors.New("nothing is given")

// Package client describes who sent a beacon, from the address and the
// User-Agent header: browser, system, device, country, and the address without
// its last part. The full address goes no further than this.
package client

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/medama-io/go-useragent"
	"github.com/medama-io/go-useragent/agents"
	"github.com/oschwald/maxminddb-golang/v2"
)

// What is kept of an address, in bits.
const (
	keptOfIPv4 = 24
	keptOfIPv6 = 48
)

// The limits of a description, in bytes.
const (
	maxUserAgentBytes = 512 // read of a User-Agent header; browsers send up to 300
	maxFieldBytes     = 32
	maxVersionDigits  = 8
)

// Client is what is kept of a sender. The fields are named after attributes of
// the OpenTelemetry semantic conventions; empty: not known.
type Client struct {
	Address          netip.Addr // client.address, masked: an IPv4 /24 or an IPv6 /48
	CountryISOCode   string     // client.geo.country_iso_code: two capital letters
	UserAgentName    string     // user_agent.name: Chrome, Firefox, Safari, ...
	UserAgentVersion string     // user_agent.version: the major one
	OSName           string     // os.name: Windows, macOS, Linux, Android, iOS, ...
	DeviceType       string     // device.type: desktop, mobile, tablet, tv, bot
}

// Describer describes senders. It may be used by many goroutines.
type Describer struct {
	parser    *useragent.Parser
	known     cache
	countries *maxminddb.Reader // nil: no country is known
}

// NewDescriber returns a Describer that knows countries from a file in the
// MaxMind DB format; with an empty name it knows none.
func NewDescriber(geoIPFile string) (*Describer, error) {
	d := &Describer{parser: useragent.NewParser()}
	if geoIPFile == "" {
		return d, nil
	}
	countries, err := maxminddb.Open(geoIPFile)
	if err != nil {
		return nil, fmt.Errorf("client: the file of countries: %w", err)
	}
	var code string
	if err := countries.Lookup(netip.IPv4Unspecified()).DecodePath(&code, "country", "iso_code"); err != nil {
		_ = countries.Close() // it was only read
		return nil, fmt.Errorf("client: the file of countries holds none under country.iso_code: %w", err)
	}
	d.countries = countries
	return d, nil
}

// Close releases the file of countries; the Describer must not be used after it.
func (d *Describer) Close() error {
	if d.countries == nil {
		return nil
	}
	return d.countries.Close()
}

// Describe describes the sender at an address, which may be the zero Addr, with
// a User-Agent header, which may be anything.
func (d *Describer) Describe(address netip.Addr, userAgent string) Client {
	address = address.Unmap().WithZone("")
	c := Client{Address: mask(address), CountryISOCode: d.country(address)}
	if len(userAgent) > maxUserAgentBytes {
		userAgent = userAgent[:maxUserAgentBytes]
	}
	if userAgent != "" {
		a := d.known.get(userAgent, d.parse)
		c.UserAgentName, c.UserAgentVersion, c.OSName, c.DeviceType = a.name, a.version, a.os, a.device
	}
	return c
}

func (d *Describer) parse(userAgent string) agent {
	parsed := d.parser.Parse(userAgent)
	a := agent{
		name: parsed.Browser().String(), version: digits(parsed.BrowserVersionMajor()),
		os: parsed.OS().String(), device: strings.ToLower(parsed.Device().String()),
	}
	if parsed.OS() == agents.OSMacOS {
		a.os = "macOS" // as its maker and the semantic conventions write it
	}
	return a
}

// mask drops the part of an address that tells one subscriber from another.
func mask(a netip.Addr) netip.Addr {
	bits := keptOfIPv4
	if a.Is6() {
		bits = keptOfIPv6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Addr{} // it was none
	}
	return p.Addr()
}

// country looks an address up; a file that is damaged knows nothing.
func (d *Describer) country(a netip.Addr) string {
	if d.countries == nil || !a.IsValid() {
		return ""
	}
	var code string
	if err := d.countries.Lookup(a).DecodePath(&code, "country", "iso_code"); err != nil || !isCountry(code) {
		return ""
	}
	return code
}

func isCountry(code string) bool {
	return len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
}

// digits returns a version that is a number, and nothing for any other.
func digits(version string) string {
	if len(version) > maxVersionDigits || strings.Trim(version, "0123456789") != "" {
		return ""
	}
	return version
}

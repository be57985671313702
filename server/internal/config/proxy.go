package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Proxy is the configuration of `throughline proxy`: either flags, for one upstream, or a
// file with any number of routes.
type Proxy struct {
	ConfigFile string `name:"config" placeholder:"FILE" yaml:"-" help:"YAML file with all settings, in place of the other flags; read again on SIGHUP."`

	Listen string `yaml:"listen" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on: HTTP/1.1 and HTTP/2, with TLS where a certificate is given."`
	TLS    TLS    `embed:"" prefix:"tls-" yaml:"tls"`

	OTLP      string  `yaml:"otlp" default:"http://127.0.0.1:4318" placeholder:"URL" help:"OTLP/HTTP endpoint that gets the spans, without /v1/traces."`
	OTLPToken Secrets `kong:"-" yaml:"otlp_token"`

	Server string `yaml:"server" placeholder:"URL" help:"Throughline server that gets the beacons; with it pages find the agent and send beacons below --prefix."`
	Prefix string `yaml:"prefix" default:"/.throughline/" placeholder:"PATH" help:"Path of the agent and the beacons on every host."`

	Tenant  string `yaml:"tenant" default:"${tenant}" placeholder:"8HEX-8HEX" help:"Deployment and environment in the tracestate key; the agents must name the same."`
	Metrics string `yaml:"metrics" placeholder:"ADDR" help:"Address of Prometheus metrics at /metrics; empty: none."`

	TrustedProxies []string      `yaml:"trusted_proxies" placeholder:"CIDR" help:"Addresses or ranges of proxies in front of this one, which are believed when they tell the client's address."`
	Via            string        `yaml:"via" placeholder:"NAME" help:"Name of the proxy in the header Via; empty: it sends none, since nginx does not compress for those who do."`
	Drain          time.Duration `yaml:"drain" default:"30s" help:"How long running requests may take when the proxy is stopped."`

	Route  Route   `embed:"" yaml:"-"` // from flags
	Routes []Route `kong:"-" yaml:"routes"`
}

// TLS is a certificate with its key, in PEM; the files are read again on SIGHUP.
type TLS struct {
	Cert string `yaml:"cert" placeholder:"FILE" help:"Certificate, with its chain, in PEM."`
	Key  string `yaml:"key" placeholder:"FILE" help:"Key of the certificate, in PEM."`
}

// Route says which requests go to which upstream. Of several that match, the one with
// the longest path counts, and of these one whose host is listed.
type Route struct {
	Hosts []string `kong:"-" yaml:"hosts"` // shop.example, *.shop.example; empty: every host
	Path  string   `kong:"-" yaml:"path"`  // beginning of the path, by whole segments; empty: every path

	Upstream string `yaml:"upstream" placeholder:"URL" help:"Backend to ask: http://, https://, or h2c:// for HTTP/2 without TLS."`
	Service  string `yaml:"service" placeholder:"NAME" help:"service.name of the spans."`

	Trust        string   `yaml:"trust" default:"agent" enum:"agent,always,never" help:"Whose trace context is continued: that of our agents and of trusted peers, everybody's, nobody's."`
	TrustedPeers []string `yaml:"trusted_peers" placeholder:"CIDR" help:"Addresses or ranges whose trace context is continued though it names no session: gateways that trace."`
	RewriteHost  bool     `yaml:"rewrite_host" help:"Send the upstream its own name in Host, not that of the request."`

	Application   string        `yaml:"application" placeholder:"16HEX" help:"Application id; with --server pages get the agent's script, with this id."`
	Integrity     bool          `yaml:"integrity" help:"Pin the script's content on its element (Subresource Integrity)."`
	InjectDebug   bool          `yaml:"inject_debug" help:"Say in the header Throughline-Injection why a page did not get the script."`
	Attributes    []Attribute   `kong:"-" yaml:"attributes"` // of the script's element: the agent's options
	SessionCookie SessionCookie `embed:"" prefix:"session-cookie-" yaml:"session_cookie"`
	Origins       []OriginRule  `kong:"-" yaml:"origins"`

	ConnectTimeout time.Duration `yaml:"connect_timeout" default:"10s" help:"Bound of a connection to the upstream."`
	AnswerTimeout  time.Duration `yaml:"answer_timeout" default:"60s" help:"Bound of the wait for the headers of an answer."`
}

// SessionCookie is the cookie in which the agent leaves the session's ids.
type SessionCookie struct {
	Name   string `yaml:"name" placeholder:"NAME" help:"Cookie in which the agent leaves the session's ids, with consent; empty: none."`
	Path   string `yaml:"path" placeholder:"PATH" help:"Path of that cookie."`
	Domain string `yaml:"domain" placeholder:"HOST" help:"Host that gets that cookie with all hosts below."`
}

// Attribute is an option of the agent, as the element of its script says it.
type Attribute struct {
	Name  string `yaml:"name"` // data-consent-required
	Value string `yaml:"value"`
}

// OriginRule lets the pages of other origins see which trace answered.
type OriginRule struct {
	Matcher string `yaml:"matcher"` // EQUALS, STARTS_WITH, ENDS_WITH, CONTAINS
	Pattern string `yaml:"pattern"`
}

// maxRoutes is more than one machine serves.
const maxRoutes = 1000

// LoadProxy reads the file that c names, and checks the whole. Given tells which flags
// were given.
func LoadProxy(c Proxy, given func(flag string) bool) (*Proxy, error) {
	if c.ConfigFile == "" {
		c.Routes = []Route{c.Route}
		if err := c.check(); err != nil {
			return nil, err
		}
		return &c, nil
	}
	for _, flag := range []string{"upstream", "service", "listen", "server", "otlp"} {
		if given(flag) {
			return nil, &Error{flag, errors.New("this is given beside --config"), "write it into the file"}
		}
	}
	defaults := c.Route
	f, err := readFile(c.ConfigFile, &c)
	if err != nil {
		return nil, err
	}
	for i := range c.Routes {
		if r := &c.Routes[i]; r.Trust == "" {
			r.Trust = defaults.Trust
		}
	}
	err = c.check()
	if bad, ok := errors.AsType[*Error](err); ok {
		return nil, &FileError{f.name, f.lineOf(bad.Setting), bad.Setting, bad.Err, bad.Hint}
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// check reports the first setting that cannot be used: by its key in the file where it
// is one of the routes', and by the flag's name where flags were given.
func (c *Proxy) check() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return &Error{"listen", err, "give host:port, for example 127.0.0.1:8080"}
	}
	if c.Metrics != "" {
		if _, _, err := net.SplitHostPort(c.Metrics); err != nil {
			return &Error{"metrics", err, "give host:port, for example 127.0.0.1:9318"}
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return &Error{"tls", errors.New("a certificate and its key go together"), "give both files, or none"}
	}
	if err := checkURL("otlp", c.OTLP, "http", "https"); err != nil {
		return err
	}
	if c.Server != "" {
		if err := checkURL("server", c.Server, "http", "https"); err != nil {
			return err
		}
	}
	if _, err := tracecontext.ParseTenant(c.Tenant); err != nil {
		return &Error{"tenant", err, "give 8 hexadecimal digits, a hyphen, 8 hexadecimal digits"}
	}
	if _, err := Prefixes(c.TrustedProxies); err != nil {
		return &Error{"trusted_proxies", err, "write 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7"}
	}
	if c.Drain < 0 {
		return &Error{"drain", fmt.Errorf("%v is no time", c.Drain), "give 0 or more"}
	}
	if len(c.Routes) == 0 {
		return &Error{"routes", errors.New("there is none, so that no request would be answered"), "write at least one, with upstream and service"}
	}
	if len(c.Routes) > maxRoutes {
		return &Error{"routes", fmt.Errorf("%d are too many", len(c.Routes)), fmt.Sprintf("write at most %d", maxRoutes)}
	}
	seen := map[string]int{}
	for i := range c.Routes {
		if err := c.Routes[i].check(c, i); err != nil {
			return err
		}
		for _, host := range c.Routes[i].hosts() {
			at := host + c.Routes[i].Path
			if first, twice := seen[at]; twice {
				return &Error{c.key(i, "path"), fmt.Errorf("routes[%d] takes the same requests", first), "give them other hosts or paths"}
			}
			seen[at] = i
		}
	}
	return nil
}

// key returns where a setting of a route stands.
func (c *Proxy) key(i int, name string) string {
	if c.ConfigFile == "" {
		return flagOf(name)
	}
	return fmt.Sprintf("routes[%d].%s", i, name)
}

func (r *Route) hosts() []string {
	if len(r.Hosts) == 0 {
		return []string{""}
	}
	return r.Hosts
}

func (r *Route) check(c *Proxy, i int) error {
	fail := func(name string, err error, hint string) error { return &Error{c.key(i, name), err, hint} }
	for _, host := range r.Hosts {
		name := strings.TrimPrefix(host, "*.")
		if name == "" || strings.ContainsAny(name, "*/:@ ") || name != strings.ToLower(name) {
			return fail("hosts", fmt.Errorf("%q is no host", host), "write shop.example or *.shop.example, in lower case, without a port")
		}
	}
	if r.Path != "" && (r.Path[0] != '/' || strings.HasSuffix(r.Path, "/")) {
		return fail("path", fmt.Errorf("%q is no beginning of a path", r.Path), "write /shop; for every path leave it out")
	}
	if r.Upstream == "" {
		return fail("upstream", errors.New("no backend given"), "give its URL, for example http://127.0.0.1:3000")
	}
	if err := checkURL(c.key(i, "upstream"), r.Upstream, "http", "https", "h2c"); err != nil {
		return err
	}
	if r.Service == "" {
		return fail("service", errors.New("no name given, by which the spans would be found"), "give a name for the backend, for example shop")
	}
	if !slices.Contains([]string{"agent", "always", "never"}, r.Trust) {
		return fail("trust", fmt.Errorf("%q is no policy", r.Trust), "write agent, always or never")
	}
	if _, err := Prefixes(r.TrustedPeers); err != nil {
		return fail("trusted_peers", err, "write 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7")
	}
	if r.Application != "" && !isApplication(r.Application) {
		return fail("application", errors.New("this is no application id"), "give 16 hexadecimal digits in lower case")
	}
	if r.Application != "" && c.Server == "" {
		return fail("application", errors.New("without a server pages would have nowhere to send beacons"), "set server as well, for example http://127.0.0.1:8318")
	}
	for j, a := range r.Attributes {
		if !strings.HasPrefix(a.Name, "data-") || strings.Trim(a.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
			return fail("attributes", fmt.Errorf("%q is no option of the agent", a.Name), "write its name as in HTML, for example data-consent-required")
		}
		if slices.Contains([]string{"data-application-id", "data-endpoint", "data-tenant", "data-session-cookie"}, a.Name) {
			return fail("attributes", fmt.Errorf("%s is written by the proxy", a.Name), "set it by its own key")
		}
		if slices.ContainsFunc(r.Attributes[:j], func(b Attribute) bool { return b.Name == a.Name }) {
			return fail("attributes", fmt.Errorf("%s stands there twice", a.Name), "keep one of the two")
		}
	}
	if err := throughline.SessionCookie(r.SessionCookie).Validate(); err != nil {
		return fail("session_cookie", err, "give a name of letters, digits and hyphens; a path that begins with /")
	}
	if _, err := r.OriginRules(); err != nil {
		return fail("origins", err, "write matcher: EQUALS, STARTS_WITH, ENDS_WITH or CONTAINS, and a pattern")
	}
	if r.ConnectTimeout < 0 || r.AnswerTimeout < 0 {
		return fail("answer_timeout", errors.New("a time cannot be below zero"), "give 0 for the default")
	}
	return nil
}

// OriginRules returns the rules for origins.
func (r *Route) OriginRules() ([]servertiming.Rule, error) {
	var rules []servertiming.Rule
	for _, o := range r.Origins {
		rules = append(rules, servertiming.Rule{Matcher: servertiming.Matcher(o.Matcher), Pattern: o.Pattern})
	}
	_, err := servertiming.NewRuleSet(rules...)
	return rules, err
}

func isApplication(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// checkURL checks the address of a server.
func checkURL(setting, text string, schemes ...string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return &Error{setting, errors.New("this is no URL of a server"), "write " + schemes[0] + "://host:port"}
	}
	return nil
}

// Prefixes reads addresses and ranges.
func Prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil || address.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a range", text)
			}
			address = address.Unmap()
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

package main

import (
	"context"
	stdlog "log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/firstparty"
	"github.com/throughline-rum/throughline/inject"
	"github.com/throughline-rum/throughline/proxy"
	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// routeTable finds the proxy of a request.
type routeTable struct {
	handler    http.Handler // find, with the agent's path around it where there is one
	routes     []proxyRoute // the more special first
	transports []*http.Transport
	upstreams  []proxyUpstream
}

// proxyUpstream is where a service listens.
type proxyUpstream struct{ service, address string }

type proxyRoute struct {
	host    string // empty: every; "*.x": every one below x
	path    string
	handler http.Handler
}

// newRoutes makes a proxy for each route.
func (p *proxyServer) newRoutes(ctx context.Context, c *config.Proxy) (*routeTable, error) {
	table := new(routeTable)
	table.handler = http.HandlerFunc(table.find)
	agent, err := newAgent(c)
	if err != nil {
		return nil, err
	}
	if agent != nil {
		table.handler = agent.Wrap(table.handler)
	}
	for i := range c.Routes {
		route := &c.Routes[i]
		handler, transport, err := p.newRoute(ctx, c, route, agent)
		if err != nil {
			return nil, err
		}
		table.transports = append(table.transports, transport)
		table.upstreams = append(table.upstreams, proxyUpstream{route.Service, addressOf(route.Upstream)})
		hosts := route.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, host := range hosts {
			table.routes = append(table.routes, proxyRoute{host, route.Path, handler})
		}
	}
	slices.SortStableFunc(table.routes, func(a, b proxyRoute) int {
		if n := rankOfHost(b.host) - rankOfHost(a.host); n != 0 {
			return n
		}
		return len(b.path) - len(a.path)
	})
	return table, nil
}

// newAgent returns what serves the agent on every host; nil where no server takes its
// beacons.
func newAgent(c *config.Proxy) (*firstparty.Handler, error) {
	if c.Server == "" {
		return nil, nil //nolint:nilnil // nobody asked for one
	}
	server, err := url.Parse(c.Server)
	if err != nil {
		return nil, err
	}
	proxies, err := config.Prefixes(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return firstparty.New(firstparty.Options{Prefix: c.Prefix, Server: server, TrustedProxies: proxies})
}

// rankOfHost says how special a pattern is: a name, then those below the longest name.
func rankOfHost(pattern string) int {
	switch {
	case pattern == "":
		return 0
	case strings.HasPrefix(pattern, "*"):
		return len(pattern)
	default:
		return 1 << 16
	}
}

func (p *proxyServer) newRoute(ctx context.Context, c *config.Proxy, route *config.Route, agent *firstparty.Handler) (http.Handler, *http.Transport, error) {
	upstream, err := url.Parse(route.Upstream)
	if err != nil {
		return nil, nil, err
	}
	rules, err := route.OriginRules()
	if err != nil {
		return nil, nil, err
	}
	origins := new(throughline.OriginRules)
	if err := origins.Replace(rules...); err != nil {
		return nil, nil, err
	}
	trust, err := proxy.ParseTrust(route.Trust)
	if err != nil {
		return nil, nil, err
	}
	peers, err := config.Prefixes(route.TrustedPeers)
	if err != nil {
		return nil, nil, err
	}
	proxies, err := config.Prefixes(c.TrustedProxies)
	if err != nil {
		return nil, nil, err
	}
	provider, err := p.provider(ctx, c, route.Service)
	if err != nil {
		return nil, nil, err
	}
	timeouts := proxy.Timeouts{Connect: route.ConnectTimeout, Answer: route.AnswerTimeout}
	transport := proxy.NewTransport(timeouts)
	if upstream.Scheme == "h2c" {
		transport = proxy.NewH2CTransport(timeouts)
	}
	log := p.log.With("service", route.Service)
	often := rate.Sometimes{First: 1, Interval: proxyFailureLog}
	var wrap func(http.Handler) http.Handler
	if route.Application != "" {
		wrap = p.newInjector(c, route, agent).Wrap
	}
	handler, err := proxy.New(proxy.Options{
		Upstream:       upstream,
		Wrap:           wrap,
		TracerProvider: provider,
		Middleware: throughline.Middleware{
			Tenant:        tracecontext.Tenant(c.Tenant),
			Origins:       origins,
			SessionCookie: throughline.SessionCookie(route.SessionCookie),
			OnWarning:     func(err error) { log.Warn("frontend link", "error", err) },
		},
		Trust:          trust,
		TrustedPeers:   peers,
		TrustedProxies: proxies,
		RewriteHost:    route.RewriteHost,
		Via:            c.Via,
		Transport:      transport,
		OnFailure: func(err error) {
			p.failures.WithLabelValues(route.Service).Inc()
			often.Do(func() { log.Warn("the upstream did not answer; more of it is in the spans", "error", err) })
		},
		ErrorLog: stdlog.New(panicLog{log}, "", 0),
	})
	return handler, transport, err
}

// newInjector returns what puts the agent's script into the pages of a route.
func (p *proxyServer) newInjector(c *config.Proxy, route *config.Route, agent *firstparty.Handler) *inject.Injector {
	src, integrity := agent.Script()
	if !route.Integrity {
		integrity = ""
	}
	attributes := []inject.Attribute{
		{Name: "data-application-id", Value: route.Application},
		{Name: "data-endpoint", Value: agent.Endpoint()},
	}
	if c.Tenant != string(tracecontext.DefaultTenant) {
		attributes = append(attributes, inject.Attribute{Name: "data-tenant", Value: c.Tenant})
	}
	if cookie := throughline.SessionCookie(route.SessionCookie); cookie.Name != "" {
		attributes = append(attributes, inject.Attribute{Name: "data-session-cookie", Value: cookie.String()})
	}
	for _, a := range route.Attributes {
		attributes = append(attributes, inject.Attribute(a))
	}
	return &inject.Injector{
		Script: inject.Script{Src: src, Integrity: integrity, Attributes: attributes},
		Debug:  route.InjectDebug,
		OnResult: func(_ *http.Request, result inject.Result) {
			p.injections.WithLabelValues(route.Service, result.String()).Inc()
		},
	}
}

// find serves with the route of a request.
func (t *routeTable) find(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	for i := range t.routes {
		if route := &t.routes[i]; route.matches(host, r.URL.Path) {
			route.handler.ServeHTTP(w, r)
			return
		}
	}
	http.Error(w, "No application answers at this address: the proxy has no route for this host and path.", http.StatusNotFound)
}

func (r *proxyRoute) matches(host, path string) bool {
	if r.host != "" && r.host != host {
		if below, ok := strings.CutPrefix(r.host, "*"); !ok || len(host) <= len(below) || !strings.HasSuffix(host, below) {
			return false
		}
	}
	rest, ok := strings.CutPrefix(path, r.path)
	return ok && (r.path == "" || rest == "" || rest[0] == '/')
}

// addressOf returns where the server of a URL listens.
func addressOf(upstream string) string {
	u, err := url.Parse(upstream)
	if err != nil {
		return "" // the configuration was checked
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// tellReady answers 200 where every upstream takes a connection, else 503 with the
// services that do not.
func (t *routeTable) tellReady(w http.ResponseWriter, r *http.Request) {
	down := make([]string, len(t.upstreams))
	ctx, cancel := context.WithTimeout(r.Context(), proxyReady)
	defer cancel()
	var all sync.WaitGroup
	for i, upstream := range t.upstreams {
		all.Go(func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", upstream.address)
			if err != nil {
				down[i] = upstream.service + " cannot be reached\n"
				return
			}
			_ = conn.Close()
		})
	}
	all.Wait()
	text := strings.Join(down, "")
	if text == "" {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	http.Error(w, strings.TrimSuffix(text, "\n"), http.StatusServiceUnavailable)
}

func (t *routeTable) closeIdle() {
	for _, transport := range t.transports {
		transport.CloseIdleConnections()
	}
}

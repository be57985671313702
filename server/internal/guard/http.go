package guard

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// RejectReasonHeader carries the reason of a refusal, for who can see headers only.
const RejectReasonHeader = "Throughline-Reject-Reason"

// API asks for an API token before next, on the paths that show data: /api/ and
// /metrics. The UI's files, the agent's script, beacons and health are open.
//
// next must be an http.ServeMux at heart, which redirects every path that is not
// in its clean form.
func (g *Guard) API(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shows := r.URL.Path == "/metrics" || r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/")
		switch {
		case !shows:
			next.ServeHTTP(w, r)
		case !g.api.allow(r.Header.Get("Authorization")):
			w.Header().Set("WWW-Authenticate", `Bearer realm="throughline"`)
			g.refuseAPI(w, &RefusalError{
				http.StatusUnauthorized, Unauthenticated, "an API token is needed",
				"Send Authorization: Bearer TOKEN, with a token of tokens.api in the server's settings.",
			})
		case len(g.api) == 0 && !g.knownHost(r.Host):
			g.refuseAPI(w, &RefusalError{
				http.StatusForbidden, HostNotAllowed, "the server is not asked for by a name of its own",
				"Use localhost or the server's address, or set tokens.api in the server's settings.",
			})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knownHost reports whether a Host header names this server: an address, which no other name can lead to, localhost, or
// one of its names.
func (g *Guard) knownHost(hostPort string) bool {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.hosts, host) || slices.Contains(g.hosts, "*")
}

// refuseAPI answers with a refusal.
func (g *Guard) refuseAPI(w http.ResponseWriter, refused *RefusalError) {
	g.apiRefusals.WithLabelValues(refused.reason).Inc()
	body, err := json.Marshal(map[string]string{"error": refused.problem, "hint": refused.hint})
	if err != nil {
		panic("guard: an answer that is no JSON: " + err.Error()) // two strings of ours
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set(RejectReasonHeader, refused.reason)
	w.WriteHeader(refused.status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// Register registers the guard's own counters. What is refused of beacons and
// OTLP is counted where these are taken in.
func (g *Guard) Register(r prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{g.apiRefusals, g.trackedSenders} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("guard: counters: %w", err)
		}
	}
	return nil
}

func newAPIRefusals() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "throughline", Name: "api_requests_rejected_total", Help: "Requests to the API and the metrics that were refused, by reason.",
	}, []string{"reason"})
}

func newTrackedSenders(g *Guard) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "throughline", Name: "rate_limited_addresses", Help: "Client addresses whose rate of beacons is known one by one.",
	}, func() float64 { return float64(g.Addresses()) })
}

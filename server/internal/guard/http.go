package guard

import (
	"encoding/json"
	"fmt"
	"net/http"
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
		if !shows || g.api.allow(r.Header.Get("Authorization")) {
			next.ServeHTTP(w, r)
			return
		}
		g.apiRefusals.WithLabelValues(Unauthenticated).Inc()
		body, err := json.Marshal(map[string]string{
			"error": "an API token is needed",
			"hint":  "Send Authorization: Bearer TOKEN, with a token of tokens.api in the server's settings.",
		})
		if err != nil {
			panic("guard: an answer that is no JSON: " + err.Error()) // two strings of ours
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("WWW-Authenticate", `Bearer realm="throughline"`)
		h.Set(RejectReasonHeader, Unauthenticated)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write(body)
	})
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

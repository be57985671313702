package ingest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// refused is what a gate says.
type refused struct {
	status int
	reason string
}

func (r refused) Error() string  { return "the sender is not let in" }
func (r refused) Status() int    { return r.status }
func (r refused) Reason() string { return r.reason }
func (r refused) Hint() string   { return "Ask the operator." }

// gate answers what a test tells it to.
type gate struct {
	sender, application, traces error
	allow                       string
	asked                       []string
}

func (g *gate) Sender(*http.Request) error { g.asked = append(g.asked, "sender"); return g.sender }
func (g *gate) Application(id, origin string) error {
	g.asked = append(g.asked, "application "+id+" "+origin)
	return g.application
}
func (g *gate) AllowOrigin(string) string { return g.allow }
func (g *gate) Traces(authorization string) error {
	g.asked = append(g.asked, "traces "+authorization)
	return g.traces
}

func guarded(t *testing.T, w *memory, g *gate) *Receiver {
	t.Helper()
	r, err := New(Config{Journal: w, Registerer: prometheus.NewPedanticRegistry(), Beacons: g, Traces: g})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sendBeaconFrom(r *Receiver, origin, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/beacon", strings.NewReader(body))
	req.Header.Set("Origin", origin)
	rec := httptest.NewRecorder()
	r.Beacon().ServeHTTP(rec, req)
	return rec
}

func TestBeaconsThatAGateRefuses(t *testing.T) {
	const origin = "https://shop.example"
	for name, c := range map[string]struct {
		gate   gate
		status int
		reason string
		allow  string
		asked  int
	}{
		"address":     {gate{sender: refused{http.StatusTooManyRequests, "rate_limited"}, allow: origin}, 429, "rate_limited", origin, 1},
		"origin":      {gate{application: refused{http.StatusForbidden, "origin_not_allowed"}}, 403, "origin_not_allowed", "*", 2},
		"application": {gate{application: refused{http.StatusForbidden, "unknown_application"}, allow: origin}, 403, "unknown_application", origin, 2},
		"gate fails":  {gate{application: errors.New("out of order at /secret/path"), allow: origin}, 503, "unavailable", origin, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := guarded(t, w, &c.gate)
			rec := sendBeaconFrom(r, origin, envelope())
			h := rec.Header()
			if rec.Code != c.status || h.Get(RejectReasonHeader) != c.reason || h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Vary") != "Origin" {
				t.Errorf("answered %d, headers %v", rec.Code, h)
			}
			if again := c.status != http.StatusForbidden; (h.Get("Retry-After") != "") != again {
				t.Errorf("Retry-After is %q", h.Get("Retry-After"))
			}
			if body := rec.Body.String(); !strings.Contains(body, `"hint"`) || strings.Contains(body, "/secret") || strings.Contains(body, origin) {
				t.Errorf("the body is %s", body)
			}
			counted(t, r.metrics.beaconsRejected, c.reason, 1)
			if len(c.gate.asked) != c.asked || len(w.records) != 0 {
				t.Errorf("asked %q, kept %d records", c.gate.asked, len(w.records))
			}
		})
	}
}

func TestBeaconThatAGateLetsIn(t *testing.T) {
	g := gate{allow: "https://shop.example"}
	r := guarded(t, &memory{}, &g)
	rec := sendBeaconFrom(r, "https://shop.example", envelope())
	if rec.Code != http.StatusAccepted || rec.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("answered %d, headers %v", rec.Code, rec.Header())
	}
	if want := "sender,application 745a78fe5b6e57f6 https://shop.example"; strings.Join(g.asked, ",") != want {
		t.Errorf("asked %q, want %q", g.asked, want)
	}
}

func TestPreflightOfAPageThatMayNotSend(t *testing.T) {
	for _, allow := range []string{"", "https://shop.example"} {
		r := guarded(t, &memory{}, &gate{allow: allow})
		req := httptest.NewRequest(http.MethodOptions, "/beacon", http.NoBody)
		req.Header.Set("Origin", "https://shop.example")
		rec := httptest.NewRecorder()
		r.Beacon().ServeHTTP(rec, req)
		if got := rec.Header().Get("Access-Control-Allow-Origin"); rec.Code != http.StatusNoContent || got != allow || rec.Header().Get("Vary") != "Origin" {
			t.Errorf("answered %d, Access-Control-Allow-Origin %q, want %q", rec.Code, got, allow)
		}
	}
}

// Every answer that a page can read lets it read when to come again, and why it was refused.
func TestAnswersToBeaconsExposeTheirHeaders(t *testing.T) {
	const origin = "https://shop.example"
	for name, c := range map[string]struct {
		gate   gate
		full   bool
		method string
		body   string
		status int
	}{
		"taken":              {gate{allow: "*"}, false, http.MethodPost, envelope(fetchEvent), 202},
		"preflight":          {gate{allow: "*"}, false, http.MethodOptions, "", 204},
		"another method":     {gate{allow: "*"}, false, http.MethodGet, "", 405},
		"malformed":          {gate{allow: "*"}, false, http.MethodPost, "x", 400},
		"too large":          {gate{allow: "*"}, false, http.MethodPost, strings.Repeat(" ", 1<<20+1), 413},
		"rate limited":       {gate{sender: refused{http.StatusTooManyRequests, "rate_limited"}}, false, http.MethodPost, envelope(), 429},
		"origin not allowed": {gate{application: refused{http.StatusForbidden, "origin_not_allowed"}}, false, http.MethodPost, envelope(), 403},
		"journal full":       {gate{allow: origin}, true, http.MethodPost, envelope(fetchEvent), 429},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			if c.full {
				w.err = errJournal
			}
			r := guarded(t, w, &c.gate)
			r.IsFull = func(err error) bool { return errors.Is(err, errJournal) }
			req := httptest.NewRequest(c.method, "/beacon", strings.NewReader(c.body))
			req.Header.Set("Origin", origin)
			rec := httptest.NewRecorder()
			r.Beacon().ServeHTTP(rec, req)
			h := rec.Header()
			if rec.Code != c.status || h.Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("answered %d, headers %v; want %d", rec.Code, h, c.status)
			}
			exposed := h.Get("Access-Control-Expose-Headers")
			for _, name := range []string{RejectReasonHeader, "Retry-After"} {
				if !slices.Contains(strings.Split(exposed, ", "), name) {
					t.Errorf("%s is not among the headers that a page may read, %q", name, exposed)
				}
			}
		})
	}
}

func TestTracesWithoutAToken(t *testing.T) {
	g := gate{traces: refused{http.StatusUnauthorized, "unauthenticated"}}
	w := &memory{}
	r := guarded(t, w, &g)
	for _, contentType := range []string{protobufType, jsonType} {
		rec := send(r, contentType, "", []byte("not even looked at"))
		if rec.Code != http.StatusUnauthorized || !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Bearer") || rec.Header().Get(RejectReasonHeader) != "unauthenticated" {
			t.Errorf("answered %d, headers %v", rec.Code, rec.Header())
		}
		checkStatus(t, rec, contentType, int(codes.Unauthenticated))
	}
	counted(t, r.metrics.tracesRejected, "unauthenticated", 2)

	client := ptraceotlp.NewGRPCClient(dial(t, r))
	_, err := client.Export(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer wrong"), oneSpan(nil))
	if s := status.Convert(err); s.Code() != codes.Unauthenticated || !strings.Contains(s.Message(), "Ask the operator.") {
		t.Errorf("gRPC answers %v", err)
	}
	counted(t, r.metrics.tracesRejected, "unauthenticated", 3)
	if len(w.records) != 0 {
		t.Errorf("%d records were kept", len(w.records))
	}
	g.traces = nil
	if _, err := client.Export(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer right"), oneSpan(nil)); err != nil {
		t.Errorf("gRPC answers %v", err)
	}
	if last := g.asked[len(g.asked)-1]; last != "traces Bearer right" {
		t.Errorf("the gate was asked for %q", last)
	}
}

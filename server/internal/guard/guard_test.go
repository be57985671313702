package guard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/throughline-rum/throughline/server/internal/guard"
)

const (
	shop  = "745a78fe5b6e57f6"
	other = "0123456789abcdef"
)

func newGuard(t testing.TB, c guard.Config) *guard.Guard {
	t.Helper()
	g, err := guard.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// reason returns the reason of a refusal; empty where there is none.
func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	r, ok := errors.AsType[*guard.RefusalError](err)
	if !ok {
		t.Fatalf("%v is a %T, want a *guard.RefusalError", err, err)
	}
	if r.Hint() == "" || r.Error() == "" || r.Status() < 400 {
		t.Errorf("the refusal %q has status %d and hint %q", r.Error(), r.Status(), r.Hint())
	}
	return r.Reason()
}

func TestZeroConfigLetsEverybodyIn(t *testing.T) {
	g := newGuard(t, guard.Config{})
	r := httptest.NewRequest(http.MethodPost, "/beacon", http.NoBody)
	for range 10_000 {
		if err := errors.Join(g.Sender(r), g.Application("", ""), g.Traces("")); err != nil {
			t.Fatal(err)
		}
	}
	if got := g.AllowOrigin("https://anywhere.example"); got != "*" {
		t.Errorf("AllowOrigin is %q, want *", got)
	}
}

func TestApplications(t *testing.T) {
	g := newGuard(t, guard.Config{Applications: []guard.Application{
		{ID: shop, Origins: []string{"https://shop.example", "https://*.shop.example:8443", "http://[::1]:3000", "capacitor://localhost"}},
		{ID: other},
		{ID: "00000000000000aa", Origins: []string{"https://app.example"}, NoOrigin: true},
	}})
	for _, c := range []struct{ id, origin, want string }{
		{shop, "https://shop.example", ""},
		{shop, "https://a.shop.example:8443", ""},
		{shop, "https://a.b.shop.example:8443", ""},
		{shop, "http://[::1]:3000", ""},
		{shop, "capacitor://localhost", ""},
		{shop, "", guard.OriginNotAllowed},
		{shop, "null", guard.OriginNotAllowed},
		{shop, "http://shop.example", guard.OriginNotAllowed},
		{shop, "https://shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://shop.example:443", guard.OriginNotAllowed},
		{shop, "https://a.shop.example", guard.OriginNotAllowed},
		{shop, "https://.shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://a..shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://evilshop.example:8443", guard.OriginNotAllowed},
		{shop, "https://shop.example.evil.example", guard.OriginNotAllowed},
		{shop, "https://A.shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://a.shop.example:8443/", guard.OriginNotAllowed},
		{shop, "https://evil.example/.shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://user@a.shop.example:8443", guard.OriginNotAllowed},
		{shop, "https://*.shop.example:8443", guard.OriginNotAllowed},
		{other, "https://anywhere.example", ""},
		{other, "", ""},
		{"00000000000000aa", "", ""},
		{"00000000000000aa", "https://shop.example", guard.OriginNotAllowed},
		{"", "https://shop.example", guard.UnknownApplication},
		{"ffffffffffffffff", "https://shop.example", guard.UnknownApplication},
	} {
		if got := reason(t, g.Application(c.id, c.origin)); got != c.want {
			t.Errorf("application %q from %q: %q, want %q", c.id, c.origin, got, c.want)
		}
	}
}

func TestAnswersNameTheOrigin(t *testing.T) {
	listed := guard.Application{ID: shop, Origins: []string{"https://shop.example"}}
	closed := newGuard(t, guard.Config{Applications: []guard.Application{listed}})
	open := newGuard(t, guard.Config{Applications: []guard.Application{listed, {ID: other}}})
	for origin, want := range map[string][2]string{
		"https://shop.example": {"https://shop.example", "https://shop.example"},
		"https://evil.example": {"", "*"},
		"":                     {"", "*"},
	} {
		if got := [2]string{closed.AllowOrigin(origin), open.AllowOrigin(origin)}; got != want {
			t.Errorf("for %q the answers allow %q, want %q", origin, got, want)
		}
	}
}

func TestUnusableSettingsSayTheWayOut(t *testing.T) {
	origins := func(o ...string) guard.Config {
		return guard.Config{Applications: []guard.Application{{ID: shop, Origins: o}}}
	}
	for name, c := range map[string]struct {
		config guard.Config
		path   string
	}{
		"short id":           {guard.Config{Applications: []guard.Application{{ID: "745a"}}}, "applications[0].id"},
		"upper case":         {guard.Config{Applications: []guard.Application{{ID: shop}, {ID: "745A78FE5B6E57F6"}}}, "applications[1].id"},
		"twice":              {guard.Config{Applications: []guard.Application{{ID: shop}, {ID: shop}}}, "applications[1].id"},
		"asterisk":           {origins("https://shop.example", "*"), "applications[0].origins[1]"},
		"inner asterisk":     {origins("https://shop.*.example"), "applications[0].origins[0]"},
		"part of a label":    {origins("https://*shop.example"), "applications[0].origins[0]"},
		"two asterisks":      {origins("https://*.*.shop.example"), "applications[0].origins[0]"},
		"path":               {origins("https://shop.example/"), "applications[0].origins[0]"},
		"default port":       {origins("https://shop.example:443"), "applications[0].origins[0]"},
		"capitals":           {origins("https://Shop.example"), "applications[0].origins[0]"},
		"no scheme":          {origins("shop.example"), "applications[0].origins[0]"},
		"null":               {origins("null"), "applications[0].origins[0]"},
		"empty":              {origins(""), "applications[0].origins[0]"},
		"below a top level":  {origins("https://*.example"), "applications[0].origins[0]"},
		"below an address":   {origins("https://*.10.0.0.1"), "applications[0].origins[0]"},
		"below v6":           {origins("https://*.[::1]"), "applications[0].origins[0]"},
		"below app's scheme": {origins("capacitor://*.shop.example"), "applications[0].origins[0]"},
		"negative rate":      {guard.Config{AddressRate: guard.Rate{PerSecond: -1, Burst: 1}}, "beacon_rate"},
		"no burst":           {guard.Config{ApplicationRate: guard.Rate{PerSecond: 1}}, "application_burst"},
		"endless burst":      {guard.Config{ApplicationRate: guard.Rate{PerSecond: 1, Burst: 2_000_000_000}}, "application_burst"},
		"proxy's name":       {guard.Config{TrustedProxies: []string{"10.0.0.0/8", "proxy.example"}}, "trusted_proxies[1]"},
		"header":             {guard.Config{ForwardedHeader: "X-Real-IP"}, "forwarded_header"},
		"short token":        {guard.Config{APITokens: []string{"secret"}}, "tokens.api[0]"},
		"token with a space": {guard.Config{IngestTokens: []string{strings.Repeat("a", 16), "sixteen characters"}}, "tokens.ingest[1]"},
		"empty token":        {guard.Config{IngestTokens: []string{""}}, "tokens.ingest[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := guard.New(c.config)
			bad, ok := errors.AsType[*guard.ConfigError](err)
			if !ok {
				t.Fatalf("New() = %v, want a *guard.ConfigError", err)
			}
			if bad.Path != c.path || bad.Hint == "" {
				t.Errorf("the error names %q with hint %q, want %q and a hint", bad.Path, bad.Hint, c.path)
			}
			for _, token := range append(c.config.APITokens, c.config.IngestTokens...) {
				if token != "" && strings.Contains(err.Error(), token) {
					t.Errorf("the error shows a token: %v", err)
				}
			}
		})
	}
}

const (
	ingestToken = "ingest-0123456789abcdef"
	apiToken    = "api-0123456789abcdef"
)

func TestTokens(t *testing.T) {
	g := newGuard(t, guard.Config{IngestTokens: []string{"another-one-0123456789", ingestToken}, APITokens: []string{apiToken}})
	for authorization, want := range map[string]string{
		"Bearer " + ingestToken:         "",
		"bearer " + ingestToken:         "",
		"Bearer  " + ingestToken:        "",
		"Bearer another-one-0123456789": "",
		"":                              guard.Unauthenticated,
		"Bearer":                        guard.Unauthenticated,
		"Bearer ":                       guard.Unauthenticated,
		ingestToken:                     guard.Unauthenticated,
		"Basic " + ingestToken:          guard.Unauthenticated,
		"Bearer " + apiToken:            guard.Unauthenticated,
		"Bearer " + ingestToken + "x":   guard.Unauthenticated,
		"Bearer " + strings.Repeat(ingestToken, 1_000_000): guard.Unauthenticated,
	} {
		if got := reason(t, g.Traces(authorization)); got != want {
			t.Errorf("Traces(%.40q) is %q, want %q", authorization, got, want)
		}
	}
}

func TestAPIWantsATokenWhereDataIsShown(t *testing.T) {
	g := newGuard(t, guard.Config{IngestTokens: []string{ingestToken}, APITokens: []string{apiToken}})
	registry := prometheus.NewPedanticRegistry()
	if err := g.Register(registry); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	for _, pattern := range []string{"GET /api/v1/requests", "GET /api/v1/requests/{id}", "GET /metrics", "/beacon", "GET /healthz", "/"} {
		mux.HandleFunc(pattern, ok)
	}
	h := g.API(mux)
	ask := func(method, target, authorization string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, http.NoBody)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for target, want := range map[string]int{
		"/api/v1/requests":       http.StatusUnauthorized,
		"/api/v1/requests/1?x=y": http.StatusUnauthorized,
		"/%61pi/v1/requests":     http.StatusUnauthorized,
		"/api/v1/../v1/requests": http.StatusUnauthorized,
		"/api":                   http.StatusUnauthorized,
		"/metrics":               http.StatusUnauthorized,
		"/%6detrics":             http.StatusUnauthorized,
		"//api/v1/requests":      http.StatusTemporaryRedirect, // to a path that wants one
		"/x/../api/v1/requests":  http.StatusTemporaryRedirect,
		"/./metrics":             http.StatusTemporaryRedirect,
		"/healthz":               http.StatusTeapot,
		"/beacon":                http.StatusTeapot,
		"/apidocs":               http.StatusTeapot,
	} {
		if got := ask(http.MethodGet, target, "").Code; got != want {
			t.Errorf("GET %s without a token answers %d, want %d", target, got, want)
		}
		if strings.Contains(target, "..") || strings.HasPrefix(target, "//") || strings.HasPrefix(target, "/./") || target == "/api" {
			continue
		}
		if got := ask(http.MethodGet, target, "Bearer "+apiToken).Code; got != http.StatusTeapot {
			t.Errorf("GET %s with the token answers %d", target, got)
		}
	}
	w := ask(http.MethodGet, "/api/v1/requests", "Bearer "+ingestToken)
	if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" || w.Header().Get(guard.RejectReasonHeader) != guard.Unauthenticated {
		t.Errorf("an ingest token for the API: %d, headers %v", w.Code, w.Header())
	}
	if body := w.Body.String(); !strings.Contains(body, `"hint"`) || strings.Contains(body, ingestToken) {
		t.Errorf("the refusal's body is %s", body)
	}
	count, err := testutil.GatherAndCount(registry, "throughline_api_requests_rejected_total")
	if err != nil || count != 1 {
		t.Errorf("refusals are counted in %d series, error %v", count, err)
	}
}

func TestRateOfAnApplication(t *testing.T) {
	now := time.Unix(1_777_270_045, 0)
	g := newGuard(t, guard.Config{ApplicationRate: guard.Rate{PerSecond: 2, Burst: 3}, Now: func() time.Time { return now }})
	let := func(id string) (n int) {
		for range 10 {
			if reason(t, g.Application(id, "")) == "" {
				n++
			}
		}
		return n
	}
	if a, b := let(shop), let(other); a != 3 || b != 3 {
		t.Errorf("%d and %d beacons came in at once, want 3 of each application", a, b)
	}
	now = now.Add(time.Second)
	if n := let(shop); n != 2 {
		t.Errorf("%d came in after a second, want 2", n)
	}
}

// A page of a name that is led to this server's address must not read what it answers without a token.
func TestTheAPIIsAskedByItsOwnNames(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	open := newGuard(t, guard.Config{Hosts: []string{"Monitor.internal"}})
	closed := newGuard(t, guard.Config{APITokens: []string{"0123456789abcdef0123456789abcdef"}})
	for host, want := range map[string]int{
		"localhost:8318": http.StatusNoContent, "LOCALHOST": http.StatusNoContent, "app.localhost:8318": http.StatusNoContent,
		"127.0.0.1:8318": http.StatusNoContent, "[::1]:8318": http.StatusNoContent, "192.0.2.7": http.StatusNoContent, "monitor.internal:8318": http.StatusNoContent,
		"evil.example:8318": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden, "localhost.evil.example": http.StatusForbidden, "": http.StatusForbidden,
	} {
		for _, path := range []string{"/api/v1/requests", "/metrics"} {
			r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
			r.Host = host
			w := httptest.NewRecorder()
			open.API(next).ServeHTTP(w, r)
			if w.Code != want || want == http.StatusForbidden && w.Header().Get(guard.RejectReasonHeader) != guard.HostNotAllowed {
				t.Errorf("%s of host %q answers %d, %v; want %d", path, host, w.Code, w.Header(), want)
			}
			r.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
			w = httptest.NewRecorder()
			if closed.API(next).ServeHTTP(w, r); w.Code != http.StatusNoContent {
				t.Errorf("%s of host %q with a token answers %d", path, host, w.Code)
			}
		}
		r := httptest.NewRequest(http.MethodPost, "/beacon", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		if open.API(next).ServeHTTP(w, r); w.Code != http.StatusNoContent {
			t.Errorf("a beacon to host %q answers %d; pages may reach the server by any name", host, w.Code)
		}
	}
}

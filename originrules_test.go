package throughline_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
)

// ruled returns a traced handler with these rules around next.
func ruled(tb testing.TB, next http.HandlerFunc, rules ...servertiming.Rule) (http.Handler, *throughline.OriginRules) {
	tb.Helper()
	origins := new(throughline.OriginRules)
	if err := origins.Replace(rules...); err != nil {
		tb.Fatal(err)
	}
	m := throughline.Middleware{Origins: origins}
	return traced(&testSpan{sc: spanContext(tb, trace.FlagsSampled, "")}, m.Wrap(next)), origins
}

func answerOK(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// ask sends a request to api.example with these header fields, "Name: value" each.
func ask(tb testing.TB, h http.Handler, fields ...string) http.Header {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "http://api.example/", nil)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result().Header
}

func TestOriginRules(t *testing.T) {
	shop := servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"}
	starts := []servertiming.Rule{{Matcher: servertiming.StartsWith, Pattern: "https://shop."}}
	ends := []servertiming.Rule{{Matcher: servertiming.EndsWith, Pattern: ".example"}}
	contains := []servertiming.Rule{{Matcher: servertiming.Contains, Pattern: "shop"}}
	for _, tt := range []struct {
		name    string
		rules   []servertiming.Rule
		request []string
		named   bool   // Server-Timing names the trace
		allowed string // Timing-Allow-Origin
		vary    string
	}{
		{"no rules", nil, []string{"Origin: https://any.example"}, true, "*", ""},
		{"EQUALS", []servertiming.Rule{shop}, []string{"Origin: https://shop.example"}, true, "https://shop.example", "Origin"},
		{"EQUALS, another", []servertiming.Rule{shop}, []string{"Origin: https://shop.example.evil"}, false, "", "Origin"},
		{"STARTS_WITH", starts, []string{"Origin: https://shop.test"}, true, "https://shop.test", "Origin"},
		{"STARTS_WITH, another", starts, []string{"Origin: https://www.shop.test"}, false, "", "Origin"},
		{"ENDS_WITH", ends, []string{"Origin: https://www.example"}, true, "https://www.example", "Origin"},
		{"ENDS_WITH, another", ends, []string{"Origin: https://www.example.org"}, false, "", "Origin"},
		{"CONTAINS", contains, []string{"Origin: https://my-shop.test"}, true, "https://my-shop.test", "Origin"},
		{"CONTAINS, another", contains, []string{"Origin: https://example.test"}, false, "", "Origin"},
		{"the second of two", []servertiming.Rule{{Matcher: servertiming.Equals, Pattern: "https://a.example"}, shop}, []string{"Origin: https://shop.example"}, true, "https://shop.example", "Origin"},
		{"by Referer", []servertiming.Rule{shop}, []string{"Referer: https://shop.example/cart?q=1"}, true, "https://shop.example", "Origin"},
		{"by Referer, another", []servertiming.Rule{shop}, []string{"Referer: https://evil.example/"}, false, "", "Origin"},
		{"Origin before Referer", []servertiming.Rule{shop}, []string{"Origin: https://evil.example", "Referer: https://shop.example/"}, false, "", "Origin"},
		{"Referer is not a URL", []servertiming.Rule{shop}, []string{"Referer: shop.example"}, true, "", "Origin"},
		{"neither: same origin, or no browser", []servertiming.Rule{shop}, nil, true, "", "Origin"},
		{"Origin: null", []servertiming.Rule{shop}, []string{"Origin: null"}, false, "", "Origin"},
		{"several Origin fields", []servertiming.Rule{shop}, []string{"Origin: https://shop.example", "Origin: https://evil.example"}, false, "", "Origin"},
		{"two origins in one field", []servertiming.Rule{shop}, []string{"Origin: https://shop.example https://evil.example"}, false, "", "Origin"},
		{"the server's own origin", []servertiming.Rule{shop}, []string{"Origin: http://api.example"}, true, "", "Origin"},
		{"its own, TLS ended before it", []servertiming.Rule{shop}, []string{"Origin: https://api.example"}, true, "", "Origin"},
		{"its own, by Referer", []servertiming.Rule{shop}, []string{"Referer: https://api.example/page"}, true, "", "Origin"},
		{"its own, Host rewritten on the way", []servertiming.Rule{shop}, []string{"Origin: https://www.example", "Sec-Fetch-Site: same-origin"}, true, "", "Origin"},
		{"a page that a search engine leads to", []servertiming.Rule{shop}, []string{"Referer: https://search.example/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, true, "", "Origin"},
		{"the same in an older Safari", []servertiming.Rule{shop}, []string{"Referer: https://search.example/", "Upgrade-Insecure-Requests: 1"}, true, "", "Origin"},
		{"an image in another site's page", []servertiming.Rule{shop}, []string{"Referer: https://search.example/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, false, "", "Origin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := ruled(t, answerOK, tt.rules...)
			header := ask(t, h, tt.request...)
			if tt.named {
				wantOurs(t, header)
			} else if got := header.Values("Server-Timing"); got != nil {
				t.Errorf("Server-Timing: %q, want none", got)
			}
			if got := header.Get("Timing-Allow-Origin"); got != tt.allowed {
				t.Errorf("Timing-Allow-Origin: %q, want %q", got, tt.allowed)
			}
			if got := header.Get("Vary"); got != tt.vary {
				t.Errorf("Vary: %q, want %q", got, tt.vary)
			}
		})
	}
}

// What the application says itself stays.
func TestOriginRulesBesideTheApplication(t *testing.T) {
	shop := servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"}
	for _, tt := range []struct{ vary, want []string }{
		{nil, []string{"Origin"}},
		{[]string{"Accept-Encoding"}, []string{"Accept-Encoding", "Origin"}},
		{[]string{"Accept-Encoding, origin"}, []string{"Accept-Encoding, origin"}},
		{[]string{"Accept-Encoding", "Origin"}, []string{"Accept-Encoding", "Origin"}},
		{[]string{"*"}, []string{"*"}},
	} {
		h, _ := ruled(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Vary"] = tt.vary
			w.Header().Set("Timing-Allow-Origin", "https://mine.example")
			w.Header().Set("Server-Timing", "db;dur=53")
		}, shop)
		header := ask(t, h, "Origin: https://evil.example")
		if got := header.Values("Vary"); !slices.Equal(got, tt.want) {
			t.Errorf("Vary: %q, want %q", got, tt.want)
		}
		if got := header.Get("Timing-Allow-Origin"); got != "https://mine.example" {
			t.Errorf("Timing-Allow-Origin: %q", got)
		}
		if got := header.Values("Server-Timing"); !slices.Equal(got, []string{"db;dur=53"}) {
			t.Errorf("Server-Timing: %q", got)
		}
	}
}

// A trace that no page was told of is nobody's candidate.
func TestOriginRulesAndLinkingCandidate(t *testing.T) {
	origins := new(throughline.OriginRules)
	if err := origins.Replace(servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"}); err != nil {
		t.Fatal(err)
	}
	m := throughline.Middleware{Origins: origins}
	for origin, want := range map[string]string{"https://shop.example": "true", "https://evil.example": ""} {
		span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
		ask(t, traced(span, m.Wrap(http.HandlerFunc(answerOK))), "Origin: "+origin)
		if got := span.recorded()["frontend.link.is_linking_candidate"]; got != want {
			t.Errorf("%s: is_linking_candidate is %q, want %q", origin, got, want)
		}
	}
}

// Rules are replaced while a handler serves; what cannot be used changes nothing.
func TestOriginRulesReplaced(t *testing.T) {
	shop := servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"}
	h, origins := ruled(t, answerOK, shop)
	allowed := func() string { return ask(t, h, "Origin: https://new.example").Get("Timing-Allow-Origin") }
	if got := allowed(); got != "" {
		t.Errorf("before: %q", got)
	}
	if err := origins.Replace(servertiming.Rule{Matcher: servertiming.EndsWith, Pattern: "*.example"}); !errors.Is(err, servertiming.ErrRule) {
		t.Errorf("an unusable rule: %v", err)
	}
	if got := allowed(); got != "" {
		t.Errorf("after an unusable one: %q", got)
	}
	if err := origins.Replace(servertiming.Rule{Matcher: servertiming.Contains, Pattern: "new"}); err != nil {
		t.Fatal(err)
	}
	if got := allowed(); got != "https://new.example" {
		t.Errorf("after: %q", got)
	}
	if err := origins.Replace(); err != nil {
		t.Fatal(err)
	}
	if got := allowed(); got != "*" {
		t.Errorf("without rules: %q", got)
	}

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100 {
				if err := origins.Replace(shop); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				if got := allowed(); got != "" && got != "*" {
					t.Errorf("meanwhile: %q", got)
				}
			}
		})
	}
	wg.Wait()
}

package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"
)

// TestOnceTellsEveryVerdict: the demo drives itself, prints one JSON object, and
// its exit status says that every request has a verdict and that the visit's other events are there.
func TestOnceTellsEveryVerdict(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "demo", "--once", "--json").Output()
	if err != nil {
		t.Fatalf("demo --once --json: %v\n%s", err, out)
	}
	var summary struct {
		Requests int            `json:"requests"`
		ByStatus map[string]int `json:"by_status"`
		ByReason map[string]int `json:"by_reason"`
		ByHint   map[string]int `json:"by_hint"`
		ByKind   map[string]int `json:"by_kind"`
		Events   struct {
			SoftNavigations int            `json:"soft_navigations"`
			WebVitals       map[string]int `json:"web_vitals"`
			PlantedError    struct {
				Message string `json:"exception.message"`
				Request struct {
					URL    string `json:"url.full"`
					Status string `json:"link.status"`
					Reason string `json:"link.reason"`
				} `json:"request"`
				Span    string `json:"span.name"`
				Service string `json:"service.name"`
			} `json:"planted_error"`
		} `json:"events"`
	}
	if err := json.Unmarshal(out, &summary); err != nil {
		t.Fatalf("the output is not one JSON object: %v\n%s", err, out)
	}
	wantKinds := map[string]int{
		"document": 2,  // the home page and a product's
		"resource": 13, // of home a style, a script and 8 pictures; of the product a style, a script and a picture
		"fetch":    7,  // all products, those of a category, the cart, a voucher; ways to pay and paying; the partner's offer
		"xhr":      1,  // the stock
	}
	if !maps.Equal(summary.ByKind, wantKinds) {
		t.Errorf("kinds %v, want %v", summary.ByKind, wantKinds)
	}
	// Those without headers, those of the shop's own origin, payments on the allow list, and the partner off it.
	if want := (map[string]int{"from_server": 15, "set": 5, "included": 2, "cross_origin": 1}); !maps.Equal(summary.ByHint, want) {
		t.Errorf("hints %v, want %v", summary.ByHint, want)
	}
	if want := (map[string]int{"exact": 22, "not_propagated": 1}); !maps.Equal(summary.ByReason, want) {
		t.Errorf("reasons %v, want %v", summary.ByReason, want)
	}
	if summary.ByStatus["pending"] > 0 || summary.ByReason["unknown"] > 0 {
		t.Errorf("statuses %v, reasons %v: some request has no verdict", summary.ByStatus, summary.ByReason)
	}
	// Off the allow list is the one thing that must stay unlinked.
	if n := summary.ByStatus["linked"] + summary.ByHint["cross_origin"]; n != summary.Requests {
		t.Errorf("%d of %d requests are linked or off the allow list: %v", n, summary.Requests, summary.ByStatus)
	}
	events := summary.Events
	if events.SoftNavigations != 2 {
		t.Errorf("%d soft navigations, want 2: a category, and back", events.SoftNavigations)
	}
	for _, name := range []string{"CLS", "FCP", "INP", "LCP", "TTFB"} {
		if events.WebVitals[name] == 0 {
			t.Errorf("web vitals %v, want %s too", events.WebVitals, name)
		}
	}
	if p := events.PlantedError; p.Message != "payments: the table vouchers does not exist" || !strings.HasSuffix(p.Request.URL, "/api/voucher") ||
		p.Request.Status != "linked" || p.Request.Reason != "exact" || p.Span != "SELECT vouchers" || p.Service != "payments" {
		t.Errorf("planted error %+v, want it to lead to the span of payments that failed", p)
	}
}

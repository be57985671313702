package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"testing"
)

// TestOnceTellsEveryVerdict: the demo drives itself, prints one JSON object, and
// its exit status says that every request has a verdict.
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
	}
	if err := json.Unmarshal(out, &summary); err != nil {
		t.Fatalf("the output is not one JSON object: %v\n%s", err, out)
	}
	if summary.ByKind["document"] < 1 || summary.ByKind["resource"] < 2 || summary.ByKind["fetch"] < 1 || summary.ByKind["xhr"] < 1 {
		t.Errorf("kinds %v, want a document, two resources, a fetch and an XHR at least", summary.ByKind)
	}
	if summary.ByHint["included"] < 1 || summary.ByHint["cross_origin"] < 1 {
		t.Errorf("hints %v, want calls to an origin on the allow list and to one off it", summary.ByHint)
	}
	if summary.ByStatus["pending"] > 0 || summary.ByReason["unknown"] > 0 {
		t.Errorf("statuses %v, reasons %v: some request has no verdict", summary.ByStatus, summary.ByReason)
	}
	// Off the allow list is the one thing that must stay unlinked.
	if n := summary.ByStatus["linked"] + summary.ByHint["cross_origin"]; n != summary.Requests {
		t.Errorf("%d of %d requests are linked or off the allow list: %v", n, summary.Requests, summary.ByStatus)
	}
}

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/link"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
)

func TestExplain(t *testing.T) {
	all, _, err := runCommand(t, "explain")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range link.Entries() {
		if !strings.Contains(all, ": "+e.Title+"\n") {
			t.Errorf("explain leaves out %s %s", e.Reason, e.Detail)
		}
	}
	for line := range strings.Lines(all) {
		if strings.HasPrefix(line, "  ") && len(strings.TrimSuffix(line, "\n")) > explainWidth {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}

	for args, want := range map[string][]string{
		"tracestate_lost":           {"tracestate_lost (partial): ", "tracestate_lost/recorded_hop (partial): ", "  To do: "},
		"tracestate_lost/named_hop": {"tracestate_lost/named_hop (partial): "},
		"pending":                   {"pending: Waiting for spans\n"},
	} {
		out, _, err := runCommand(t, "explain", args)
		if err != nil {
			t.Errorf("%s: %v", args, err)
		}
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("explain %s has no %q:\n%s", args, text, out)
			}
		}
		if strings.Contains("\n"+out, "\nparent_rewritten (") {
			t.Errorf("explain %s tells of another reason:\n%s", args, out)
		}
	}
	if out, _, _ := runCommand(t, "explain", "tracestate_lost/named_hop"); strings.Count(out, "(partial)") != 1 {
		t.Errorf("one detail alone prints\n%s", out)
	}
	for _, args := range []string{"magic", "exact/magic"} {
		if _, _, err := runCommand(t, "explain", args); err == nil || !strings.Contains(err.Error(), "lists them all") {
			t.Errorf("explain %s fails with %v", args, err)
		}
	}
}

// TestFiltersKnowEveryReason: what a verdict can say, a filter can ask for, and the API explains it.
func TestFiltersKnowEveryReason(t *testing.T) {
	var reasons []string
	for _, e := range allExplanations() {
		if e.Reason != "" && !slices.Contains(reasons, e.Reason) {
			reasons = append(reasons, e.Reason)
		}
		v := model.Verdict{Status: model.LinkStatus(e.Status), Reason: model.LinkReason(e.Reason), Detail: e.Detail}
		if got := explain(v, nil); got != e.Explanation {
			t.Errorf("%s %s is explained as %+v, and listed as %+v", e.Reason, e.Detail, got, e.Explanation)
		}
	}
	if known := query.Values(store.FieldReason); !slices.Equal(known, reasons) {
		t.Errorf("filters know the reasons %v, verdicts have %v", known, reasons)
	}
	named := explain(model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented}, &model.Evidence{Request: model.RequestEvent{Host: "api.example"}})
	if !strings.Contains(named.Text+named.Fix, "api.example") {
		t.Errorf("the explanation does not name the host: %+v", named)
	}
}

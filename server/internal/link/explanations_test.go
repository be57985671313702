package link

import (
	"os"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// The file says what each reason and detail means, and nothing that no verdict gives: readExplanations
// fails otherwise.
func TestExplanationsAreComplete(t *testing.T) {
	if _, err := readExplanations(explanationsYAML); err != nil {
		t.Fatal(err)
	}
	for _, e := range Entries() {
		if e.Title == "" || e.Text == "" {
			t.Errorf("%s %s %s has no explanation", e.Status, e.Reason, e.Detail)
		}
		if (e.Status == model.Partial || e.Status == model.Unlinked) && e.Fix == "" {
			t.Errorf("%s %s %s has no fix", e.Status, e.Reason, e.Detail)
		}
		if strings.ContainsAny(e.Title+e.Text+e.Fix, "{}<>\n") || strings.Contains(e.Title+e.Text+e.Fix, "  ") {
			t.Errorf("%s %s %s reads %q", e.Status, e.Reason, e.Detail, e.Explanation)
		}
	}
	unknown := Explain(model.Verdict{Status: model.Unlinked, Reason: model.LinkReasonUndefined}, Facts{})
	if !strings.Contains(unknown.Text, "bug") {
		t.Errorf("a verdict that is a bug must say so, and reads %q", unknown)
	}
	if other := Explain(model.Verdict{Status: model.Unlinked, Reason: "of a later version"}, Facts{}); other != unknown {
		t.Errorf("a reason that is not known reads %q", other)
	}
}

// Where CORS refuses our headers, the fix names each header that the other side must answer, and the redirect that makes
// one of a request to the page's own origin.
func TestRejectedHeadersAreExplainedByWhatIsMissing(t *testing.T) {
	for _, v := range []model.Verdict{
		{Status: model.Unlinked, Reason: model.NotPropagated, Detail: string(model.ContextCORSRejected)},
		{Status: model.Partial, Reason: model.TracestateLost, Detail: string(model.ContextCORSRejected)},
	} {
		fix := Explain(v, Facts{Host: "api.example"}).Fix
		for _, part := range []string{"api.example", "Access-Control-Allow-Origin", "Access-Control-Allow-Headers: traceparent, tracestate", "redirects to another"} {
			if !strings.Contains(fix, part) {
				t.Errorf("%s: the fix %q does not say %q", v.Reason, fix, part)
			}
		}
	}
	for _, v := range []model.Verdict{
		{Status: model.Unlinked, Reason: model.NotPropagated, Detail: string(model.ContextCORSRejected)},
		{Status: model.NotApplicable, Reason: model.RequestNeverSent, Detail: string(model.ErrorNetwork)},
	} {
		if text := Explain(v, Facts{}).Text; !strings.Contains(text, "request.retried") {
			t.Errorf("%s: the text %q does not say what request.retried means", v.Reason, text)
		}
	}
}

func TestReadExplanationsIsStrict(t *testing.T) {
	whole := string(explanationsYAML)
	change := func(old, text string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("explanations.yaml has no %q", old)
		}
		return strings.Replace(whole, old, text, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":              {"{", "yaml"},
		"unknown field":        {change("    title: Linked\n", "    title: Linked\n    remedy: none\n"), "remedy"},
		"reason twice":         {whole + "  exact:\n    title: Linked\n    text: x\n", "exact"},
		"unknown reason":       {whole + "  magic:\n    title: Linked\n    text: x\n", "magic"},
		"reason missing":       {change("  service_worker:\n", "  service_workers:\n"), "service_worker"},
		"unknown detail":       {change("      recorded_hop:\n", "      recorded_hops:\n"), "recorded_hops"},
		"detail missing":       {change("      csp:\n", "      csp: *other\n"), ""},
		"no title":             {change("    title: Linked\n", ""), "title"},
		"unknown placeholder":  {change("{service}", "{servant}"), "servant"},
		"word without a fact":  {change("  host: ", "  hostess: x\n  host: "), "hostess"},
		"placeholder unspoken": {change("  hop: an intermediary", "  #"), "hop"},
	} {
		if _, err := readExplanations([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a word of %q", name, err, c.want)
		}
	}
}

func TestExplainFillsInFacts(t *testing.T) {
	e := model.Evidence{
		Request: fetch(func(r *model.RequestEvent) { r.AgentVersion = "0.0.9" }), HostServices: []string{"a", "b", "c", "d"},
		Trace: []model.SpanFacts{
			server(proxy, request, kind(model.SpanClient), func(s *model.SpanFacts) { s.Service = "gateway" }),
			server(entry, proxy, noDtr, behind),
		},
	}
	explained := func(v model.Verdict, f Facts) string {
		x := Explain(v, f)
		return x.Title + " " + x.Text + " " + x.Fix
	}
	v := Judge(e, early, wait)
	if got := explained(v, FactsOf(&e, v)); !strings.Contains(got, "no longer at cart") || !strings.Contains(got, "still there at gateway") {
		t.Errorf("recorded hop: %s", got)
	}
	e.Trace = []model.SpanFacts{server(entry, request, noDtr, behind)}
	v = Judge(e, early, wait)
	if got := explained(v, FactsOf(&e, v)); !strings.Contains(got, "name edge.example, which") || !strings.Contains(got, "Let tracestate pass at edge.example.") {
		t.Errorf("named hop: %s", got)
	}
	e.Trace, e.HostSeen = nil, true
	v = Judge(e, late, wait)
	if got := explained(v, FactsOf(&e, v)); !strings.Contains(got, "shop.example is instrumented, by a, b, c, …: ") {
		t.Errorf("headers dropped: %s", got)
	}
	e = model.Evidence{Request: document(), SameAnswer: elsewhere(-1)}
	e.SameAnswer.Sessions = 41
	v = Judge(e, late, wait)
	if got := explained(v, FactsOf(&e, v)); !strings.Contains(got, "(42 in all)") {
		t.Errorf("same answer: %s", got)
	}
	r := model.LinkedRequest{RequestEvent: fetch(), Link: model.Link{Entry: model.EntryFacts{Service: "cart"}}}
	if got := explained(model.Verdict{Status: model.Linked, Reason: model.Exact}, FactsOfLink(&r)); !strings.Contains(got, "of cart,") {
		t.Errorf("of the link alone: %s", got)
	}
}

func TestNearestHop(t *testing.T) {
	for via, want := range map[string]string{
		"edge.example, varnish, x-forwarded-for":    "edge.example",
		"x-forwarded-for, x-forwarded-proto, nginx": "",
		"x-forwarded-for, cf-ray, nginx":            "Cloudflare",
		"x-amzn-trace-id":                           "AWS load balancer",
		"forwarded":                                 "",
		"":                                          "",
		"google, envoy":                             "google",
	} {
		if got := nearestHop(via); got != want {
			t.Errorf("%s: %q, want %q", via, got, want)
		}
	}
}

// The linking contract names all details.
func TestDetailsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/linking.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### 6.2")
	section, _, _ = strings.Cut(section, "### 6.3")
	for _, r := range verdicts() {
		var row string
		for line := range strings.Lines(section) {
			if reasons, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.Contains(reasons, "`"+string(r.reason)+"`") {
				row = line
			}
		}
		for _, detail := range r.details {
			if !strings.Contains(row, "`"+detail+"`") {
				t.Errorf("section 6.2 does not say what %s has %s for", r.reason, detail)
			}
		}
	}
}

// What users supply stays text: no markup, no second filling in, no end of it.
func TestExplainIsPlainText(t *testing.T) {
	for sent, want := range map[string]string{
		"shop.example:8443":                   "shop.example:8443",
		"":                                    "",
		"<script>alert(1)</script>":           "scriptalert(1)/script",
		" a\n\tb\x00\u202e \u200bc ":          "a b c",
		"{hop} {host":                         "{hop} {host",
		strings.Repeat("ü", 1000):             strings.Repeat("ü", maxPlain) + "…",
		strings.Repeat("ü", maxPlain):         strings.Repeat("ü", maxPlain),
		"\xff\xfe":                            "",
		"käse & Brot":                         "käse Brot",
		strings.Repeat("\x00", 1_000_000):     "",
		"a" + strings.Repeat(" ", 1000) + "b": "a b",
	} {
		if got := plain(sent); got != want {
			t.Errorf("%.20q becomes %q, want %q", sent, got, want)
		}
	}
	v := model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented}
	got := Explain(v, Facts{Host: "{service}", Service: "<b>"})
	if !strings.Contains(got.Text, "{service}") || strings.Contains(got.Text, "<") {
		t.Errorf("reads %q", got.Text)
	}
}

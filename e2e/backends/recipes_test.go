package backends

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var listening = regexp.MustCompile(`(http://127\.0\.0\.1:\d+)`)

// recipe is an application of docs/guides, in a folder of testdata.
type recipe struct {
	name, folder string
	args         []string
	env          []string
	service      string // service.name of its own spans; empty: it has no SDK
}

var recipes = []recipe{
	{name: "express", folder: "express", args: []string{"node", "server.cjs"}},
	{name: "express with its SDK", folder: "express", args: []string{"node", "--require", "./telemetry.cjs", "server.cjs"}, service: "express-shop"},
	// Debian's Python, which has Debian's Flask.
	{name: "flask", folder: "flask", args: []string{"/usr/bin/python3", "app.py"}},
	{name: "php", folder: "php", args: []string{"php", "-d", "auto_prepend_file=behind-proxy.php", "-S", "127.0.0.1:0"}, env: []string{"PHP_CLI_SERVER_WORKERS=4"}},
}

// start starts the application, which sends its own spans, where it has any, to an
// OTLP endpoint, and returns its origin.
func (c recipe) start(t *testing.T, otlp string) string {
	t.Helper()
	return start(t, command{
		dir: testdata(t, c.folder),
		env: append(slices.Clone(c.env), "OTEL_SERVICE_NAME="+c.service, "OTEL_EXPORTER_OTLP_ENDPOINT="+otlp,
			"OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=100"),
		ready: listening,
		args:  c.args,
	})[0]
}

// knowledge is what an application says it knows of a request.
type knowledge struct {
	URL         string `json:"url"`
	Client      string `json:"client"`
	Traceparent string `json:"traceparent"`
	Tracestate  string `json:"tracestate"`
}

// TestRecipesLink visits each application behind the proxy: all that the page
// asked for is linked exactly to the proxy's span, and what the application got
// continues that trace.
func TestRecipesLink(t *testing.T) {
	for _, recipe := range recipes {
		t.Run(recipe.name, func(t *testing.T) {
			r := serve(t)
			r.behind(t, recipe.start(t, r.otlp))

			v := newVisit(t, r.proxy)
			v.do(t, "open the page", chromedp.Navigate(r.proxy+"/"), chromedp.WaitReady(chromedp.CSS(`body[data-ready="true"]`)))
			greeting, err := chromedp.Run(v.ctx, chromedp.TextContent(chromedp.CSS("#greeting")))
			if err != nil || greeting != "Hello, proxy!" {
				t.Errorf("the page greets with %q, %v", greeting, err)
			}
			said, err := chromedp.Run(v.ctx, chromedp.TextContent(chromedp.CSS("#seen")))
			if err != nil {
				t.Fatal(err)
			}
			var knows knowledge
			if err := json.Unmarshal([]byte(said), &knows); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if knows.URL != r.proxy+"/seen" || knows.Client != "127.0.0.1" {
				t.Errorf("the application takes itself for %+v, want it to know the proxy's address", knows)
			}
			v.do(t, "follow a redirect", v.leaving(chromedp.Navigate(r.proxy+"/moved")), chromedp.WaitReady(chromedp.CSS(`body[data-ready="true"]`)))
			v.leave(t)

			stored := r.verdicts(t, v)
			for _, want := range []struct{ kind, path string }{
				{"document", "/"}, {"resource", "/public/app.css"}, {"resource", "/public/app.js"}, {"resource", "/public/picture.svg"},
				{"resource", "/public/pattern.svg"}, {"fetch", "/seen"}, {"xhr", "/greeting"},
			} {
				if !slices.ContainsFunc(stored, func(q request) bool {
					return q.Kind == want.kind && q.URL == r.proxy+want.path && q.LinkReason == "exact"
				}) {
					t.Errorf("no %s of %s is linked exactly", want.kind, want.path)
				}
			}
			wantContinued(t, r, recipe, stored, knows)
		})
	}
}

// wantContinued checks the way on from the proxy: its CLIENT span is the parent of
// what the application got, and of the application's own SERVER span where it has an SDK.
func wantContinued(t *testing.T, r *rig, recipe recipe, stored []request, knows knowledge) {
	t.Helper()
	parent := strings.Split(knows.Traceparent, "-")
	if len(parent) != 4 {
		t.Fatalf("the application got the traceparent %q", knows.Traceparent)
	}
	if !strings.Contains(knows.Tracestate, "@dtr=1;") {
		t.Errorf("the application got the tracestate %q, without the page's entry", knows.Tracestate)
	}
	matched := 0
	for _, q := range stored {
		if q.LinkStatus != "linked" {
			continue
		}
		entry, spans := r.waterfall(t, q)
		services := map[string]bool{}
		for _, s := range spans {
			services[s.Service] = true
		}
		i := slices.IndexFunc(spans, func(s span) bool { return s.Kind == "client" && s.ParentID == entry.ID && s.Service == proxyService })
		if i < 0 {
			t.Errorf("%v: the proxy has no CLIENT span in %+v", q, spans)
			continue
		}
		if q.LinkTraceID == parent[1] && spans[i].ID == parent[2] {
			matched++
		}
		own := slices.IndexFunc(spans, func(s span) bool {
			return s.Kind == "server" && s.ParentID == spans[i].ID && s.Service == recipe.service
		})
		if recipe.service != "" && own < 0 {
			t.Errorf("%v: the application's SERVER span does not continue the proxy's in %+v", q, spans)
		}
		if recipe.service == "" && len(services) != 1 {
			t.Errorf("%v: spans of %v, want the proxy's alone", q, services)
		}
	}
	if matched != 1 {
		t.Errorf("%d requests are of the trace and the span that /seen got, want one", matched)
	}
}

// TestRecipesBelieveTheProxy asks each application as a proxy that serves https
// would: what it builds URLs from must be the visitor's, as the guides set it up.
func TestRecipesBelieveTheProxy(t *testing.T) {
	for _, recipe := range recipes {
		if recipe.service != "" {
			continue // the same application
		}
		t.Run(recipe.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, recipe.start(t, "")+"/seen", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Forwarded-Proto", "https")
			req.Header.Set("X-Forwarded-Host", "shop.example")
			req.Header.Set("X-Forwarded-For", "198.51.100.7")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var knows knowledge
			if err := json.NewDecoder(resp.Body).Decode(&knows); err != nil {
				t.Fatal(err)
			}
			if want := (knowledge{URL: "https://shop.example/seen", Client: "198.51.100.7"}); knows != want {
				t.Errorf("the application knows %+v, want %+v", knows, want)
			}
		})
	}
}

var codeBlock = regexp.MustCompile("(?ms)^```(?:js|python|php)\n(.*?)^```$")

// TestGuidesShowWhatRuns: each line of code in a guide is one of the application that is tested.
func TestGuidesShowWhatRuns(t *testing.T) {
	for _, name := range []string{"express", "flask", "php"} {
		t.Run(name, func(t *testing.T) {
			guide, err := os.ReadFile("../../docs/guides/" + name + ".md")
			if err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join("testdata", name, "*.[cp]*"))
			if err != nil {
				t.Fatal(err)
			}
			var application []string
			for _, file := range files {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				application = append(application, strings.Split(string(content), "\n")...)
			}
			blocks := codeBlock.FindAllStringSubmatch(string(guide), -1)
			if len(blocks) == 0 {
				t.Error("the guide shows no code")
			}
			for _, block := range blocks {
				for line := range strings.Lines(block[1]) {
					if line = strings.TrimSuffix(line, "\n"); !slices.Contains(application, line) {
						t.Errorf("the application has no line\n%s", line)
					}
				}
			}
		})
	}
}

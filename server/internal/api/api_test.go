package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/browser"
	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// handler answers from a store, at now, with words for verdicts that tests can know.
func handler(t testing.TB, st store.Reader, change ...func(*api.Config)) http.Handler {
	t.Helper()
	annotator, _ := st.(store.Annotator)
	c := api.Config{
		Query: query.New(query.Config{
			Reader: st, Annotator: annotator, Now: func() time.Time { return now }, NewID: func() model.EventID { return eventID(0x99) },
			Explain: func(v model.Verdict, e *model.Evidence) query.Explanation {
				x := query.Explanation{Title: string(v.Status), Text: string(v.Reason), Fix: v.Detail}
				if e != nil {
					x.Text += " at " + e.Request.Host
				}
				return x
			},
			ApplicationNames: map[string]string{"745a78fe5b6e57f6": "Shop"},
			Explanations: []query.ReasonExplanation{
				{Status: "linked", Reason: "exact", Explanation: query.Explanation{Title: "Linked", Text: "All is well."}},
				{Status: "unlinked", Reason: "not_propagated", Detail: "cross_origin", Explanation: query.Explanation{Title: "Not sent", Text: "Another origin.", Fix: "Allow it."}},
			},
		}),
		Beacon:  http.NotFoundHandler(),
		Metrics: http.NotFoundHandler(),
		OnError: func(err error) { t.Errorf("the server reports: %v", err) },
	}
	for _, f := range change {
		f(&c)
	}
	h, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func serve(t *testing.T, st store.Reader, change ...func(*api.Config)) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler(t, st, change...))
	t.Cleanup(s.Close)
	return s
}

// get reads an answer and its body as plain JSON values.
func get(t *testing.T, s *httptest.Server, path string) (*http.Response, map[string]any) {
	t.Helper()
	resp, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatalf("GET %s: status %d, and the body is not JSON: %v", path, resp.StatusCode, err)
	}
	return resp, body
}

func TestOpenAPIGolden(t *testing.T) {
	s := serve(t, shop(t))
	_, body := get(t, s, "/api/v1/openapi.json")
	got, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	checkGolden(t, "testdata/openapi.json", got)
}

func TestRequests(t *testing.T) {
	s := serve(t, shop(t))
	for _, c := range []struct{ query, want string }{
		{"", "2 1 6 4 5 3"},
		{"?status=linked", "1 3"},
		{"?status=pending", "2"},
		{"?reason=exact&kind=fetch&method=GET", "1"},
		{"?application=745a78fe5b6e57f6&session=S-0", "1 4 5 3"},
		{"?url=API%2FSTOCK", "1"},
		{"?url=%3Cscript%3E", "2"},
		{"?url=%25", "2"},
		{"?trace=" + traceID.String(), "1"},
		{"?from=2026-04-27T12:00:00.5Z", "2"},
		{"?to=2026-04-27T12:00:00Z", "6 4 5 3"},
		{"?from=-1h", "2 1"},
		{"?status=partial", ""},
		{"?filter=status:linked", "1 3"},
		{"?filter=status:linked,unlinked+-host:partner.example", "1 3"},
		{"?filter=duration:%3E100", "4 3"},
		{"?filter=code:0", "2"},
		{"?filter=session:%22%22", "2"},
		{"?filter=endpoint:*PRODUCTS*", "3"},
		{"?filter=offers&status=unlinked&kind=fetch", "6"},
		{"?filter=%22%3Cscript%3E%22", "2"},
	} {
		t.Run(c.query, func(t *testing.T) {
			resp, body := get(t, s, "/api/v1/requests"+c.query)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %v", resp.StatusCode, body)
			}
			var ids []string
			for _, r := range body["requests"].([]any) {
				ids = append(ids, strings.TrimLeft(r.(map[string]any)["id"].(string), "0"))
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("requests %s, want %s", got, c.want)
			}
		})
	}
}

func TestPagesShowEveryEntryOnce(t *testing.T) {
	s := serve(t, shop(t))
	for path, c := range map[string]struct{ list, id, want string }{
		"/api/v1/requests?limit=1&":                {"requests", "id", "2 1 6 4 5 3"},
		"/api/v1/pages?limit=1&":                   {"page_loads", "id", "12 11"},
		"/api/v1/errors/0000000000000077?limit=1&": {"errors", "id", "32 31"},
		"/api/v1/traces?limit=1&":                  {"traces", "span.id", "bb dd"},
	} {
		t.Run(path, func(t *testing.T) {
			var ids []string
			cursor := ""
			for range 10 {
				_, body := get(t, s, path+cursor)
				for _, e := range body[c.list].([]any) {
					ids = append(ids, strings.TrimLeft(e.(map[string]any)[c.id].(string), "0"))
				}
				next, more := body["next_cursor"].(string)
				if !more {
					break
				}
				cursor = "cursor=" + next
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("over all pages %s, want %s", got, c.want)
			}
		})
	}
}

func TestRefusalsSayWhatIsWrongAndWhatToDo(t *testing.T) {
	s := serve(t, shop(t))
	const bad, missing = http.StatusBadRequest, http.StatusNotFound
	for path, want := range map[string]int{
		"/api/v1/requests?limit=0":                                       bad,
		"/api/v1/requests?limit=1000":                                    bad,
		"/api/v1/requests?limit=many":                                    bad,
		"/api/v1/requests?status=lost":                                   bad,
		"/api/v1/requests?from=yesterday":                                bad,
		"/api/v1/requests?from=now&to=-1h":                               bad,
		"/api/v1/requests?nonsense=1":                                    bad,
		"/api/v1/requests?cursor=AAAA":                                   bad,
		"/api/v1/requests?filter=hots:a":                                 bad,
		"/api/v1/requests?filter=" + strings.Repeat("a", 4097):           bad,
		"/api/v1/requests?method=GET&filter=" + strings.Repeat("a+", 32): bad,
		"/api/v1/requests?trace=" + zeros(32):                            bad,
		"/api/v1/requests/" + zeros(16):                                  bad,
		"/api/v1/requests/xyz":                                           bad,
		"/api/v1/requests/00000000000000ff":                              missing,
		"/api/v1/requests/facets?fields=url":                             bad,
		"/api/v1/requests/facets?fields=a,b,c,d,e,f,g,h,i,j,k":           bad,
		"/api/v1/requests/facets?limit=101":                              bad,
		"/api/v1/coverage?step=1s":                                       bad,
		"/api/v1/coverage?step=soon":                                     bad,
		"/api/v1/coverage?by=url":                                        bad,
		"/api/v1/coverage?from=-401d":                                    bad,
		"/api/v1/coverage?from=2020-01-01T00:00:00Z":                     bad,
		"/api/v1/endpoints?limit=0":                                      bad,
		"/api/v1/endpoints?filter=source:csp":                            bad,
		"/api/v1/hosts?filter=" + strings.Repeat("a+", 31):               bad,
		"/api/v1/sessions?limit=-1":                                      bad,
		"/api/v1/sessions/" + strings.Repeat("A", 129):                   bad,
		"/api/v1/sessions/nobody":                                        missing,
		"/api/v1/sessions/nobody/timeline":                               missing,
		"/api/v1/sessions/S-0/timeline?limit=1000":                       bad,
		"/api/v1/pages?filter=status:linked":                             bad,
		"/api/v1/pages?cursor=AAAA":                                      bad,
		"/api/v1/pages/" + "ff" + zeros(14):                              missing,
		"/api/v1/errors?filter=status:linked":                            bad,
		"/api/v1/errors/xyz":                                             bad,
		"/api/v1/errors/ff" + zeros(14):                                  missing,
		"/api/v1/traces?min_duration=long":                               bad,
		"/api/v1/traces?cursor=AAAA":                                     bad,
		"/api/v1/traces/" + "a" + zeros(31):                              missing,
		"/api/v1/traces/" + zeros(32):                                    bad,
		"/api/v1/spans/a" + zeros(31) + "/ab/frontend":                   bad,
		"/api/v1/spans/a" + zeros(31) + "/b" + zeros(15) + "/frontend":   missing,
		"/api/v1/annotations?from=then":                                  bad,
		"/api/v1/service-map?application=shop":                           bad,
		"/api/v1/tail?filter=hots:a":                                     bad,
		"/api/v1/tail?after=AAAA":                                        bad,
		"/api/v1/nothing":                                                missing,
		"/throughline.0123456789ab.js":                                   missing, // an earlier release's
	} {
		t.Run(path, func(t *testing.T) {
			resp, body := get(t, s, path)
			if resp.StatusCode != want {
				t.Errorf("status %d, want %d", resp.StatusCode, want)
			}
			if got := resp.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q, want application/json", got)
			}
			if body["error"] == "" || body["hint"] == nil || body["hint"] == "" {
				t.Errorf("the body %v does not say what is wrong and what to do", body)
			}
		})
	}
}

// TestRefusalsNameTheParameter: the error says what is wrong with which one, the hint what to write.
func TestRefusalsNameTheParameter(t *testing.T) {
	h := handler(t, shop(t))
	for _, c := range []struct{ method, path, body, problem, hint string }{
		{"GET", "requests?limit=1000", "", "limit is larger than 999", "give limit as a number of at most 999"},
		{"GET", "requests?limit=0", "", "limit is smaller than 1", "give limit as a number of at least 1"},
		{"GET", "requests?limit=many", "", "limit is no whole number", "write digits alone"},
		{"GET", "requests?limit=0&kind=page", "", "kind never has this value; limit is smaller than 1", "give one of document, resource, fetch, xhr; give limit as a number of at least 1"},
		{"GET", "requests?nonsense=1", "", "nonsense is no parameter of this path", "leave nonsense out, or correct its name; see /api/v1/openapi.json for what this path takes"},
		{"GET", "requests/xyz", "", "id does not have its form", "write id as an answer shows it: it matches ^[0-9a-f]{16}$"},
		{"GET", "requests/facets?fields=a,b,c,d,e,f,g,h,i,j,k", "", "fields has more than 10 values", "give at most 10 values"},
		{"GET", "requests?filter=" + strings.Repeat("a", 4097), "", "filter has more than 4096 characters", "give filter at most 4096 characters"},
		{"GET", "traces?error=perhaps", "", "error is neither true nor false", "write true or false"},
		{"POST", "annotations", `{"title":"a","more":"b"}`, "more is not expected in the body", "leave more out, or correct its name; see /api/v1/openapi.json for what this path takes"},
		{"POST", "annotations", `{"title":""}`, "title is too short", "give title a length of at least 1"},
		{"POST", "annotations", `{}`, "the body lacks a field: title", "send title"},
		{"POST", "annotations", `{`, "the body is cut off", "send whole JSON"},
		{"POST", "annotations", ``, "request body is required", "see /api/v1/openapi.json for what this path takes"},
		{"POST", "annotations", `{"title":1}`, "title is not usable: expected string", "see /api/v1/openapi.json for what this path takes"},
	} {
		resp, raw := ask(t, h, c.method, "/api/v1/"+c.path, c.body, "Content-Type", "application/json")
		var body struct{ Error, Hint string }
		if err := json.Unmarshal(raw, &body); err != nil || resp.StatusCode != http.StatusBadRequest || body.Error != c.problem || body.Hint != c.hint {
			t.Errorf("%s %.60s %s: status %d, %v\n%s", c.method, c.path, c.body, resp.StatusCode, err, raw)
		}
	}
	resp, raw := ask(t, h, http.MethodPost, "/api/v1/annotations", `{"title":"a"}`, "Content-Type", "text/plain")
	if resp.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(string(raw), "application/json") || strings.Contains(string(raw), "text/plain") {
		t.Errorf("another content type: status %d, %s", resp.StatusCode, raw)
	}
}

func zeros(n int) string { return strings.Repeat("0", n) }

// brokenStore fails in a way that must not reach the client.
type brokenStore struct{ store.Reader }

var errDisk = errors.New("/var/lib/secret.duckdb: input/output error")

func (brokenStore) Requests(context.Context, store.Filter, store.Page) ([]model.LinkedRequest, error) {
	return nil, errDisk
}

func TestFailureInsideIsToldToTheOperatorOnly(t *testing.T) {
	var told error
	s := serve(t, brokenStore{}, func(c *api.Config) { c.OnError = func(err error) { told = err } })
	resp, body := get(t, s, "/api/v1/requests")
	if resp.StatusCode != http.StatusInternalServerError || !errors.Is(told, errDisk) {
		t.Errorf("status %d, the operator was told %v; want 500 and %v", resp.StatusCode, told, errDisk)
	}
	if text := body["error"].(string) + body["hint"].(string); strings.Contains(text, "secret") {
		t.Errorf("the client was told %q", text)
	}
}

func TestAgentScriptMayBeLoadedByAnyPageAndIsCheckedAgain(t *testing.T) {
	s := serve(t, shop(t))
	resp, err := s.Client().Get(s.URL + api.AgentPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	h := resp.Header
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") ||
		h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, headers %v", resp.StatusCode, h)
	}
	again, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+api.AgentPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("If-None-Match", h.Get("ETag"))
	if resp, err = s.Client().Do(again); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotModified {
		t.Errorf("asked with its own ETag, the script answers %d, want 304", resp.StatusCode)
	}
	versioned := "/throughline." + strings.Trim(h.Get("ETag"), `"`) + ".js"
	if resp, err = s.Client().Get(s.URL + versioned); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s answers %d with Cache-Control %q, want 200 and immutable", versioned, resp.StatusCode, resp.Header.Get("Cache-Control"))
	}
}

// TestFilesBesideTheAgentAreServedWhereTheyAreBuilt serves them as the agent itself, and never the UI's page in their place.
func TestFilesBesideTheAgentAreServedWhereTheyAreBuilt(t *testing.T) {
	built := map[string]string{browser.AgentFile: "agent();", browser.WorkerFile: "worker();"}
	h, err := api.AgentFiles(func(name string) ([]byte, error) {
		if built[name] == "" {
			return nil, browser.ErrNotBuilt
		}
		return []byte(built[name]), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	etags := map[string]bool{}
	for name, want := range built {
		resp, body := ask(t, h, http.MethodGet, "/"+name, "")
		etag := resp.Header.Get("ETag")
		etags[etag] = true
		if resp.StatusCode != http.StatusOK || string(body) != want || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/javascript") ||
			resp.Header.Get("Cache-Control") != "no-cache" || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
			resp.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || resp.Header.Get("Timing-Allow-Origin") != "*" {
			t.Errorf("%s: status %d, headers %v, %q", name, resp.StatusCode, resp.Header, body)
		}
		versioned := "/" + strings.TrimSuffix(name, ".js") + "." + strings.Trim(etag, `"`) + ".js"
		if resp, body = ask(t, h, http.MethodGet, versioned, ""); string(body) != want || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, headers %v, %q", versioned, resp.StatusCode, resp.Header, body)
		}
		if resp, _ = ask(t, h, http.MethodGet, "/"+name, "", "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
			t.Errorf("asked with its own ETag, %s answers %d, want 304", name, resp.StatusCode)
		}
	}
	if len(etags) != len(built) {
		t.Errorf("the ETags %v of %d files", etags, len(built))
	}
	for _, path := range []string{"/" + browser.IdleFile, "/throughline-idle.0123456789ab.js", "/throughline.0123456789ab.js"} {
		if resp, body := ask(t, h, http.MethodGet, path, ""); resp.StatusCode != http.StatusNotFound || !strings.Contains(string(body), `"error"`) {
			t.Errorf("%s, which is not there: status %d, %s", path, resp.StatusCode, body)
		}
	}
	if _, err := api.AgentFiles(func(string) ([]byte, error) { return nil, browser.ErrNotBuilt }); !errors.Is(err, browser.ErrNotBuilt) {
		t.Errorf("without the agent itself: %v, want ErrNotBuilt", err)
	}
}

func TestEveryAnswerKeepsBrowsersInBounds(t *testing.T) {
	s := serve(t, shop(t))
	for _, path := range []string{"/", "/requests/0000000000000001", "/api/v1/requests", "/healthz", "/readyz"} {
		resp, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: status %d", path, resp.StatusCode)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe-") {
			t.Errorf("GET %s: policy %q", path, csp)
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s may be sniffed", path)
		}
	}
}

// TestSessionWithoutRequests: what has a timeline has a page of its own, whatever it consists of.
func TestSessionWithoutRequests(t *testing.T) {
	st := shop(t)
	who := func(session string) model.Frontend {
		return model.Frontend{SessionID: session, ApplicationID: "745a78fe5b6e57f6", InstanceID: "i-" + session, Client: model.Client{Browser: "Firefox"}}
	}
	if err := st.Write(t.Context(), store.Batch{
		Errors: []model.ErrorEvent{
			{ID: eventID(0x51), Frontend: who("errors"), Time: at(10), Message: "no"},
			{ID: eventID(0x52), Frontend: who("errors"), Time: at(30), Message: "no"},
			{ID: eventID(0x53), Frontend: who("mixed"), Time: at(20), Message: "no"},
		},
		Navigations: []model.NavigationEvent{{ID: eventID(0x54), Frontend: who("pages"), Start: at(5)}},
		WebVitals:   []model.WebVital{{ID: eventID(0x55), Frontend: who("vitals"), Time: at(7), Name: "LCP"}},
		Actions:     []model.ActionEvent{{ID: eventID(0x56), Frontend: who("mixed"), Start: at(40), Kind: "click"}},
		PageEvents:  []model.PageEvent{{ID: eventID(0x57), Frontend: who("hidden"), Start: at(9), Type: "visibility", Name: "hidden"}},
	}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, st)
	for id, want := range map[string][2]int{"errors": {10, 30}, "mixed": {20, 40}, "pages": {5, 5}, "vitals": {7, 7}, "hidden": {9, 9}} {
		resp, body := get(t, s, "/api/v1/sessions/"+id)
		session, _ := body["session"].(map[string]any)
		if resp.StatusCode != http.StatusOK || session["session.id"] != id || session["rum.instance.id"] != "i-"+id || session["user_agent.name"] != "Firefox" ||
			session["start_time"] != at(want[0]).Format(time.RFC3339Nano) || session["end_time"] != at(want[1]).Format(time.RFC3339Nano) || session["requests"] != 0.0 {
			t.Errorf("%s: status %d, %v", id, resp.StatusCode, body)
		}
		if resp, _ := get(t, s, "/api/v1/sessions/"+id+"/timeline"); resp.StatusCode != http.StatusOK {
			t.Errorf("the timeline of %s: status %d", id, resp.StatusCode)
		}
	}
	if resp, _ := get(t, s, "/api/v1/sessions/none"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("what is not there: status %d", resp.StatusCode)
	}
}

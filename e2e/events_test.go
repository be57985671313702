package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// entry is what these tests read of a timeline's entry.
type entry struct {
	Type     string   `json:"type"`
	Request  *request `json:"request"`
	PageLoad *struct {
		URL      string `json:"url.full"`
		Title    string `json:"document.title"`
		Referrer string `json:"document.referrer"`
		Type     string `json:"navigation.type"`
		PageID   string `json:"page.instance_id"`
		ViewID   string `json:"view.instance_id"`
	} `json:"page_load"`
	WebVital *struct {
		Name       string         `json:"name"`
		Value      float64        `json:"value"`
		Rating     string         `json:"rating"`
		URL        string         `json:"url.full"`
		Attributes map[string]any `json:"attributes"`
	} `json:"web_vital"`
	Error *struct {
		From      string `json:"error.source"`
		Type      string `json:"exception.type"`
		Message   string `json:"exception.message"`
		Stack     string `json:"exception.stacktrace"`
		Handled   bool   `json:"error.handled"`
		RequestID string `json:"request.id"`
	} `json:"error"`
}

// timeline returns what happened in the session of the driven visit.
func timeline(t *testing.T) []entry {
	t.Helper()
	session := pick(t, "request to the shop", func(r request) bool { return r.on(demo.Shop, "") })[0].SessionID
	return ask[struct {
		Entries []entry `json:"entries"`
	}](t, demo.Server, "/api/v1/sessions/"+session+"/timeline").Entries
}

// TestSoftNavigationsAreViews: a category and the way back are views of the home page, each with an id of its own, and
// the request that the first one made belongs to it.
func TestSoftNavigationsAreViews(t *testing.T) {
	entries := timeline(t)
	var got []string
	views := map[string]bool{}
	page, yarn := "", ""
	for _, e := range entries {
		l := e.PageLoad
		if l == nil {
			continue
		}
		got = append(got, l.Type+" "+strings.TrimPrefix(l.URL, demo.Shop))
		if views[l.ViewID] || l.ViewID == "" {
			t.Errorf("the view of %s has the id %q of another one", l.URL, l.ViewID)
		}
		views[l.ViewID] = true
		switch {
		case page == "":
			page = l.PageID
		case l.Type == "soft" && l.PageID != page:
			t.Errorf("the view %s is of another page load than the home page's", l.URL)
		}
		if l.URL == demo.Shop+"/category/yarn" {
			yarn = l.ViewID
			if l.Title != "Yarn · Bobbin" || l.Referrer != demo.Shop+"/" {
				t.Errorf("the view is called %q and came from %s", l.Title, l.Referrer)
			}
		}
	}
	want := []string{"navigate /", "soft /category/yarn", "soft /", "navigate /product/merino-skein"}
	if !slices.Equal(got, want) {
		t.Errorf("views %q, want %q", got, want)
	}
	for _, r := range pick(t, "request of the category's view", func(r request) bool { return strings.HasSuffix(r.URL, "/api/products?category=Yarn") }) {
		if r.ViewID != yarn {
			t.Errorf("%v belongs to the view %s, want %s", r, r.ViewID, yarn)
		}
		wantExact(t, r, "set", "shop")
	}
}

// TestErrorLeadsToItsRequestAndTrace: from what nobody caught on the page to the span that failed behind two services.
func TestErrorLeadsToItsRequestAndTrace(t *testing.T) {
	entries := timeline(t)
	i := slices.IndexFunc(entries, func(e entry) bool { return e.Error != nil })
	if i < 0 {
		t.Fatal("the session has no error")
	}
	failure := entries[i].Error
	const message = "payments: the table vouchers does not exist"
	if failure.From != "unhandled_rejection" || failure.Type != "Error" || failure.Message != message || failure.Handled || !strings.Contains(failure.Stack, "/static/shop.js") {
		t.Errorf("error %+v, want an unhandled rejection: %s", failure, message)
	}
	if n := len(slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.Error == nil })); n != 1 {
		t.Errorf("%d errors, want the one that is planted", n)
	}
	d := ask[detail](t, demo.Server, "/api/v1/requests/"+failure.RequestID)
	if !d.Request.on(demo.Shop, "/api/voucher") || d.Request.Method != http.MethodPost || d.Request.Status != http.StatusInternalServerError {
		t.Errorf("the error names %v, status %d", d.Request, d.Request.Status)
	}
	wantExact(t, d.Request, "set", "shop")
	failed := slices.IndexFunc(d.Trace.Rows, func(r row) bool { return r.Name == "SELECT vouchers" })
	if failed < 0 || d.Trace.Rows[failed].Service != "payments" || d.Trace.Rows[failed].Error == "" {
		t.Errorf("no failed span of payments in the trace: %+v", d.Trace.Rows)
	}
}

// TestWebVitalsAreToldAndExplained: each of them for each page at most once, the largest paint with its element, and the
// interaction that was slowest with where the time went.
func TestWebVitalsAreToldAndExplained(t *testing.T) {
	told := map[string]int{}
	explained := false
	for _, e := range timeline(t) {
		v := e.WebVital
		if v == nil {
			continue
		}
		told[v.Name]++
		if v.Value < 0 || v.Rating == "" || !strings.HasPrefix(v.URL, demo.Shop+"/") {
			t.Errorf("%s %v, rated %q, of %s", v.Name, v.Value, v.Rating, v.URL)
		}
		// An element that is gone when its interaction is looked at has no name, so the interaction's is not asked for.
		_, target := v.Attributes["web_vital.target"].(string)
		if v.Name == "LCP" && !target {
			t.Error("an LCP is put down to no element")
		}
		_, processing := v.Attributes["web_vital.processing_duration"].(float64)
		explained = explained || v.Name == "INP" && processing && v.Attributes["web_vital.interaction_type"] == "pointer"
	}
	for _, name := range []string{"CLS", "FCP", "INP", "LCP", "TTFB"} {
		if told[name] < 1 || told[name] > 2 {
			t.Errorf("%d %s of two pages", told[name], name)
		}
	}
	if !explained {
		t.Error("no INP is explained")
	}
}

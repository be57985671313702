package backends

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	verdictPatience = 20 * time.Second
	verdictInterval = 100 * time.Millisecond
)

// request is what these tests read of a request, by the API's names.
type request struct {
	ID          string `json:"id"`
	Kind        string `json:"request.kind"`
	URL         string `json:"url.full"`
	Method      string `json:"http.request.method"`
	LinkStatus  string `json:"link.status"`
	LinkReason  string `json:"link.reason"`
	LinkDetail  string `json:"link.detail"`
	LinkTraceID string `json:"link.trace_id"`
	LinkSpanID  string `json:"link.span_id"`
}

func (r request) String() string {
	return fmt.Sprintf("%s %s %s", r.Kind, r.Method, r.URL)
}

// span is a row of a request's waterfall.
type span struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	ParentID   string         `json:"parent_id"`
	Name       string         `json:"name"`
	Service    string         `json:"service.name"`
	Kind       string         `json:"span.kind"`
	Entry      bool           `json:"entry"`
	Attributes map[string]any `json:"attributes"`
}

// ask reads an answer of the API.
func ask[T any](t *testing.T, address string) T {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out T
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", address, resp.Status, err)
	}
	return out
}

// stored returns every request to the proxy that the server knows of.
func (r *rig) stored(t *testing.T) []request {
	t.Helper()
	var out []request
	for cursor := ""; ; {
		page := ask[struct {
			Requests   []request `json:"requests"`
			NextCursor string    `json:"next_cursor"`
		}](t, r.server+"/api/v1/requests?limit=999&cursor="+url.QueryEscape(cursor))
		for _, q := range page.Requests {
			if strings.HasPrefix(q.URL, r.proxy+"/") {
				out = append(out, q)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return out
		}
	}
}

// waterfall returns the spans behind a request, and its entry span among them.
func (r *rig) waterfall(t *testing.T, q request) (entry span, all []span) {
	t.Helper()
	detail := ask[struct {
		Trace struct {
			Rows []span `json:"rows"`
		} `json:"trace"`
	}](t, r.server+"/api/v1/requests/"+q.ID)
	for _, row := range detail.Trace.Rows {
		if row.Type != "span" {
			continue
		}
		all = append(all, row)
		if row.ID == q.LinkSpanID {
			entry = row
		}
	}
	return entry, all
}

// outcomes counts requests by kind, URL and verdict.
type outcomes map[string]int

func outcome(kind, address, verdict string) string { return kind + " " + address + " " + verdict }

// wanted says what is to become of what the browser sent: no backend saw what a
// cache answered, and all else is linked exactly.
func wanted(sent []seen) outcomes {
	o := outcomes{}
	for _, s := range sent {
		verdict := "linked/exact"
		if s.cached {
			verdict = "not_applicable/served_from_cache"
		}
		o[outcome(s.kind, s.url, verdict)]++
	}
	return o
}

func found(stored []request) outcomes {
	o := outcomes{}
	for _, q := range stored {
		o[outcome(q.Kind, q.URL, q.LinkStatus+"/"+q.LinkReason)]++
	}
	return o
}

// differences lists what is in one of them alone.
func differences(want, got outcomes) []string {
	var out []string
	for what, n := range want {
		if d := n - got[what]; d > 0 {
			out = append(out, fmt.Sprintf("missing: %d %s", d, what))
		}
	}
	for what, n := range got {
		if d := n - want[what]; d > 0 {
			out = append(out, fmt.Sprintf("not wanted: %d %s", d, what))
		}
	}
	slices.Sort(out)
	return out
}

// verdicts waits until every request of a visit has the verdict that it is to
// have, checks that the entry span of each is the proxy's and of its path, and
// returns them.
func (r *rig) verdicts(t *testing.T, v *visit) []request {
	t.Helper()
	var sent []seen
	for _, s := range v.sent() {
		sent = append(sent, s)
	}
	want := wanted(sent)
	deadline := time.NewTimer(verdictPatience)
	defer deadline.Stop()
	ticker := time.NewTicker(verdictInterval)
	defer ticker.Stop()
	var stored []request
	for wrong := []string{""}; len(wrong) > 0; {
		stored = r.stored(t)
		wrong = differences(want, found(stored))
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("of %d requests, after %v:\n%s", len(sent), verdictPatience, strings.Join(wrong, "\n"))
		}
	}
	for _, q := range stored {
		if q.LinkStatus != "linked" {
			continue
		}
		u, err := url.Parse(q.URL)
		if err != nil {
			t.Fatal(err)
		}
		entry, _ := r.waterfall(t, q)
		if !entry.Entry || entry.Service != proxyService || entry.Kind != "server" || entry.Attributes["url.path"] != u.EscapedPath() {
			t.Errorf("%v is linked to %+v, want the proxy's SERVER span of %s", q, entry, u.EscapedPath())
		}
	}
	return stored
}

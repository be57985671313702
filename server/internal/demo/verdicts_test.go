package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/query"
)

const home = "http://127.0.0.1:9000/"

func visitAt(requests []query.Request) Visit {
	v := Visit{Started: time.Date(2026, 4, 27, 6, 7, 0, 0, time.UTC)}
	for _, r := range requests {
		v.Seen = append(v.Seen, seenOf(r))
	}
	return v
}

// serveLooks answers each look at the API with the next listing, and the last
// one ever after, two requests a page.
func serveLooks(t *testing.T, looks ...[]query.Request) *httptest.Server {
	t.Helper()
	look := -1
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/requests" {
			http.NotFound(w, r)
			return
		}
		from := 0
		if cursor := r.URL.Query().Get("cursor"); cursor != "" {
			fmt.Sscan(cursor, &from)
		} else {
			look = min(look+1, len(looks)-1)
		}
		since, err := time.Parse(time.RFC3339, r.URL.Query().Get("from"))
		if err != nil {
			t.Errorf("from: %v", err)
		}
		all := slices.DeleteFunc(slices.Clone(looks[look]), func(r query.Request) bool { return r.StartTime.Before(since) })
		page := query.RequestPage{Requests: all[from:min(from+2, len(all))]}
		if from+2 < len(all) {
			page.NextCursor = strconv.Itoa(from + 2)
		}
		json.NewEncoder(w).Encode(page)
	}))
	srv.Config.SetKeepAlivesEnabled(false)
	t.Cleanup(srv.Close)
	return srv
}

func TestWaitForVerdicts(t *testing.T) {
	document := request(1, "document", "GET", home, "from_server", "received", "linked", "exact")
	style := request(2, "resource", "GET", home+"static/shop.css", "from_server", "received", "linked", "exact")
	cart := request(3, "fetch", "POST", home+"api/cart", "set", "received", "linked", "exact")
	pending := style
	pending.LinkStatus, pending.LinkReason = "pending", ""
	late := request(4, "fetch", "GET", home+"api/late", "set", "received", "linked", "exact")
	earlier := request(0, "document", "GET", home, "from_server", "received", "linked", "exact")
	earlier.StartTime = earlier.StartTime.Add(-time.Hour)

	srv := serveLooks(t,
		[]query.Request{earlier},
		[]query.Request{document, earlier},
		[]query.Request{pending, document, earlier},
		[]query.Request{pending, document, earlier},
		[]query.Request{cart, style, document, earlier}, // complete, but was growing
		[]query.Request{late, cart, style, document, earlier},
		[]query.Request{late, cart, style, document, earlier},
	)
	got, err := WaitForVerdicts(t.Context(), VerdictsConfig{
		APIURL:   srv.URL,
		Visit:    visitAt([]query.Request{document, style, cart}),
		Interval: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]query.Request{late, cart, style, document}, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestWaitForVerdictsLeavesOutTheServersOwn(t *testing.T) {
	document := request(1, "document", "GET", home, "from_server", "received", "linked", "exact")
	listing := []query.Request{document}
	srv := serveLooks(t, nil)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		script := request(2, "resource", "GET", srv.URL+"/throughline.js", "not_set", "no_trace_info", "pending", "")
		json.NewEncoder(w).Encode(query.RequestPage{Requests: append([]query.Request{script}, listing...)})
	})
	got, err := WaitForVerdicts(t.Context(), VerdictsConfig{APIURL: srv.URL, Visit: visitAt(listing), Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(listing, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestWaitForVerdictsSaysWhatIsMissing(t *testing.T) {
	document := request(1, "document", "GET", home, "from_server", "received", "pending", "")
	cart := request(3, "fetch", "POST", home+"api/cart", "set", "received", "linked", "exact")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := serveLooks(t, []query.Request{document})
	listing, looks := srv.Config.Handler, 0
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listing.ServeHTTP(w, r)
		if looks++; looks == 2 {
			cancel()
		}
	})
	got, err := WaitForVerdicts(ctx, VerdictsConfig{
		APIURL: srv.URL, Visit: visitAt([]query.Request{document, cart}), Interval: time.Millisecond,
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the context's", err)
	}
	for _, says := range []string{"1 of 2 requests have not arrived", "fetch POST " + home + "api/cart", "1 requests are pending"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("error %q does not say %q", err, says)
		}
	}
	if len(got) != 1 {
		t.Errorf("%d requests beside the error, want the 1 that is there", len(got))
	}
}

func TestWaitForVerdictsReportsAServerThatRefuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no entry", http.StatusForbidden)
	}))
	srv.Config.SetKeepAlivesEnabled(false)
	defer srv.Close()
	_, err := WaitForVerdicts(t.Context(), VerdictsConfig{APIURL: srv.URL})
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden: no entry") {
		t.Errorf("error %v", err)
	}
}

func TestCompare(t *testing.T) {
	a := request(1, "fetch", "GET", home+"a", "set", "received", "linked", "exact")
	b := request(2, "fetch", "GET", home+"b", "set", "received", "linked", "exact")
	asXHR := a
	asXHR.Kind = kindXHR
	tests := []struct {
		name   string
		seen   []query.Request
		stored []query.Request
		want   Comparison
	}{
		{"nothing", nil, nil, Comparison{}},
		{"in another order", []query.Request{a, b, a}, []query.Request{b, a, a}, Comparison{}},
		{"known once, sent twice", []query.Request{a, a}, []query.Request{a}, Comparison{Missing: []SeenRequest{seenOf(a)}}},
		{"known twice, sent once", []query.Request{a}, []query.Request{a, a}, Comparison{Unexpected: []SeenRequest{seenOf(a)}}},
		{"of another kind", []query.Request{a}, []query.Request{asXHR}, Comparison{
			Missing: []SeenRequest{seenOf(a)}, Unexpected: []SeenRequest{seenOf(asXHR)}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Compare(visitAt(tt.seen).Seen, tt.stored)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

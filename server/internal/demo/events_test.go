package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/query"
)

// eventServer answers with a timeline and the detail of one request, as they are at each look.
type eventServer struct {
	timeline query.Timeline
	detail   query.RequestDetail
	look     func(s *eventServer, n int) // called before the n-th look, from 1; may be nil
	looks    int
}

// completeVisit has all that the visit of TestWaitForEvents made.
func completeVisit() *eventServer {
	s := &eventServer{}
	add := func(e query.TimelineEntry) { s.timeline.Entries = append(s.timeline.Entries, e) }
	for _, kind := range []string{"navigate", "soft", "soft"} {
		add(query.TimelineEntry{Type: "page_load", PageLoad: &query.PageLoad{Type: kind, Attributes: `{"view.name":"home"}`}})
	}
	for _, name := range visitVitals {
		add(query.TimelineEntry{Type: "web_vital", WebVital: &query.WebVital{Name: name}})
	}
	failed := request(4, "fetch", "POST", home+"api/voucher", "set", "received", "linked", "exact")
	failed.LinkTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	add(query.TimelineEntry{Type: "error", Error: &query.ErrorEvent{Message: "another"}})
	add(query.TimelineEntry{Type: "error", Error: &query.ErrorEvent{Message: plantedError, RequestID: failed.ID}})
	s.detail = query.RequestDetail{Request: failed, Trace: query.Trace{Rows: []query.Row{
		{Type: "span", Name: "GET /vouchers/{code}", Service: "payments", Error: "500"},
		{Type: "span", Name: failingSpan, Service: "payments", Error: errVouchers.Error()},
	}}}
	return s
}

func (s *eventServer) start(t *testing.T) VerdictsConfig {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/sessions/S-0/timeline":
			if s.looks++; s.look != nil {
				s.look(s, s.looks)
			}
			json.NewEncoder(w).Encode(s.timeline)
		case "/api/v1/requests/" + s.detail.Request.ID:
			json.NewEncoder(w).Encode(s.detail)
		default:
			http.NotFound(w, r)
		}
	}))
	srv.Config.SetKeepAlivesEnabled(false)
	t.Cleanup(srv.Close)
	return VerdictsConfig{APIURL: srv.URL, Interval: time.Millisecond, Visit: Visit{SoftNavigations: 2}}
}

func ofSession(id string) []query.Request {
	r := request(1, "document", "GET", home, "from_server", "received", "linked", "exact")
	r.SessionID = id
	return []query.Request{r, r}
}

// TestWaitForEvents waits for what comes late, and looks once more when all is there.
func TestWaitForEvents(t *testing.T) {
	s := completeVisit()
	all := s.timeline.Entries
	s.look = func(s *eventServer, n int) {
		s.timeline.Entries = all[:min(len(all), 5*n)]
		if n == 3 { // more of what there was already
			all = append(all, query.TimelineEntry{Type: "web_vital", WebVital: &query.WebVital{Name: "LCP"}})
			s.timeline.Entries = all
		}
	}
	got, err := WaitForEvents(t.Context(), s.start(t), ofSession("S-0"))
	if err != nil {
		t.Fatal(err)
	}
	want := Events{
		SoftNavigations: 2,
		WebVitals:       map[string]int{"CLS": 1, "FCP": 1, "INP": 1, "LCP": 2, "TTFB": 1},
		PlantedError:    &PlantedError{Message: plantedError, Request: rowOf(&s.detail.Request), Span: failingSpan, Service: "payments"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if s.looks != 4 {
		t.Errorf("%d looks, want 4: two until all is there, and until no more comes", s.looks)
	}
}

// TestWaitForEventsSaysWhatIsMissing: each part of the visit is looked for.
func TestWaitForEventsSaysWhatIsMissing(t *testing.T) {
	without := func(drop func(query.TimelineEntry) bool) func(*eventServer) {
		return func(s *eventServer) {
			var kept []query.TimelineEntry
			for _, e := range s.timeline.Entries {
				if !drop(e) {
					kept = append(kept, e)
				}
			}
			s.timeline.Entries = kept
		}
	}
	last := func(s *eventServer) *query.ErrorEvent { return s.timeline.Entries[len(s.timeline.Entries)-1].Error }
	for want, change := range map[string]func(*eventServer){
		"0 soft navigations, the browser made 2":      without(func(e query.TimelineEntry) bool { return e.PageLoad != nil && e.PageLoad.Type == "soft" }),
		"no INP":                                      without(func(e query.TimelineEntry) bool { return e.WebVital != nil && e.WebVital.Name == "INP" }),
		"no error \"" + plantedError + "\"":           func(s *eventServer) { last(s).Message = "another" },
		"the planted error names no request":          func(s *eventServer) { last(s).RequestID = "" },
		"the request of the planted error is partial": func(s *eventServer) { s.detail.Request.LinkStatus = "partial" },
		"has no failing span":                         func(s *eventServer) { s.detail.Trace.Rows[1].Error = "" },
	} {
		s := completeVisit()
		change(s)
		ctx, cancel := context.WithCancel(t.Context())
		s.look = func(_ *eventServer, n int) {
			if n == 2 {
				cancel()
			}
		}
		_, err := WaitForEvents(ctx, s.start(t), ofSession("S-0"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		cancel()
	}
}

// TestWaitForEventsWithoutASession: requests that are of none lead to no timeline.
func TestWaitForEventsWithoutASession(t *testing.T) {
	cfg := completeVisit().start(t)
	cfg.Timeout = time.Millisecond
	_, err := WaitForEvents(t.Context(), cfg, ofSession(""))
	if err == nil || !strings.Contains(err.Error(), "no LCP") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}

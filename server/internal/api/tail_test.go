package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
)

// event is a server-sent event as a browser's EventSource reads it.
type event struct{ name, data, id string }

// stream reads events; it ends with the connection.
func stream(t *testing.T, resp *http.Response) <-chan event {
	t.Helper()
	events := make(chan event)
	go func() {
		defer close(events)
		lines := bufio.NewScanner(resp.Body)
		var e event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "id":
				e.id = value
			case "":
				if e != (event{}) {
					events <- e
				}
				e = event{}
			}
		}
	}()
	return events
}

func follow(t *testing.T, s *httptest.Server, path, lastID string) (*http.Response, <-chan event) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, stream(t, resp)
}

func write(t *testing.T, st *storetest.Memory, n byte) {
	t.Helper()
	r := model.RequestEvent{ID: eventID(n), Start: now, Kind: model.KindFetch, Method: "GET", URL: "https://shop.example/\nevent: x", Host: "shop.example"}
	if err := st.Write(t.Context(), store.Batch{Requests: []model.RequestEvent{r}}); err != nil {
		t.Fatal(err)
	}
}

// TestTail follows over a real connection, whose server limits the time of reading and writing more than a tail lasts.
func TestTail(t *testing.T) {
	st := shop(t)
	stopping := make(chan struct{})
	s := httptest.NewUnstartedServer(handler(t, st, func(c *api.Config) { c.Stopping = stopping }))
	s.Config.ReadTimeout, s.Config.WriteTimeout = 100*time.Millisecond, 200*time.Millisecond
	s.Start()
	t.Cleanup(s.Close)

	resp, events := follow(t, s, "/api/v1/tail?filter=host:shop.example", "")
	h := resp.Header
	if resp.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Encoding") != "" {
		t.Fatalf("status %d, header %v", resp.StatusCode, h)
	}
	write(t, st, 0x51)
	first := <-events
	var r struct {
		ID  string
		URL string `json:"url.full"`
	}
	if err := json.Unmarshal([]byte(first.data), &r); err != nil || first.name != "request" || r.ID != eventID(0x51).String() || !strings.Contains(r.URL, "\n") {
		t.Errorf("event %+v, %v", first, err)
	}
	place := <-events
	if place.id == "" || place.data != "" {
		t.Errorf("event %+v, want an id alone", place)
	}
	write(t, st, 0x52)
	_, again := follow(t, s, "/api/v1/tail", place.id)
	if e := <-again; e.name != "request" || !strings.Contains(e.data, eventID(0x52).String()) {
		t.Errorf("after resuming: %+v", e)
	}
	close(stopping)
	for range again { // ends
	}
	for range events { // ends
	}
}

func TestTailTellsThatItIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopping := make(chan struct{})
		h := handler(t, shop(t), func(c *api.Config) { c.Stopping = stopping })
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/tail", http.NoBody))
		}()
		<-time.After(time.Minute + time.Second)
		close(stopping)
		<-done
		if got := strings.Count(w.Body.String(), ": nothing new\n\n"); got != 4 {
			t.Errorf("%d comments in a minute, want 4: %q", got, w.Body.String())
		}
	})
}

func TestTailTellsWhyItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told error
		h := handler(t, &brokenTail{Reader: shop(t)}, func(c *api.Config) { c.OnError = func(err error) { told = err } })
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/tail", http.NoBody))
		if got := w.Body.String(); !strings.Contains(got, "event: closed\ndata: {\"error\":") || !strings.Contains(got, `"hint":`) || strings.Contains(got, "secret") || told == nil {
			t.Errorf("the client is told %q, the operator %v", got, told)
		}
	})
}

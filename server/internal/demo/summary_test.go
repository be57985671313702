package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/query"
)

func request(second int, kind, method, url, hint, timing, status, reason string) query.Request {
	return query.Request{
		ID:        "00000000000000" + string("0123456789"[second/10]) + string("0123456789"[second%10]),
		StartTime: time.Date(2026, 4, 27, 6, 7, second, 0, time.UTC),
		Kind:      kind, Method: method, URL: url,
		TraceContextHint: hint, ServerTimingHint: timing,
		LinkStatus: status, LinkReason: reason,
	}
}

func TestSummary(t *testing.T) {
	linked := request(3, "fetch", "POST", "http://127.0.0.1:9000/api/cart", "set", "received", "linked", "exact")
	linked.LinkTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	s := Summarize([]query.Request{ // newest first, as the API lists them
		request(5, "fetch", "GET", "http://127.0.0.1:9003/offer", "cross_origin", "not_available", "unlinked", "not_propagated"),
		request(4, "fetch", "GET", "http://127.0.0.1:9002/methods", "included", "received", "pending", ""),
		linked,
		request(2, "resource", "GET", "http://127.0.0.1:9000/static/\x1b[31mshop.css\t", "from_server", "received", "linked", "server_timing"),
		request(1, "document", "GET", "http://127.0.0.1:9000/", "from_server", "received", "linked", "exact"),
	}, Events{
		SoftNavigations: 2,
		WebVitals:       map[string]int{"LCP": 2, "CLS": 2, "INP": 1},
		PlantedError:    &PlantedError{Message: plantedError, Request: rowOf(&linked), Span: failingSpan, Service: "payments\a"},
	})
	var table bytes.Buffer
	if err := s.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	golden(t, "summary.txt", table.Bytes())
	asJSON, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "summary.json", append(asJSON, '\n'))
}

func TestSummaryOfNothing(t *testing.T) {
	s := Summarize(nil, Events{})
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"requests":0,"by_status":{},"by_reason":{},"by_hint":{},"by_server_timing_hint":{},"by_kind":{},"rows":[],"events":{"soft_navigations":0,"web_vitals":{},"planted_error":null}}`
	if string(asJSON) != want {
		t.Errorf("got %s, want %s", asJSON, want)
	}
	var table bytes.Buffer
	if err := s.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(table.String(), "0 requests: none\nsoft navigations: 0\nweb vitals: none\nplanted error: none\n") {
		t.Errorf("table: %q", table.String())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got); run with -update where the change is meant:\n%s", path, diff)
	}
}

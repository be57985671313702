package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/throughline-rum/throughline/server/internal/guard"
	"github.com/throughline-rum/throughline/server/internal/store"
)

func TestMetricsOfEveryPart(t *testing.T) {
	s, err := newTestServer(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sendBeacon(t, s, "00000000000000a1")
	sendSpan(t, s)
	await(t, s, "00000000000000a1", "linked/exact")
	_, text := exchange(t, http.MethodGet, s.mainURL()+"/metrics", "", nil)
	for _, want := range []string{
		`throughline_journal_bytes [1-9]`, `throughline_journal_budget_bytes 1\.34217728e\+08`, `throughline_journal_segments 1`,
		`throughline_journal_unread_bytes 0`, `throughline_journal_failed 0`, `throughline_journal_records_total 2`, `throughline_journal_groups_total [12]`,
		`throughline_journal_torn_bytes 0`, `throughline_journal_skipped_bytes_total 0`,
		`throughline_link_lag_seconds [0-9]`, `throughline_link_judged_total [1-9]`, `throughline_link_failures_total 0`,
		`throughline_link_verdicts_stored_total\{reason="exact",status="linked"\} 1`,
		`throughline_store_rows\{kind="requests"\} 1`, `throughline_store_rows\{kind="spans"\} 1`, `throughline_store_rows\{kind="web_vitals"\} 0`, `throughline_store_bytes [1-9]`,
		`throughline_beacons_rejected_total\{reason="too_large"\} 0`, `throughline_events_rejected_total\{reason="bad_time"\} 0`,
		`throughline_beacons_rejected_total\{reason="` + guard.RateLimited + `"\} 0`, `throughline_beacons_rejected_total\{reason="` + guard.UnknownApplication + `"\} 0`,
		`throughline_beacons_rejected_total\{reason="` + guard.OriginNotAllowed + `"\} 0`, `throughline_otlp_requests_rejected_total\{reason="journal_full"\} 0`,
		`throughline_otlp_requests_rejected_total\{reason="` + guard.Unauthenticated + `"\} 0`, `throughline_spans_rejected_total\{reason="bad_span_id"\} 0`,
		`throughline_janitor_runs_total\{result="failed"\} 0`, `throughline_janitor_last_success_timestamp_seconds 0`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(text) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	reference, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# HELP throughline_(\w+)`).FindAllStringSubmatch(text, -1) {
		if !bytes.Contains(reference, []byte("`"+m[1])) {
			t.Errorf("docs/operate.md does not name the metric %s", m[1])
		}
	}
	problems, err := testutil.CollectAndLint(&journalCollector{s.journal, func() store.Position { return 0 }})
	if err != nil || len(problems) > 0 {
		t.Errorf("the names of the journal's metrics: %v, error %v", problems, err)
	}
	problems, err = testutil.CollectAndLint(&linkCollector{s.linkLag, s.pass.Stats})
	if err != nil || len(problems) > 0 {
		t.Errorf("the names of the link pass's metrics: %v, error %v", problems, err)
	}
}

// countedUsage answers Usage and counts.
type countedUsage struct {
	asked int
	err   error
}

func (c *countedUsage) Usage(context.Context) (store.Usage, error) {
	c.asked++
	return store.Usage{Requests: int64(c.asked)}, c.err
}

func TestUsageIsCountedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var from countedUsage
		faults, buf := newTestFaultLog()
		c := &usageCollector{store: &from, faults: faults}
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(c)
		rows := func(want int) {
			t.Helper()
			if n, err := testutil.GatherAndCount(reg, "throughline_store_rows"); err != nil || n != want {
				t.Errorf("%d values, error %v, want %d", n, err, want)
			}
		}
		for range 59 {
			rows(7)
			<-time.After(time.Second)
		}
		if from.asked != 1 {
			t.Errorf("the store was asked %d times in a minute", from.asked)
		}
		from.err = errors.New("the store is gone")
		<-time.After(time.Second)
		rows(0)
		rows(0)
		if got := buf.lines(); from.asked != 2 || len(got) != 1 {
			t.Errorf("asked %d times, logged %q", from.asked, got)
		}
	})
}

// A journal that stays full says so once, and at /readyz.
func TestFullJournal(t *testing.T) {
	log := &syncBuffer{}
	c := testConfig(t.TempDir())
	c.Journal.Budget = 64
	var closed atomic.Bool
	closed.Store(true)
	s, err := startServer(t.Context(), c, slog.New(slog.NewTextHandler(log, nil)), closed.Load)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		closed.Store(false)
		if err := s.stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}()
	body := fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"x","value":{"stringValue":"%s"}}]},"scopeSpans":[{"spans":[
		{"traceId":%q,"spanId":%q,"name":"x","startTimeUnixNano":"%[4]d","endTimeUnixNano":"%[4]d"}]}]}]}`, strings.Repeat("x", 7<<20), testTrace, testEntry, time.Now().UnixNano())
	refused := 0
	for range 20 {
		resp, answer := exchange(t, http.MethodPost, s.otlpURL()+"/v1/traces", body, map[string]string{"Content-Type": "application/json"})
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
			refused++
		} else if resp.StatusCode != http.StatusOK {
			t.Fatalf("answered %d: %s", resp.StatusCode, answer)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); refused < 10 || n != 1 {
		t.Errorf("%d were refused, and %d errors logged:\n%s", refused, n, log)
	}
	resp, answer := exchange(t, http.MethodGet, s.mainURL()+"/readyz", "", nil)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(answer, "the journal is full") || !strings.Contains(answer, "are not in the store yet") {
		t.Errorf("readyz answers %d: %s", resp.StatusCode, answer)
	}
}

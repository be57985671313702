package demo

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/throughline-rum/throughline/server/internal/query"
)

// Summary is what became of a set of requests.
type Summary struct {
	Requests int `json:"requests"`
	// Requests by the value of one of their fields. Those without a value, such as
	// the reason of a pending request, are in none.
	ByStatus           map[string]int `json:"by_status"`             // link.status
	ByReason           map[string]int `json:"by_reason"`             // link.reason
	ByHint             map[string]int `json:"by_hint"`               // request.trace_context_hint
	ByServerTimingHint map[string]int `json:"by_server_timing_hint"` // request.server_timing_hint
	ByKind             map[string]int `json:"by_kind"`               // request.kind
	Rows               []SummaryRow   `json:"rows"`                  // oldest first
	Events             Events         `json:"events"`                // what else is known of the visit
}

// SummaryRow is one request of a summary. Its names are the API's.
type SummaryRow struct {
	ID         string `json:"id"`
	Status     string `json:"link.status"`
	Reason     string `json:"link.reason,omitempty"`
	Kind       string `json:"request.kind"`
	Method     string `json:"http.request.method"`
	URL        string `json:"url.full"`
	Hint       string `json:"request.trace_context_hint"`
	TimingHint string `json:"request.server_timing_hint"`
	TraceID    string `json:"link.trace_id,omitempty"`
}

// Summarize counts requests by verdict and lists them by their start, beside the events of the same visit.
func Summarize(requests []query.Request, events Events) Summary {
	s := Summary{
		Requests:           len(requests),
		ByStatus:           map[string]int{},
		ByReason:           map[string]int{},
		ByHint:             map[string]int{},
		ByServerTimingHint: map[string]int{},
		ByKind:             map[string]int{},
		Rows:               []SummaryRow{},
		Events:             events,
	}
	if s.Events.WebVitals == nil {
		s.Events.WebVitals = map[string]int{}
	}
	add := func(counts map[string]int, value string) {
		if value != "" {
			counts[value]++
		}
	}
	requests = slices.SortedStableFunc(slices.Values(requests), func(a, b query.Request) int {
		return cmp.Or(a.StartTime.Compare(b.StartTime), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range requests {
		add(s.ByStatus, r.LinkStatus)
		add(s.ByReason, r.LinkReason)
		add(s.ByHint, r.TraceContextHint)
		add(s.ByServerTimingHint, r.ServerTimingHint)
		add(s.ByKind, r.Kind)
		s.Rows = append(s.Rows, rowOf(&r))
	}
	return s
}

func rowOf(r *query.Request) SummaryRow {
	return SummaryRow{
		ID:         r.ID,
		Status:     r.LinkStatus,
		Reason:     r.LinkReason,
		Kind:       r.Kind,
		Method:     r.Method,
		URL:        r.URL,
		Hint:       r.TraceContextHint,
		TimingHint: r.ServerTimingHint,
		TraceID:    r.LinkTraceID,
	}
}

// WriteTable writes the summary for people: a line a request, the totals, and the events.
// Characters that could steer a terminal are shown as a question mark.
func (s Summary) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "VERDICT\tREASON\tKIND\tMETHOD\tURL\tHINT")
	for _, r := range s.Rows {
		fields := []string{r.Status, cmp.Or(r.Reason, "-"), r.Kind, r.Method, r.URL, r.Hint}
		for i, f := range fields {
			fields[i] = printable(f)
		}
		fmt.Fprintln(t, strings.Join(fields, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%d requests: %s\n", s.Requests, counts(s.ByStatus)); err != nil {
		return err
	}
	return s.Events.write(w)
}

// counts writes "3 linked, 1 partial", the largest first.
func counts(by map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	})
	if len(keys) == 0 {
		return "none"
	}
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%d %s", by[k], printable(k))
	}
	return strings.Join(parts, ", ")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

package query

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var (
	noon    = time.Date(2026, 4, 27, 12, 0, 0, 0, time.UTC)
	traceID = tracecontext.TraceID{0: 0x2f, 15: 0x09}
)

func spanID(n byte) tracecontext.SpanID { return tracecontext.SpanID{7: n} }

// span makes a server span that starts n ms after noon and takes 10 ms.
func span(n, parent byte) model.Span {
	return model.Span{
		TraceID: traceID, SpanID: spanID(n), ParentSpanID: spanID(parent), Name: fmt.Sprint("span ", n),
		Kind: model.SpanServer, Service: "shop", Start: noon.Add(time.Duration(n) * time.Millisecond), Duration: 10 * time.Millisecond,
	}
}

func requestOf(n byte, sent, joined byte) model.LinkedRequest {
	r := model.LinkedRequest{RequestEvent: model.RequestEvent{
		ID: model.EventID{7: n}, Method: "GET", URL: "https://shop.example/", Start: noon, Duration: 100 * time.Millisecond,
		Clock: model.Clock{Offset: -1500 * time.Microsecond, Uncertainty: time.Millisecond, Source: model.ClockServerTiming},
	}}
	if sent != 0 {
		r.Sent = model.SpanContext{TraceID: traceID, SpanID: spanID(sent)}
	}
	r.Link.Joined = model.SpanContext{TraceID: traceID, SpanID: spanID(joined)}
	return r
}

// outline writes a row as "depth name" so that a tree can be read in a test.
func outline(t Trace) []string {
	out := []string{}
	for _, r := range t.Rows {
		mark := ""
		if r.Entry {
			mark = " entry"
		}
		out = append(out, fmt.Sprintf("%d %s%s", r.Depth, r.Name, mark))
	}
	return out
}

func TestWaterfall(t *testing.T) {
	const page = "GET https://shop.example/"
	for name, c := range map[string]struct {
		requests []model.LinkedRequest
		spans    []model.Span
		want     []string
	}{
		"nothing": {want: []string{}},
		"the request is the root, spans below in order of their start": {
			requests: []model.LinkedRequest{requestOf(1, 90, 10)},
			spans:    []model.Span{span(30, 10), span(10, 90), span(20, 10), span(21, 20)},
			want:     []string{"0 " + page, "1 span 10 entry", "2 span 20", "3 span 21", "2 span 30"},
		},
		"no verdict yet: the parent that the request sent ties them": {
			requests: []model.LinkedRequest{{RequestEvent: requestOf(1, 90, 0).RequestEvent}},
			spans:    []model.Span{span(10, 90)},
			want:     []string{"0 " + page, "1 span 10"},
		},
		"linked by Server-Timing: the entry span is a root of its own trace": {
			requests: []model.LinkedRequest{requestOf(1, 0, 10)},
			spans:    []model.Span{span(10, 0), span(20, 10)},
			want:     []string{"0 " + page, "1 span 10 entry", "2 span 20"},
		},
		"entry span not named: all that has no parent hangs below the request": {
			requests: []model.LinkedRequest{requestOf(1, 0, 0)},
			spans:    []model.Span{span(10, 0), span(20, 77)},
			want:     []string{"0 " + page, "1 span 10", "1 span 20"},
		},
		"spans without a request": {
			spans: []model.Span{span(10, 77), span(20, 10)},
			want:  []string{"0 span 10", "1 span 20"},
		},
		"a span that is its own parent, and a circle": {
			spans: []model.Span{span(10, 10), span(20, 21), span(21, 20)},
			want:  []string{"0 span 10", "0 span 20", "1 span 21"},
		},
		"through an intermediary: its spans stand between request and entry span": {
			requests: []model.LinkedRequest{requestOf(1, 90, 20)},
			spans:    []model.Span{span(10, 90), span(20, 10), span(21, 20)},
			want:     []string{"0 " + page, "1 span 10", "2 span 20 entry", "3 span 21"},
		},
		"an entry span in a circle of parents": {
			requests: []model.LinkedRequest{requestOf(1, 90, 20)},
			spans:    []model.Span{span(10, 20), span(20, 10)},
			want:     []string{"0 " + page, "1 span 20 entry", "2 span 10"},
		},
		"two requests share a trace": {
			requests: []model.LinkedRequest{requestOf(1, 90, 10), requestOf(2, 91, 20)},
			spans:    []model.Span{span(10, 90), span(20, 91)},
			want:     []string{"0 " + page, "1 span 10 entry", "0 " + page, "1 span 20 entry"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, outline(waterfall(traceID, c.requests, c.spans))); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWaterfallTimesCountFromItsFirstRow(t *testing.T) {
	early := span(10, 90)
	early.Start = noon.Add(-5 * time.Millisecond)
	got := waterfall(traceID, []model.LinkedRequest{requestOf(1, 90, 10)}, []model.Span{early})
	if !got.StartTime.Equal(early.Start) || got.DurationMs != 105 {
		t.Errorf("start %v, duration %v ms; want %v, 105 ms", got.StartTime, got.DurationMs, early.Start)
	}
	if got.Rows[0].StartMs != 5 || got.Rows[1].StartMs != 0 {
		t.Errorf("rows start at %v and %v ms, want 5 and 0", got.Rows[0].StartMs, got.Rows[1].StartMs)
	}
	if want := (&Clock{OffsetMs: -1.5, UncertaintyMs: 1, Source: "server_timing"}); !cmp.Equal(got.Clock, want) {
		t.Errorf("clock %+v, want %+v", got.Clock, want)
	}
}

func TestWaterfallFitsARequestToItsEntrySpan(t *testing.T) {
	for name, c := range map[string]struct {
		start   time.Duration // of the entry span, after the request's
		source  model.ClockSource
		want    float64 // offset_ms
		request float64 // its start_ms
	}{
		"within the request":               {15 * time.Millisecond, model.ClockServerTiming, -1.5, 0},
		"before it was sent":               {9 * time.Millisecond, model.ClockServerTiming, -2.5, 0},
		"before it was sent, beyond doubt": {5 * time.Millisecond, model.ClockServerTiming, -1.5, 0},
		"after the answer":                 {20_500 * time.Microsecond, model.ClockServerTiming, -1, 0},
		"by a clock that was not measured": {9 * time.Millisecond, model.ClockBeacon, -1.5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, entry := requestOf(1, 90, 10), span(10, 90)
			r.Timing = model.ResourceTiming{RequestStart: 10 * time.Millisecond, ResponseStart: 20 * time.Millisecond, ResponseEnd: 30 * time.Millisecond}
			r.Clock.Source = c.source
			entry.Start = noon.Add(c.start)
			got := waterfall(traceID, []model.LinkedRequest{r}, []model.Span{entry})
			if got.Clock.OffsetMs != c.want || got.Clock.Fitted != (c.want != -1.5) || got.Rows[0].StartMs != c.request {
				t.Errorf("clock %+v, the request starts at %v ms; want an offset of %v", got.Clock, got.Rows[0].StartMs, c.want)
			}
		})
	}
}

// Two pages of one trace may have clocks that are hours apart.
func TestWaterfallTellsEachClock(t *testing.T) {
	one, other := requestOf(1, 90, 10), requestOf(2, 91, 20)
	other.Clock.Offset = time.Hour
	got := waterfall(traceID, []model.LinkedRequest{one, other}, []model.Span{span(10, 90), span(20, 91)})
	if got.Clock != nil {
		t.Errorf("one clock for both: %+v", got.Clock)
	}
	var offsets []float64
	for _, r := range got.Rows {
		if r.Clock != nil {
			offsets = append(offsets, r.Clock.OffsetMs)
		}
	}
	if want := []float64{-1.5, 3_600_000}; !slices.Equal(offsets, want) {
		t.Errorf("offsets %v, want %v", offsets, want)
	}
}

func TestWaterfallOfADeepTraceIsWhole(t *testing.T) {
	spans := make([]model.Span, MaxTraceSpans+1)
	for i := range spans {
		spans[i] = model.Span{TraceID: traceID, Start: noon.Add(time.Duration(i))}
		spans[i].SpanID = tracecontext.SpanID{0: byte(i >> 8), 1: byte(i), 7: 1}
		if i > 0 {
			spans[i].ParentSpanID = spans[i-1].SpanID
		}
	}
	got := waterfall(traceID, nil, spans)
	if len(got.Rows) != MaxTraceSpans || !got.Truncated || got.Rows[MaxTraceSpans-1].Depth != MaxTraceSpans-1 {
		t.Errorf("%d rows, truncated %v; want %d rows, truncated", len(got.Rows), got.Truncated, MaxTraceSpans)
	}
}

func TestPhases(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	fresh := model.ResourceTiming{ // a new connection
		DomainLookupStart: ms(5), DomainLookupEnd: ms(10), ConnectStart: ms(10), SecureConnectionStart: ms(14), ConnectEnd: ms(20),
		RequestStart: ms(21), ResponseStart: ms(61), ResponseEnd: ms(80),
	}
	reused := model.ResourceTiming{ // all connection times equal the start of the fetch
		FetchStart: ms(1), DomainLookupStart: ms(1), DomainLookupEnd: ms(1), ConnectStart: ms(1), ConnectEnd: ms(1),
		RequestStart: ms(4), ResponseStart: ms(24), ResponseEnd: ms(25),
	}
	worker := model.ResourceTiming{WorkerStart: ms(3), FetchStart: ms(9), RequestStart: ms(12), ResponseStart: ms(20), ResponseEnd: ms(30)}
	redirected := reused
	redirected.RedirectEnd, redirected.FetchStart = ms(1), ms(1)
	for name, c := range map[string]struct {
		timing model.ResourceTiming
		entry  time.Duration // start of the entry span after the request's; 0: none
		source model.ClockSource
		want   []string
	}{
		"new connection":                        {fresh, 0, "", []string{"queueing 0-5", "dns 5-10", "connect 10-14", "tls 14-20", "waiting 21-61", "download 61-80"}},
		"the entry span parts way and wait":     {fresh, ms(30), model.ClockServerTiming, []string{"queueing 0-5", "dns 5-10", "connect 10-14", "tls 14-20", "request 21-30", "waiting 30-61", "download 61-80"}},
		"a guessed clock parts nothing":         {reused, ms(10), model.ClockBeacon, []string{"queueing 0-4", "waiting 4-24", "download 24-25"}},
		"an entry span outside parts nothing":   {reused, ms(200), model.ClockServerTiming, []string{"queueing 0-4", "waiting 4-24", "download 24-25"}},
		"service worker":                        {worker, 0, "", []string{"queueing 0-3", "service_worker 3-9", "queueing 9-12", "waiting 12-20", "download 20-30"}},
		"redirect":                              {redirected, 0, "", []string{"redirect 0-1", "queueing 1-4", "waiting 4-24", "download 24-25"}},
		"no Timing-Allow-Origin, nothing known": {model.ResourceTiming{ResponseEnd: ms(80)}, 0, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := model.LinkedRequest{RequestEvent: model.RequestEvent{Start: noon, Timing: c.timing, Clock: model.Clock{Source: c.source}}}
			var entry *model.Span
			if c.entry != 0 {
				entry = &model.Span{Start: noon.Add(c.entry)}
			}
			var got []string
			for _, p := range phases(&r, entry, noon) {
				got = append(got, fmt.Sprintf("%s %g-%g", p.Name, p.StartMs, p.StartMs+p.DurationMs))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("phases %q, want %q", got, c.want)
			}
		})
	}
}

package servertiming_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var response = servertiming.Response{
	TraceID:    tracecontext.TraceID{0x4b, 0xf9, 0x2f, 0x35, 15: 0x36},
	SpanID:     tracecontext.SpanID{0, 0xf0, 7: 0xb7},
	Flags:      tracecontext.FlagSampled | tracecontext.FlagRandom,
	ResponseID: math.MinInt32,
	Now:        time.UnixMicro(1777270046120500),
}

// What is written is read as it was meant, whatever the set.
func TestWriteRead(t *testing.T) {
	for entries := servertiming.Entries(1); entries < servertiming.NoEntries; entries++ {
		info := servertiming.Read(entries.Value(response))
		if entries&(servertiming.DtTrID|servertiming.Trace|servertiming.Traceparent) == 0 {
			if info.Outcome != servertiming.NoTraceInfo || !info.TraceID.IsZero() {
				t.Errorf("%v: read %+v", entries, info)
			}
		} else if info.Outcome != servertiming.Received || info.TraceID != response.TraceID {
			t.Errorf("%v: read %+v", entries, info)
		}
		named := entries&(servertiming.Trace|servertiming.Traceparent) != 0
		if named != (info.SpanID == response.SpanID) {
			t.Errorf("%v: span id %v", entries, info.SpanID)
		}
		if told := named || entries&servertiming.DtSInfo != 0; told != (info.Sampled != nil) || told && !*info.Sampled {
			t.Errorf("%v: sampled %v", entries, info.Sampled)
		}
		if told := entries&servertiming.DtRpid != 0; told != (info.ResponseID != nil) || told && *info.ResponseID != response.ResponseID {
			t.Errorf("%v: response id %v", entries, info.ResponseID)
		}
		if told := entries&servertiming.Now != 0; told && info.Now != 1777270046120.5 || !told && info.Now != 0 {
			t.Errorf("%v: now %v", entries, info.Now)
		}
	}
}

func TestNoEntries(t *testing.T) {
	if got := servertiming.NoEntries.Value(response); got != "" {
		t.Errorf("value = %q", got)
	}
	if got := servertiming.NoEntries.String(); got != "" {
		t.Errorf("names = %q", got)
	}
}

func TestMaxValueLen(t *testing.T) {
	late := response
	late.Now = time.UnixMicro(math.MaxInt64)
	all := servertiming.DefaultEntries | servertiming.Traceparent
	if n := len(all.Value(late)); n > servertiming.MaxValueLen {
		t.Errorf("a value of %d bytes, more than %d", n, servertiming.MaxValueLen)
	}
}

func TestLimits(t *testing.T) {
	many := strings.Repeat("a,", servertiming.MaxMetrics-1)
	if n := len(servertiming.Parse(many, many)); n != servertiming.MaxMetrics {
		t.Errorf("%d metrics were read, want %d", n, servertiming.MaxMetrics)
	}
	long := "a;desc=" + strings.Repeat("x", servertiming.MaxFieldLen)
	got := servertiming.Parse(long, "b", long)
	if !slices.Equal(got, []servertiming.Metric{{Name: "b"}}) {
		t.Errorf("%d metrics were read beside fields that are too long", len(got))
	}
	if servertiming.ParseAllowOrigin(long, "*").Allows("x") != true || servertiming.ParseAllowOrigin(long) != nil {
		t.Error("a field that is too long was read")
	}
	rules := slices.Repeat([]servertiming.Rule{{Matcher: servertiming.Contains, Pattern: "a"}}, servertiming.MaxRules+1)
	if _, err := servertiming.NewRuleSet(rules...); !errors.Is(err, servertiming.ErrRule) {
		t.Errorf("%d rules: %v", len(rules), err)
	}
	if _, err := servertiming.NewRuleSet(rules[1:]...); err != nil {
		t.Error(err)
	}
}

func TestMetricsStop(t *testing.T) {
	var names []string
	for m := range servertiming.Metrics("a, b, c") {
		if m.Name == "c" {
			break
		}
		names = append(names, m.Name)
	}
	if !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("names = %v", names)
	}
}

// An error says which rule, and what to write instead.
func TestRuleError(t *testing.T) {
	_, err := servertiming.NewRuleSet(
		servertiming.Rule{Matcher: servertiming.Equals, Pattern: "https://shop.example"},
		servertiming.Rule{Matcher: servertiming.EndsWith, Pattern: "*.example"},
	)
	const want = `rule 2: servertiming: unusable origin rule: pattern "*.example": ` +
		`an asterisk stands for nothing; use ENDS_WITH, STARTS_WITH or CONTAINS`
	if err == nil || err.Error() != want {
		t.Errorf("error = %v\nwant    %s", err, want)
	}
}

func TestZeroRuleSet(t *testing.T) {
	var set servertiming.RuleSet
	want := servertiming.Decision{ServerTiming: true, AllowOrigin: "*"}
	if got := set.Decide(servertiming.Request{Origin: "https://evil.example"}); got != want {
		t.Errorf("decision = %+v", got)
	}
}

func TestAllocations(t *testing.T) {
	field := servertiming.DefaultEntries.Value(response)
	buf := make([]byte, 0, servertiming.MaxValueLen)
	for _, tt := range []struct {
		name string
		want float64
		run  func()
	}{
		{"AppendTo", 0, func() { buf = servertiming.DefaultEntries.AppendTo(buf[:0], response) }},
		{"Value", 1, func() { _ = servertiming.DefaultEntries.Value(response) }},
		{"Metrics", 0, func() {
			for m := range servertiming.Metrics(field) {
				_ = m
			}
		}},
		{"Read", 2, func() { _ = servertiming.Read(field) }}, // Sampled and ResponseID
	} {
		if got := testing.AllocsPerRun(100, tt.run); got > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.want)
		}
	}
}

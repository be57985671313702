package servertiming_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
	"github.com/throughline-rum/throughline/wire/vectors"
)

func metricCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "server-timing", "field*", "metric*")
}

func TestMetricVectors(t *testing.T) {
	for _, c := range metricCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			var want []servertiming.Metric
			for _, text := range c.All("metric") {
				var m servertiming.Metric
				if err := json.Unmarshal([]byte(text), &[]any{&m.Name, &m.Duration, &m.Description}); err != nil {
					t.Fatal(err)
				}
				want = append(want, m)
			}
			if got := servertiming.Parse(c.All("field")...); !slices.Equal(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func traceCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "server-timing-trace", "field*", "trace-id", "span-id", "sampled", "response-id", "now")
}

// text formats what was read as the vectors have it.
func text(info servertiming.Info) map[string]string {
	m := make(map[string]string)
	if !info.TraceID.IsZero() {
		m["trace-id"] = info.TraceID.String()
	}
	if !info.SpanID.IsZero() {
		m["span-id"] = info.SpanID.String()
	}
	if info.Sampled != nil {
		m["sampled"] = map[bool]string{false: "0", true: "1"}[*info.Sampled]
	}
	if info.ResponseID != nil {
		m["response-id"] = strconv.Itoa(int(*info.ResponseID))
	}
	if info.Now != 0 {
		m["now"] = strconv.FormatFloat(info.Now, 'f', -1, 64)
	}
	return m
}

func TestTraceVectors(t *testing.T) {
	for _, c := range traceCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			info := servertiming.Read(c.All("field")...)
			if string(info.Outcome) != c.Expect {
				t.Errorf("outcome = %s, want %s", info.Outcome, c.Expect)
			}
			got := text(info)
			for _, key := range []string{"trace-id", "span-id", "sampled", "response-id", "now"} {
				if got[key] != c.Get(key) {
					t.Errorf("%s = %q, want %q", key, got[key], c.Get(key))
				}
			}
		})
	}
}

func TestWriteVectors(t *testing.T) {
	bits := map[string]servertiming.Entries{
		"dtTrId": servertiming.DtTrID, "dtSInfo": servertiming.DtSInfo, "dtRpid": servertiming.DtRpid,
		"trace": servertiming.Trace, "now": servertiming.Now, "traceparent": servertiming.Traceparent,
	}
	cases := vectors.Load(t, "server-timing-write", "entries", "trace-id", "span-id", "flags", "response-id", "now", "output")
	for _, c := range cases {
		t.Run(c.String(), func(t *testing.T) {
			var entries servertiming.Entries
			for name := range strings.SplitSeq(c.Get("entries"), ",") {
				entries |= bits[name]
			}
			response := servertiming.Response{
				TraceID:    must(tracecontext.ParseTraceID(c.Get("trace-id"))),
				SpanID:     must(tracecontext.ParseSpanID(c.Get("span-id"))),
				Flags:      tracecontext.Flags(must(strconv.ParseUint(c.Get("flags"), 16, 8))),
				ResponseID: int32(must(strconv.ParseInt(c.Get("response-id"), 10, 32))),
				Now:        time.UnixMicro(must(strconv.ParseInt(c.Get("now"), 10, 64))),
			}
			if got := entries.Value(response); got != c.Get("output") {
				t.Errorf("got  %s\nwant %s", got, c.Get("output"))
			}
			if got := entries.String(); got != c.Get("entries") {
				t.Errorf("names = %s, want %s", got, c.Get("entries"))
			}
			if entries == servertiming.DefaultEntries {
				if got := servertiming.Entries(0).Value(response); got != c.Get("output") {
					t.Errorf("the zero value writes %s", got)
				}
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAllowOriginVectors(t *testing.T) {
	for _, c := range vectors.Load(t, "timing-allow-origin", "field*", "origin") {
		t.Run(c.String(), func(t *testing.T) {
			got := servertiming.ParseAllowOrigin(c.All("field")...).Allows(c.Get("origin"))
			if want := c.Expect == "allowed"; got != want {
				t.Errorf("allowed = %t, want %t", got, want)
			}
		})
	}
}

func originCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "origin", "url", "output")
}

func TestOriginVectors(t *testing.T) {
	for _, c := range originCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			got, ok := servertiming.OriginOf(c.Get("url"))
			if want := c.Expect == "ok"; ok != want || got != c.Get("output") {
				t.Errorf("origin = %q, %t; want %q, %t", got, ok, c.Get("output"), want)
			}
		})
	}
}

func ruleCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "rules", "rule*", "origin", "referer", "self", "own", "allow-origin", "vary")
}

func rulesOf(c vectors.Case) []servertiming.Rule {
	var rules []servertiming.Rule
	for _, text := range c.All("rule") {
		matcher, pattern, _ := strings.Cut(text, " ")
		rules = append(rules, servertiming.Rule{Matcher: servertiming.Matcher(matcher), Pattern: pattern})
	}
	return rules
}

func TestRuleVectors(t *testing.T) {
	for _, c := range ruleCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			set, err := servertiming.NewRuleSet(rulesOf(c)...)
			if c.Expect == "error" {
				if !errors.Is(err, servertiming.ErrRule) || set != nil {
					t.Errorf("set = %v, error = %v", set, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := set.Decide(servertiming.Request{
				Origin:  c.Get("origin"),
				Referer: c.Get("referer"),
				Self:    c.Get("self"),
				Own:     c.Get("own") == "yes",
			})
			want := servertiming.Decision{
				ServerTiming: c.Expect != "none",
				AllowOrigin:  c.Get("allow-origin"),
				VaryOrigin:   c.Get("vary") == "yes",
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

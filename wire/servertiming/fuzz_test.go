package servertiming_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/vectors"
)

// seed adds the vectors to a fuzz target and makes sure that there are some.
func seed(f *testing.F, cases []vectors.Case, args func(vectors.Case) []any) {
	f.Helper()
	if len(cases) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range cases {
		f.Add(args(c)...)
	}
}

// twoFields returns the first field and the rest, joined as HTTP would.
func twoFields(c vectors.Case) []any {
	fields := append(c.All("field"), "", "")
	return []any{fields[0], strings.Join(fields[1:], ",")}
}

// format writes metrics so that every description is a quoted string.
func format(metrics []servertiming.Metric) string {
	var list []string
	for _, m := range metrics {
		desc := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(m.Description)
		list = append(list, m.Name+`;desc="`+desc+`";dur=`+strconv.FormatFloat(m.Duration, 'g', -1, 64))
	}
	return strings.Join(list, ", ")
}

func FuzzMetrics(f *testing.F) {
	seed(f, metricCases(f), twoFields)
	f.Fuzz(func(t *testing.T, a, b string) {
		metrics := servertiming.Parse(a, b)
		if len(metrics) > servertiming.MaxMetrics {
			t.Fatalf("%d metrics", len(metrics))
		}
		if again := servertiming.Parse(format(metrics)); !slices.Equal(again, metrics) {
			t.Errorf("%+v is read again as %+v", metrics, again)
		}
	})
}

func FuzzRead(f *testing.F) {
	seed(f, traceCases(f), twoFields)
	f.Fuzz(func(t *testing.T, a, b string) {
		info := servertiming.Read(a, b)
		if received := info.Outcome == servertiming.Received; received == info.TraceID.IsZero() {
			t.Errorf("outcome %s with trace id %v", info.Outcome, info.TraceID)
		}
		if info.TraceID.IsZero() && !info.SpanID.IsZero() || info.Now < 0 {
			t.Errorf("read %+v", info)
		}
		if nothing := len(servertiming.Parse(a, b)) == 0; nothing != (info.Outcome == servertiming.NotAvailable) {
			t.Errorf("outcome %s, no metrics: %t", info.Outcome, nothing)
		}
	})
}

func FuzzAllowOrigin(f *testing.F) {
	seed(f, vectors.Load(f, "timing-allow-origin", "field*", "origin"), func(c vectors.Case) []any {
		return []any{strings.Join(c.All("field"), ","), c.Get("origin")}
	})
	f.Fuzz(func(t *testing.T, field, origin string) {
		list := servertiming.ParseAllowOrigin(field)
		if again := servertiming.ParseAllowOrigin(strings.Join(list, ", ")); !slices.Equal(again, list) {
			t.Errorf("%q is read again as %q", list, again)
		}
		if want := slices.Contains(list, "*") || slices.Contains(list, origin); list.Allows(origin) != want {
			t.Errorf("%q allows %q: %t", list, origin, !want)
		}
	})
}

func FuzzOriginOf(f *testing.F) {
	seed(f, originCases(f), func(c vectors.Case) []any { return []any{c.Get("url")} })
	f.Fuzz(func(t *testing.T, url string) {
		origin, ok := servertiming.OriginOf(url)
		if !ok {
			if origin != "" {
				t.Errorf("origin %q of an opaque URL", origin)
			}
			return
		}
		if strings.ContainsAny(origin, "*, \t\r\n\"") {
			t.Errorf("origin %q is not safe in a header", origin)
		}
		if again, ok := servertiming.OriginOf(origin); !ok || again != origin {
			t.Errorf("origin of %q = %q, %t", origin, again, ok)
		}
	})
}

// However it is asked, a set with a rule allows only origins that its rule matches.
func FuzzDecide(f *testing.F) {
	seed(f, ruleCases(f), func(c vectors.Case) []any {
		rules := append(rulesOf(c), servertiming.Rule{})
		return []any{string(rules[0].Matcher), rules[0].Pattern, c.Get("origin"), c.Get("referer"), c.Get("self"), c.Get("own") == "yes"}
	})
	f.Fuzz(func(t *testing.T, matcher, pattern, origin, referer, self string, own bool) {
		rule := servertiming.Rule{Matcher: servertiming.Matcher(matcher), Pattern: pattern}
		set, err := servertiming.NewRuleSet(rule)
		if err != nil {
			return
		}
		d := set.Decide(servertiming.Request{Origin: origin, Referer: referer, Self: self, Own: own})
		if !d.VaryOrigin {
			t.Error("the answer depends on the origin, and the response does not vary by it")
		}
		if own && !d.ServerTiming {
			t.Error("the server's own page does not get Server-Timing")
		}
		if d.AllowOrigin == "" {
			return
		}
		if !d.ServerTiming || !strings.Contains(d.AllowOrigin, pattern) || strings.ContainsAny(d.AllowOrigin, "*, \t\r\n\"") {
			t.Errorf("rule %v: %+v", rule, d)
		}
		if origin != "" && d.AllowOrigin != origin {
			t.Errorf("origin %q was allowed as %q", origin, d.AllowOrigin)
		}
	})
}

package query

import (
	"testing"
	"time"
)

func engineAt(now time.Time) *Engine {
	return New(Config{Now: func() time.Time { return now }})
}

func TestRanges(t *testing.T) {
	q := engineAt(noon.Add(-time.Millisecond)) // questions reach up to a full second
	for _, c := range []struct {
		from, to string
		want     stretch // of a sum; zero: refused
		open     stretch
	}{
		{"", "", stretch{noon.Add(-day), noon}, stretch{}},
		{"-1h", "", stretch{noon.Add(-time.Hour), noon}, stretch{from: noon.Add(-time.Hour)}},
		{"-90s", "now", stretch{noon.Add(-90 * time.Second), noon}, stretch{noon.Add(-90 * time.Second), noon}},
		{"-2w", "-7d", stretch{noon.Add(-14 * day), noon.Add(-7 * day)}, stretch{noon.Add(-14 * day), noon.Add(-7 * day)}},
		{"", "-7d", stretch{noon.Add(-8 * day), noon.Add(-7 * day)}, stretch{to: noon.Add(-7 * day)}},
		{"2026-04-27T13:00:00+02:00", "2026-04-27T11:30:00.5Z", stretch{noon.Add(-time.Hour), noon.Add(-30*time.Minute + 500*time.Millisecond)}, stretch{noon.Add(-time.Hour), noon.Add(-30*time.Minute + 500*time.Millisecond)}},
		{"-400d", "", stretch{noon.Add(-400 * day), noon}, stretch{from: noon.Add(-400 * day)}},
	} {
		got, err := q.closed(Range{c.from, c.to})
		if err != nil || got != c.want {
			t.Errorf("sum from %q to %q: %v, %v; want %v", c.from, c.to, got, err, c.want)
		}
		if got, err = q.open(Range{c.from, c.to}); err != nil || got != c.open {
			t.Errorf("list from %q to %q: %v, %v; want %v", c.from, c.to, got, err, c.open)
		}
	}
	for _, r := range []Range{
		{"yesterday", ""}, {"-1y", ""}, {"-", ""}, {"-h", ""}, {"-1.5h", ""}, {"--1h", ""}, {"-401d", ""}, {"-99999999999s", ""}, {"now-1h", ""},
		{"2026-04-27", ""}, {"1969-12-31T23:59:59Z", ""}, {"2300-01-01T00:00:00Z", ""}, {"2026-04-27T12:00:00 02:00", ""},
		{"now", "now"}, {"now", "-1h"}, {"2026-04-28T00:00:00Z", ""}, {"2020-01-01T00:00:00Z", ""},
	} {
		_, err := q.closed(r)
		if e, ok := AsError(err); !ok || e.Kind != Invalid || e.Hint == "" {
			t.Errorf("from %q to %q: %v, want a refusal with a hint", r.From, r.To, err)
		}
	}
}

func TestStepsFitAChart(t *testing.T) {
	for length := time.Second; length <= maxRange; length = length*5/4 + time.Second {
		step := stepFor(length)
		if n := length / step; n > niceSteps || length > time.Hour && n < niceSteps/6 {
			t.Errorf("%v is divided into %d steps of %v", length, n, step)
		}
	}
	for _, text := range []string{"0s", "1", "fast", "-1h", "1s"} {
		if _, err := readStep(text, day); err == nil {
			t.Errorf("step %q is taken for a day", text)
		}
	}
	if step, err := readStep("5m", day); err != nil || step != 5*time.Minute {
		t.Errorf("step 5m: %v, %v", step, err)
	}
}

package table

import (
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred Samples
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, c := range []struct {
		samples Samples
		p       float64
		want    time.Duration
	}{
		{nil, 50, 0},
		{Samples{7}, 0, 7},
		{Samples{7}, 99, 7},
		{Samples{3, 1, 2}, 50, 2},
		{Samples{4, 3, 2, 1}, 50, 2},
		{hundred, 50, 50},
		{hundred, 95, 95},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
	} {
		if got := c.samples.Percentile(c.p); got != c.want {
			t.Errorf("p%v of %d samples: %d, want %d", c.p, len(c.samples), got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the samples were put in another order")
	}
}

func TestTable(t *testing.T) {
	x := Table{Title: "Spans", Notes: []string{"Of one machine."}, Head: []string{"server", "met"}}
	x.Add("a|b", Mark(true))
	x.Add("longer name")
	var b strings.Builder
	if _, err := x.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	const want = "### Spans\n\nOf one machine.\n\n" +
		"| server      | met |\n" +
		"|-------------|-----|\n" +
		"| a\\|b        | ✓   |\n" +
		"| longer name |     |\n\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(1234567.8), "1,234,568"}, {Count(-12345), "-12,345"}, {Count(-0.2), "0"},
		{Time(1234 * time.Microsecond), "1.2 ms"}, {Time(123456 * time.Microsecond), "123 ms"}, {Time(1234 * time.Millisecond), "1.23 s"}, {Time(time.Minute), "60.0 s"},
		{MiB(1536 << 20), "1,536 MiB"}, {Mark(false), "✗"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

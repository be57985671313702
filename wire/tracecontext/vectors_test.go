package tracecontext_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/tracecontext"
	"github.com/throughline-rum/throughline/wire/vectors"
)

// brokenPart checks that err is a SyntaxError that wraps want, and returns it.
func brokenPart(t *testing.T, err, want error) *tracecontext.SyntaxError {
	t.Helper()
	syntax, ok := errors.AsType[*tracecontext.SyntaxError](err)
	if !ok || !errors.Is(err, want) {
		t.Fatalf("error = %v, want a SyntaxError that wraps %v", err, want)
	}
	return syntax
}

func traceparentCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "traceparent", "input", "version", "trace-id", "parent-id", "flags", "output", "part")
}

func TestTraceparentVectors(t *testing.T) {
	for _, c := range traceparentCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			p, err := tracecontext.ParseTraceparent(c.Get("input"))
			if c.Expect == "error" {
				if p != (tracecontext.Traceparent{}) {
					t.Errorf("result = %v beside an error", p)
				}
				if part := brokenPart(t, err, tracecontext.ErrTraceparent).Part; part != c.Get("part") {
					t.Errorf("broken part = %s, want %s", part, c.Get("part"))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []string{strconv.Itoa(int(p.Version)), p.TraceID.String(), p.ParentID.String(), fmt.Sprintf("%02x", byte(p.Flags)), p.String()}
			want := []string{c.Get("version"), c.Get("trace-id"), c.Get("parent-id"), c.Get("flags"), c.Get("output")}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func tracestateCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "tracestate", "field*", "member*", "part", "number")
}

func TestTracestateVectors(t *testing.T) {
	for _, c := range tracestateCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			members, err := tracecontext.ParseTracestate(strings.Join(c.All("field"), ","))
			if c.Expect == "error" {
				if members != nil {
					t.Errorf("result = %v beside an error", members)
				}
				syntax := brokenPart(t, err, tracecontext.ErrTracestate)
				if syntax.Part != c.Get("part") || strconv.Itoa(syntax.Member) != c.Get("number") {
					t.Errorf("broken: %s of member %d, want %s of member %s", syntax.Part, syntax.Member, c.Get("part"), c.Get("number"))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range members {
				got = append(got, m.Key+"="+m.Value)
			}
			if !slices.Equal(got, c.All("member")) {
				t.Errorf("members = %q, want %q", got, c.All("member"))
			}
		})
	}
}

func findCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "find-dtr", "tenant", "tracestate",
		"span-id", "sampled", "application-id", "instance-id", "session-id", "part")
}

// dtrOf builds the entry that a case names.
func dtrOf(t *testing.T, c vectors.Case) tracecontext.Dtr {
	t.Helper()
	d := tracecontext.Dtr{
		Sampled:       c.Get("sampled") == "1",
		ApplicationID: c.Get("application-id"),
		InstanceID:    c.Get("instance-id"),
		SessionID:     c.Get("session-id"),
	}
	if id := c.Get("span-id"); id != "" {
		var err error
		if d.SpanID, err = tracecontext.ParseSpanID(id); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestFindDtrVectors(t *testing.T) {
	for _, c := range findCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			d, found, err := tracecontext.FindDtr(c.Get("tracestate"), tracecontext.Tenant(c.Get("tenant")))
			if want := dtrOf(t, c); d != want {
				t.Errorf("got  %+v\nwant %+v", d, want)
			}
			if want := c.Expect != "absent"; found != want {
				t.Errorf("found = %t, want %t", found, want)
			}
			switch c.Expect {
			case "valid", "absent":
				if err != nil {
					t.Error(err)
				}
			case "unknown_version":
				brokenPart(t, err, tracecontext.ErrDtrVersion)
				if errors.Is(err, tracecontext.ErrDtr) {
					t.Error("an unknown version is also called malformed")
				}
			case "invalid":
				if part := brokenPart(t, err, tracecontext.ErrDtr).Part; part != c.Get("part") {
					t.Errorf("broken part = %s, want %s", part, c.Get("part"))
				}
			default:
				t.Fatalf("unknown expectation %q", c.Expect)
			}
		})
	}
}

func putCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "put-dtr", "tenant", "tracestate",
		"span-id", "sampled", "application-id", "instance-id", "session-id", "output")
}

func TestPutDtrVectors(t *testing.T) {
	outcomes := map[string][]error{
		"ok":             {nil},
		"missing_values": {tracecontext.ErrMissingValues},
		"max_length":     {tracecontext.ErrMaxLength},
		"invalid":        {tracecontext.ErrDtr, tracecontext.ErrTenant},
	}
	for _, c := range putCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			got, err := tracecontext.PutDtr(c.Get("tracestate"), tracecontext.Tenant(c.Get("tenant")), dtrOf(t, c))
			if !slices.ContainsFunc(outcomes[c.Expect], func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("error = %v, want %s", err, c.Expect)
			}
			if got != c.Get("output") {
				t.Errorf("got  %q\nwant %q", got, c.Get("output"))
			}
		})
	}
}

func sessionCases(tb testing.TB) []vectors.Case {
	tb.Helper()
	return vectors.Load(tb, "session-cookie", "input", "instance-id", "session-id", "part")
}

func TestSessionVectors(t *testing.T) {
	for _, c := range sessionCases(t) {
		t.Run(c.String(), func(t *testing.T) {
			got, err := tracecontext.ParseSession(c.Get("input"))
			if c.Expect == "error" {
				if got != (tracecontext.Session{}) {
					t.Errorf("result = %v beside an error", got)
				}
				if part := brokenPart(t, err, tracecontext.ErrSession).Part; part != c.Get("part") {
					t.Errorf("broken part = %s, want %s", part, c.Get("part"))
				}
				return
			}
			want := tracecontext.Session{InstanceID: c.Get("instance-id"), SessionID: c.Get("session-id")}
			if err != nil || got != want || got.String() != c.Get("input") {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
}

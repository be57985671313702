package tracecontext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/tracecontext"
	"github.com/throughline-rum/throughline/wire/vectors"
)

// seed adds the vectors to a fuzz target and makes sure that there are some.
func seed(f *testing.F, cases []vectors.Case, text func(vectors.Case) string) {
	f.Helper()
	if len(cases) == 0 {
		f.Fatal("no seeds")
	}
	for _, c := range cases {
		f.Add(text(c))
	}
}

func FuzzParseTraceparent(f *testing.F) {
	seed(f, traceparentCases(f), func(c vectors.Case) string { return c.Get("input") })
	f.Fuzz(func(t *testing.T, s string) {
		p, err := tracecontext.ParseTraceparent(s)
		if err != nil {
			if p != (tracecontext.Traceparent{}) {
				t.Errorf("result = %v beside an error", p)
			}
			brokenPart(t, err, tracecontext.ErrTraceparent)
			return
		}
		again, err := tracecontext.ParseTraceparent(p.String())
		if err != nil {
			t.Fatal(err)
		}
		if p.Version == 0 && p.String() != s {
			t.Errorf("%q is written again as %q", s, p)
		}
		p.Version = 0
		if again != p {
			t.Errorf("%v is read again as %v", p, again)
		}
	})
}

func FuzzParseTracestate(f *testing.F) {
	seed(f, tracestateCases(f), func(c vectors.Case) string { return strings.Join(c.All("field"), ",") })
	f.Fuzz(func(t *testing.T, s string) {
		members, err := tracecontext.ParseTracestate(s)
		if err != nil {
			if members != nil {
				t.Errorf("result = %v beside an error", members)
			}
			brokenPart(t, err, tracecontext.ErrTracestate)
			return
		}
		var list []string
		for _, m := range members {
			list = append(list, m.Key+"="+m.Value)
		}
		again, err := tracecontext.ParseTracestate(strings.Join(list, ","))
		if err != nil || !slices.Equal(again, members) {
			t.Errorf("%q is read again as %q, %v", members, again, err)
		}
	})
}

func FuzzParseSession(f *testing.F) {
	seed(f, sessionCases(f), func(c vectors.Case) string { return c.Get("input") })
	f.Fuzz(func(t *testing.T, s string) {
		session, err := tracecontext.ParseSession(s)
		if err != nil {
			if session != (tracecontext.Session{}) {
				t.Errorf("result = %v beside an error", session)
			}
			brokenPart(t, err, tracecontext.ErrSession)
			return
		}
		if session.String() != s {
			t.Errorf("%q is written again as %q", s, session)
		}
	})
}

func FuzzParseDtr(f *testing.F) {
	seed(f, findCases(f), func(c vectors.Case) string {
		_, value, _ := strings.Cut(c.Get("tracestate"), "@dtr=")
		return value
	})
	f.Fuzz(func(t *testing.T, s string) {
		d, err := tracecontext.ParseDtr(s)
		if err != nil {
			if d != (tracecontext.Dtr{}) {
				t.Errorf("result = %v beside an error", d)
			}
			return
		}
		if d.String() != s {
			t.Errorf("%q is written again as %q", s, d)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("what was read is not valid: %v", err)
		}
		if len(s) > tracecontext.MaxValueLen {
			t.Errorf("a value of %d bytes was read", len(s))
		}
	})
}

// members returns the non-empty members of a list, without white space around them,
// but for those of the tenant.
func members(list string, tenant tracecontext.Tenant) []string {
	var members []string
	for m := range strings.SplitSeq(list, ",") {
		m = strings.Trim(m, " \t")
		if m != "" && !strings.HasPrefix(m, tenant.Key()+"=") {
			members = append(members, m)
		}
	}
	return members
}

func FuzzPutDtr(f *testing.F) {
	cases := slices.Concat(putCases(f), findCases(f))
	seed(f, cases, func(c vectors.Case) string { return c.Get("tracestate") })
	d, err := tracecontext.ParseDtr(benchDtr)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := tracecontext.PutDtr(s, benchTenant, d)
		if err != nil {
			if got != "" {
				t.Errorf("result = %q beside an error", got)
			}
			return
		}
		if !strings.HasPrefix(got, benchMember) {
			t.Errorf("ours is not leftmost in %q", got)
		}
		if before, after := members(s, benchTenant), members(got, benchTenant); !slices.Equal(before, after) {
			t.Errorf("members of others were %q and are %q", before, after)
		}
		if n := strings.Count(got, ",") + 1; n > tracecontext.MaxMembers || len(got) > tracecontext.MaxTracestateLen {
			t.Errorf("%d members, %d bytes", n, len(got))
		}
		if found, ok, err := tracecontext.FindDtr(got, benchTenant); !ok || err != nil || found != d {
			t.Errorf("FindDtr = %v, %t, %v", found, ok, err)
		}
		if again, err := tracecontext.PutDtr(got, benchTenant, d); err != nil || again != got {
			t.Errorf("put again: %q, %v", again, err)
		}
	})
}

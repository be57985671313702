package tracecontext_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func TestFlags(t *testing.T) {
	for f, want := range map[tracecontext.Flags][2]bool{
		0:    {false, false},
		1:    {true, false},
		2:    {false, true},
		3:    {true, true},
		0xfc: {false, false},
	} {
		if got := [2]bool{f.Sampled(), f.Random()}; got != want {
			t.Errorf("%#x: sampled, random = %v, want %v", byte(f), got, want)
		}
	}
}

func TestNewIDs(t *testing.T) {
	traces, spans := map[tracecontext.TraceID]bool{}, map[tracecontext.SpanID]bool{}
	for range 1000 {
		traces[tracecontext.NewTraceID()] = true
		spans[tracecontext.NewSpanID()] = true
	}
	if len(traces) != 1000 || len(spans) != 1000 || traces[tracecontext.TraceID{}] || spans[tracecontext.SpanID{}] {
		t.Errorf("1000 draws gave %d trace ids and %d span ids", len(traces), len(spans))
	}
}

func TestParseIDs(t *testing.T) {
	const trace, span = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
	if id, err := tracecontext.ParseTraceID(trace); err != nil || id.String() != trace {
		t.Errorf("ParseTraceID = %v, %v", id, err)
	}
	if id, err := tracecontext.ParseSpanID(span); err != nil || id.String() != span {
		t.Errorf("ParseSpanID = %v, %v", id, err)
	}
	for _, s := range []string{"", span[1:], span + "0", strings.ToUpper(span), strings.Repeat("0", 16), "0123456789abcdeg"} {
		if id, err := tracecontext.ParseSpanID(s); !errors.Is(err, tracecontext.ErrID) || !id.IsZero() {
			t.Errorf("ParseSpanID(%q) = %v, %v", s, id, err)
		}
		if id, err := tracecontext.ParseTraceID(s + s); !errors.Is(err, tracecontext.ErrID) || !id.IsZero() {
			t.Errorf("ParseTraceID(%q) = %v, %v", s+s, id, err)
		}
	}
}

func TestParseTenant(t *testing.T) {
	if tenant, err := tracecontext.ParseTenant("2ead957c-980df25b"); err != nil || tenant.Key() != "2ead957c-980df25b@dtr" {
		t.Errorf("tenant = %q, %v", tenant, err)
	}
	if key := tracecontext.Tenant("").Key(); key != "7468726f-75676800@dtr" {
		t.Errorf("key of the zero tenant = %q", key)
	}
	for _, s := range []string{"", "2ead957c", "2EAD957C-980df25b", "2ead957c_980df25b", "2ead957c-980df25b0", "2ead957g-980df25b", "2ead957c-980df25 "} {
		if tenant, err := tracecontext.ParseTenant(s); !errors.Is(err, tracecontext.ErrTenant) || tenant != "" {
			t.Errorf("ParseTenant(%q) = %q, %v", s, tenant, err)
		}
	}
}

// What is longer than is read at all is refused before any work is done on it.
func TestTooLongToRead(t *testing.T) {
	long := worstTracestate + " "
	if members, err := tracecontext.ParseTracestate(long); !errors.Is(err, tracecontext.ErrTracestate) || members != nil {
		t.Errorf("ParseTracestate: %d members, %v", len(members), err)
	}
	if _, found, err := tracecontext.FindDtr(long, ""); found || !errors.Is(err, tracecontext.ErrMaxLength) {
		t.Errorf("FindDtr: %t, %v", found, err)
	}
	d, err := tracecontext.ParseDtr(benchDtr)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := tracecontext.PutDtr(long, "", d); s != "" || !errors.Is(err, tracecontext.ErrMaxLength) {
		t.Errorf("PutDtr: %q, %v", s, err)
	}
	if members, err := tracecontext.ParseTracestate(worstTracestate); err != nil || len(members) != tracecontext.MaxMembers {
		t.Errorf("the longest legal header: %d members, %v", len(members), err)
	}
}

// An error tells an operator what and where, and repeats nothing of what was sent.
func TestErrorText(t *testing.T) {
	_, err := tracecontext.ParseTracestate("foo=1, <script>=2")
	const want = "tracecontext: malformed tracestate: key at offset 7 (member 2): " +
		"want a lower-case letter or digit, then up to 255 of these and _-*/@"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	_, err = tracecontext.ParseDtr("1;97039bf817c8584a;1;745a78fe5b6e57f6;x;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0")
	if syntax := brokenPart(t, err, tracecontext.ErrDtr); syntax.Part != "instance id" || syntax.Offset != 38 {
		t.Errorf("error = %+v", syntax)
	}
}

func TestAllocations(t *testing.T) {
	d, err := tracecontext.ParseDtr(benchDtr)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, tracecontext.MaxTracestateLen)
	for _, tt := range []struct {
		name string
		want float64
		run  func()
	}{
		{"ParseTraceparent", 0, func() { _, _ = tracecontext.ParseTraceparent(benchTraceparent) }},
		{"FindDtr", 0, func() { _, _, _ = tracecontext.FindDtr(benchTracestate, benchTenant) }},
		{"FindDtr, absent", 0, func() { _, _, _ = tracecontext.FindDtr(benchTracestate, "") }},
		{"Dtr.AppendTo", 0, func() { buf = d.AppendTo(buf[:0]) }},
		{"Dtr.Validate", 0, func() { _ = d.Validate() }},
		{"PutDtr", 1, func() { _, _ = tracecontext.PutDtr(benchTracestate, benchTenant, d) }},
	} {
		if got := testing.AllocsPerRun(100, tt.run); got > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.want)
		}
	}
}

package model

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzNewAttributes(f *testing.F) {
	for _, seed := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "\u2028\U0001f680", "\xff\xc3("} {
		f.Add(seed, int64(1), 1.0, true)
	}
	f.Add("", int64(math.MinInt64), -1e300, false)
	f.Add("", int64(math.MaxInt64), 1e-300, false)
	f.Add("", int64(0), math.Copysign(0, -1), false)
	f.Add("", int64(0), 1e21, false)
	f.Fuzz(func(t *testing.T, s string, i int64, x float64, b bool) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return // TestNumbersThatJSONCannotWrite
		}
		clean := strings.ToValidUTF8(string([]rune(s)), "\ufffd") // a U+FFFD for each bad byte
		in := map[string]any{s + "k": s, "i": i, "x": x, "b": b, "l": []any{nil, x, []any{}, map[string]any{"": i}}}
		want := map[string]any{clean + "k": clean, "i": i, "x": x, "b": b, "l": []any{nil, x, []any{}, map[string]any{"": i}}}
		a, err := NewAttributes(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Map()
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", a, d)
		}
	})
}

func FuzzAttributesMap(f *testing.F) {
	for _, seed := range []string{
		"", "{", "}", `{"a":1,}`, `{"a" 1}`, `{"a":[1,2}`, `{"a":[,]}`, `{"a":"\u12"}`, `{"open`, "tru", "1.2.3", "-", `{"a":99999999999999999999}`,
		`{"a":[1,2.0,{"b":"\n"}],"c":null}`, strings.Repeat(`{"a":`, 1000), `{"a":NaN}`, `{"a":1}x`, "{}", `{1:2}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Attributes(text).Map() // must not panic
		if err != nil {
			if m != nil {
				t.Errorf("%q: a value beside the error %v", text, err)
			}
			return
		}
		again, err := NewAttributes(m)
		if err != nil {
			t.Fatalf("%q decodes to what cannot be encoded: %v", text, err)
		}
		n, err := again.Map()
		if err != nil {
			t.Fatalf("%q encodes to %q: %v", text, again, err)
		}
		if d := cmp.Diff(m, n); d != "" && strings.ToValidUTF8(text, "") == text && len(m) > 0 {
			t.Errorf("%q (-first +again):\n%s", text, d)
		}
	})
}

func TestNumbersThatJSONCannotWrite(t *testing.T) {
	a, err := NewAttributes(map[string]any{"a": math.NaN(), "b": math.Inf(1), "c": math.Inf(-1)})
	if want := Attributes(`{"a":"NaN","b":"Infinity","c":"-Infinity"}`); err != nil || a != want {
		t.Errorf("%s, %v; want %s", a, err, want)
	}
}

func TestAttributesRefuse(t *testing.T) {
	deep := any("bottom")
	for range maxAttributeNesting + 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{"a type": make(chan int), "a nested type": []any{uint8(1)}, "depth": deep} {
		if a, err := NewAttributes(map[string]any{"k": v}); err == nil {
			t.Errorf("%s: %s, want an error", name, a)
		}
	}
}

func TestDurationBucket(t *testing.T) {
	for b := int16(1); b <= MaxDurationBucket; b++ {
		if got := DurationBucket(BucketDuration(b)); got != b && BucketDuration(b) > 100_000 {
			t.Errorf("the middle of bucket %d lies in bucket %d", b, got)
		}
	}
}

// Every byte in every place of eight, which are looked at together.
func TestAppendTextOfEveryByte(t *testing.T) {
	for c := range 256 {
		for place := range 17 {
			s := []byte("seventeen letters")
			s[place] = byte(c)
			var want string
			switch {
			case c == '"' || c == '\\':
				want = "\\" + string(rune(c))
			case c < ' ':
				want = fmt.Sprintf("\\u%04x", c)
			case c >= 0x80:
				want = "\ufffd"
			default:
				want = string(rune(c))
			}
			want = `"` + string(s[:place]) + want + string(s[place+1:]) + `"`
			if got := string(AppendText(nil, s)); got != want {
				t.Fatalf("byte %#x in place %d: %s, want %s", c, place, got, want)
			}
			if got := string(AppendText(nil, string(s))); got != want {
				t.Fatalf("byte %#x in place %d: %s, want %s", c, place, got, want)
			}
		}
	}
}

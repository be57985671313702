package servertiming_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

func BenchmarkAppendTo(b *testing.B) {
	buf := make([]byte, 0, servertiming.MaxValueLen)
	b.ReportAllocs()
	for b.Loop() {
		buf = servertiming.DefaultEntries.AppendTo(buf[:0], response)
	}
}

// The worst legal fields are as long as net/http lets all headers be.
var worst = map[string]string{
	"one quoted string":  `a;desc="` + strings.Repeat(`\"`, (http.DefaultMaxHeaderBytes-10)/2) + `"`,
	"unterminated":       `a;desc="` + strings.Repeat("x", http.DefaultMaxHeaderBytes-10),
	"parameters":         "a" + strings.Repeat(";b=c", (http.DefaultMaxHeaderBytes-10)/4),
	"garbage elements":   strings.Repeat("=,", http.DefaultMaxHeaderBytes/2),
	"one million digits": "a;dur=" + strings.Repeat("1", http.DefaultMaxHeaderBytes-10),
	"quotes":             strings.Repeat(`"`, http.DefaultMaxHeaderBytes),
}

func BenchmarkRead(b *testing.B) {
	fields := map[string]string{"ours": servertiming.DefaultEntries.Value(response)}
	for name, field := range worst {
		fields["worst legal, "+name] = field
	}
	for name, field := range fields {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(field)))
			b.ReportAllocs()
			for b.Loop() {
				servertiming.Read(field)
			}
		})
	}
}

func BenchmarkDecide(b *testing.B) {
	rules := make([]servertiming.Rule, 0, 10)
	for i := range 10 {
		rules = append(rules, servertiming.Rule{Matcher: servertiming.EndsWith, Pattern: ".shop" + string(rune('a'+i)) + ".example"})
	}
	set, err := servertiming.NewRuleSet(rules...)
	if err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]servertiming.Request{
		"origin":  {Origin: "https://www.shopj.example"},
		"referer": {Referer: "https://www.shopj.example/cart?x=1"},
		"worst":   {Referer: "https://" + strings.Repeat("a", http.DefaultMaxHeaderBytes)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Decide(r)
			}
		})
	}
}

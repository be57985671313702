package tracecontext_test

import (
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

const (
	benchTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"
	benchDtr         = "1;97039bf817c8584a;1;745a78fe5b6e57f6;1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F;VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0"
	benchMember      = "2ead957c-980df25b@dtr=" + benchDtr
	benchTenant      = tracecontext.Tenant("2ead957c-980df25b")
	benchTracestate  = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE," + benchMember
)

// worstTracestate is the longest header that is read: foreign members of the
// greatest length, then white space.
var worstTracestate = func() string {
	var b strings.Builder
	for i := range tracecontext.MaxMembers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(byte('a' + i%26))
		b.WriteByte(byte('a' + i/26))
		b.WriteString(strings.Repeat("k", tracecontext.MaxKeyLen-2) + "=" + strings.Repeat("v", tracecontext.MaxValueLen))
	}
	return b.String() + strings.Repeat(" ", 32<<10-b.Len())
}()

func BenchmarkParseTraceparent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tracecontext.ParseTraceparent(benchTraceparent); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTraceparentAppendTo(b *testing.B) {
	p, err := tracecontext.ParseTraceparent(benchTraceparent)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, tracecontext.TraceparentLen)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendTo(buf[:0])
	}
}

func BenchmarkFindDtr(b *testing.B) {
	for _, bb := range []struct{ name, tracestate string }{
		{"ours last of three", benchTracestate},
		{"ours first of three", benchMember + ",rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"},
		{"worst legal", worstTracestate},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := tracecontext.FindDtr(bb.tracestate, benchTenant); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPutDtr(b *testing.B) {
	d, err := tracecontext.ParseDtr(benchDtr)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tracecontext.PutDtr(benchTracestate, benchTenant, d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTracestate(b *testing.B) {
	for _, bb := range []struct{ name, tracestate string }{
		{"three members", benchTracestate},
		{"worst legal", worstTracestate},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tracecontext.ParseTracestate(bb.tracestate); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

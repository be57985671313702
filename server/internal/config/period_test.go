package config_test

import (
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/config"
)

func TestPeriods(t *testing.T) {
	for text, want := range map[string]struct {
		period time.Duration
		again  string
	}{
		"0": {0, "0"}, "0s": {0, "0"}, "0d": {0, "0"}, "30d": {720 * time.Hour, "30d"}, "12h": {12 * time.Hour, "12h0m0s"}, "48h": {48 * time.Hour, "2d"},
		"1d12h": {36 * time.Hour, "36h0m0s"}, "36500d": {876_000 * time.Hour, "36500d"},
	} {
		var p config.Period
		if err := p.UnmarshalText([]byte(text)); err != nil || p != config.Period(want.period) || p.String() != want.again {
			t.Errorf("%q is read as %v, error %v", text, p, err)
		}
		again := config.Period(1)
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%v is read again as %v, error %v", p, again, err)
		}
	}
	for _, text := range []string{"", "d", "30", "-1d", "+1d", "1.5d", "d1h", "1h1d", "1d-1h", "-1h", "36501d", "36500d1ns", "1000000h", "99999999999999999999d", "30 d", "month"} {
		p := config.Period(7)
		if err := p.UnmarshalText([]byte(text)); err == nil || p != 7 {
			t.Errorf("%q is read as %v, error %v", text, p, err)
		}
	}
}

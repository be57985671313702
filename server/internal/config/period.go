package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Period is a time that may be as long as years, and so may be given in days: 30d, 1d12h, 90m. A day has 24 hours.
type Period time.Duration

const day = 24 * time.Hour

// maxPeriod is far from where times overflow.
const maxPeriod = Period(36_500 * day)

// UnmarshalText reads a period. 0 needs no unit.
func (p *Period) UnmarshalText(text []byte) error {
	s := string(text)
	fail := func() error {
		return fmt.Errorf("%.40q is no duration: write a number and its unit, as 30d, 12h or 0", s)
	}
	var sum Period
	days, rest, ok := strings.Cut(s, "d")
	if ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fail()
		}
		sum = Period(n) * Period(day)
	} else {
		rest = s
	}
	if rest != "" || !ok {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 {
			return fail()
		}
		sum += Period(min(d, time.Duration(maxPeriod)+1))
	}
	if sum > maxPeriod {
		return fmt.Errorf("%.40q is longer than %v", s, maxPeriod)
	}
	*p = sum
	return nil
}

// String writes whole days as days, and else what UnmarshalText reads as well.
func (p Period) String() string {
	switch {
	case p == 0:
		return "0"
	case p%Period(day) == 0:
		return strconv.FormatInt(int64(p/Period(day)), 10) + "d"
	default:
		return time.Duration(p).String()
	}
}

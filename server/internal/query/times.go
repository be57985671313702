package query

import (
	"fmt"
	"strconv"
	"time"
)

// The limits of a time range.
const (
	day          = 24 * time.Hour
	maxRange     = 400 * day
	defaultRange = day // of sums
)

// Range is a stretch of time as a caller writes it: each end in RFC 3339, as now, or as a
// time before now such as -24h; empty where it is left out.
type Range struct {
	From, To string
}

// stretch is a part of time, [from, to); a zero end is open.
type stretch struct{ from, to time.Time }

func (s stretch) length() time.Duration { return s.to.Sub(s.from) }

// now returns the present, up to a full second, so that a question asked again at once is the
// same question.
func (q *Engine) now() time.Time {
	return q.clock().UTC().Add(time.Second - 1).Truncate(time.Second)
}

// open reads a range whose ends may be left out.
func (q *Engine) open(r Range) (stretch, error) {
	now := q.now()
	from, err := parseTime("from", r.From, now)
	if err != nil {
		return stretch{}, err
	}
	to, err := parseTime("to", r.To, now)
	if err != nil {
		return stretch{}, err
	}
	s := stretch{from, to}
	if from.IsZero() || to.IsZero() {
		return s, nil
	}
	return s, s.check()
}

// closed reads the range of a sum: to now, from a day before, where they are left out.
func (q *Engine) closed(r Range) (stretch, error) {
	s, err := q.open(r)
	if err != nil {
		return stretch{}, err
	}
	if s.to.IsZero() {
		s.to = q.now()
	}
	if s.from.IsZero() {
		s.from = s.to.Add(-defaultRange)
	}
	return s, s.check()
}

func (s stretch) check() error {
	if !s.from.Before(s.to) {
		return &Error{Invalid, "from is not before to", "from is the start of the range and to its end; left out, to is now"}
	}
	if s.length() > maxRange {
		return &Error{Invalid, "the time range is too long", fmt.Sprintf("ask for at most %d days at once", maxRange/day)}
	}
	return nil
}

// The times that an answer may hold, well within what nanoseconds since 1970 can count.
const firstYear, lastYear = 1970, 2199

func parseTime(name, text string, now time.Time) (time.Time, error) {
	switch {
	case text == "":
		return time.Time{}, nil
	case text == "now":
		return now, nil
	case text[0] == '-':
		if d, ok := parseDuration(text[1:]); ok && d <= maxRange {
			return now.Add(-d), nil
		}
	default:
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.Year() >= firstYear && t.Year() <= lastYear {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &Error{
		Invalid, name + " is not a time",
		"write RFC 3339 (2026-04-27T12:00:00Z; a + in a URL is %2B), now, or a time before now of at most 400 days: -90s, -30m, -24h, -7d, -2w",
	}
}

// parseDuration reads a whole number with a unit: s, m, h, d or w.
func parseDuration(text string) (time.Duration, bool) {
	n := len(text) - 1
	if n < 1 || !digits(text[:n]) {
		return 0, false
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day}[text[n]]
	count, err := strconv.ParseInt(text[:n], 10, 32)
	if err != nil || unit == 0 || count > int64(maxRange/unit) {
		return 0, false
	}
	return time.Duration(count) * unit, true
}

package duckdb

import (
	"fmt"
	"math"
	"time"
)

// noTime stands for the zero time.
const noTime = math.MinInt64

// Times that fit into nanoseconds since 1970: the years 1678 to 2261.
var (
	minTime = time.Unix(0, math.MinInt64+1)
	maxTime = time.Unix(0, math.MaxInt64)
)

func nanos(t time.Time) (int64, error) {
	switch {
	case t.IsZero():
		return noTime, nil
	case t.Before(minTime) || t.After(maxTime):
		return 0, fmt.Errorf("the time %v is not in the years 1678 to 2261", t)
	}
	return t.UnixNano(), nil
}

// clampNanos is nanos for the bound of a range.
func clampNanos(t time.Time) int64 {
	switch {
	case t.Before(minTime):
		return noTime
	case t.After(maxTime):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == noTime {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

package model

import (
	"math"
	"time"
)

// A duration's bucket stands for it wherever quantiles are asked for: counts by
// bucket add up over rows, portions and machines, and give every engine the same
// answer. A bucket is 2 % wide, from a microsecond on.
const bucketWidth = 1.02

// DurationBucket returns the bucket that a duration belongs to: 0 for less than a
// microsecond, and at most MaxDurationBucket.
func DurationBucket(d time.Duration) int16 {
	if d < time.Microsecond {
		return 0
	}
	b := 1 + math.Floor(math.Log(float64(d)/float64(time.Microsecond))/math.Log(bucketWidth))
	return int16(min(b, MaxDurationBucket))
}

// MaxDurationBucket is the bucket of everything from about 11 days on.
const MaxDurationBucket = 1400

// BucketDuration returns the middle of a bucket, which no duration in it lies further
// from than 1 %.
func BucketDuration(b int16) time.Duration {
	if b <= 0 {
		return 0
	}
	return time.Duration(math.Round(float64(time.Microsecond) * math.Pow(bucketWidth, float64(b)-0.5)))
}

//go:build !linux && !darwin && !freebsd

package disk

import "math"

// Space cannot tell on this system, and so never warns.
func Space(string) (free, total int64, err error) { return math.MaxInt64, math.MaxInt64, nil }

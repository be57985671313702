//go:build linux || darwin || freebsd

package disk

import (
	"math"
	"syscall"
)

// Space returns the bytes that may still be written below a folder, and those of its whole file system.
func Space(folder string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	bytes := func(blocks uint64) int64 {
		if s.Bsize <= 0 || blocks > math.MaxInt64/uint64(s.Bsize) { // its types differ from system to system
			return math.MaxInt64
		}
		return int64(blocks) * int64(s.Bsize) //nolint:gosec,unconvert // as above
	}
	return bytes(uint64(s.Bavail)), bytes(uint64(s.Blocks)), nil //nolint:unconvert // as above
}

//go:build linux || darwin || freebsd

package main

import (
	"math"
	"syscall"
)

// freeDisk returns the bytes that may still be written below a folder.
func freeDisk(folder string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, err
	}
	if s.Bsize <= 0 || uint64(s.Bavail) > math.MaxInt64/uint64(s.Bsize) { //nolint:unconvert // its types differ from system to system
		return math.MaxInt64, nil
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:unconvert // as above
}

//go:build linux || darwin

package duckdb

import "syscall"

// freeBytes is how much of a folder's file system is free for us.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // a disk has less than 8 EiB; the type differs between systems
}

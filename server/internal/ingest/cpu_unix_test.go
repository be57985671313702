//go:build unix

package ingest

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime returns the processor time that the process has taken, which other programs on the
// machine disturb less than the time on the clock.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

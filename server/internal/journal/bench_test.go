package journal_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

// BenchmarkAppend: producers that each wait until their record is on disk, while a
// reader follows and lets segments go. The disk decides most of the time; CPU is
// of the whole process, reader included.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ producers, size int }{{1, 1 << 10}, {64, 1 << 10}, {512, 1 << 10}, {64, 1 << 20}} {
		b.Run(fmt.Sprintf("producers=%d/bytes=%d", c.producers, c.size), func(b *testing.B) {
			j := open(b, b.TempDir(), journal.Options{})
			b.SetBytes(int64(c.size))
			payload := make([]byte, c.size)
			ctx, cancel := context.WithCancel(b.Context())
			var follower sync.WaitGroup
			follower.Go(func() { trimAfter(ctx, b, j) })
			var left atomic.Int64
			left.Store(int64(b.N))
			var producers sync.WaitGroup
			cpu := cpuTime(b)
			b.ResetTimer()
			for range c.producers {
				producers.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := j.Append(b.Context(), 1, payload); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			producers.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N)/1e3, "cpu-us/record")
			b.ReportMetric(float64(b.N)/float64(j.Stats().Groups), "records/fsync")
			cancel()
			follower.Wait()
		})
	}
}

// trimAfter reads what comes and lets it go.
func trimAfter(ctx context.Context, tb testing.TB, j *journal.Journal) {
	tb.Helper()
	r, err := j.Reader(0)
	if err != nil {
		tb.Error(err)
		return
	}
	defer r.Close()
	for trimmed := journal.Position(0); ; {
		rec, err := r.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return
		}
		if err != nil {
			tb.Error(err)
			return
		}
		if rec.Position > trimmed+64<<20 {
			trimmed = rec.Position
			if err := j.Trim(trimmed); err != nil {
				tb.Error(err)
				return
			}
		}
	}
}

// BenchmarkRead: what replaying costs, from the system's page cache.
func BenchmarkRead(b *testing.B) {
	const size, records = 1 << 10, 64 << 10
	j := open(b, b.TempDir(), journal.Options{})
	var producers sync.WaitGroup
	for range 256 {
		producers.Go(func() {
			for range records / 256 {
				if _, err := j.Append(b.Context(), 1, make([]byte, size)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	producers.Wait()
	b.SetBytes(size * records)
	b.ReportAllocs()
	for b.Loop() {
		r, err := j.Reader(0)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for ; ; n++ {
			if _, ok, err := r.TryNext(); err != nil {
				b.Fatal(err)
			} else if !ok {
				break
			}
		}
		if err := r.Close(); err != nil || n != records {
			b.Fatal(n, err)
		}
	}
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

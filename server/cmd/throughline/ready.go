package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// What the server needs to be called ready.
const (
	maxLinkLag  = time.Minute
	minFreeDisk = 512 << 20 // bytes
)

// checks are what GET /readyz asks.
func (s *server) checks(dataFolder string, linkInterval time.Duration) []api.Check {
	return []api.Check{
		{Name: "store", Run: func(ctx context.Context) error {
			_, err := s.store.Watermark(ctx)
			return err
		}},
		{Name: "links", Run: func(context.Context) error { return s.linkLag.check(time.Now(), max(maxLinkLag, 3*linkInterval)) }},
		{Name: "disk", Run: func(context.Context) error { return checkDisk(dataFolder) }},
	}
}

func checkDisk(folder string) error {
	free, err := freeDisk(folder)
	if err != nil {
		return err
	}
	if free < minFreeDisk {
		return &api.CheckError{
			Detail: fmt.Sprintf("%d MiB are free where the data is kept", free>>20),
			Hint:   fmt.Sprintf("free at least %d MiB, or delete old data", minFreeDisk>>20),
		}
	}
	return nil
}

// lagWatch sees from what the link pass asks of the store when it last had
// judged everything.
type lagWatch struct {
	store.Linker
	caughtUp atomic.Int64 // Unix time in ns
}

func newLagWatch(l store.Linker, now time.Time) *lagWatch {
	w := &lagWatch{Linker: l}
	w.caughtUp.Store(now.UnixNano())
	return w
}

// Work notes when it has nothing more to hand out.
func (w *lagWatch) Work(ctx context.Context, after store.Watermark, now time.Time, limit, maxSpans int) (store.Work, error) {
	work, err := w.Linker.Work(ctx, after, now, limit, maxSpans)
	if err == nil && !work.More {
		w.caughtUp.Store(time.Now().UnixNano())
	}
	return work, err
}

// check reports a pass that has not kept up for longer than most.
func (w *lagWatch) check(now time.Time, most time.Duration) error {
	lag := now.Sub(time.Unix(0, w.caughtUp.Load()))
	if lag <= most {
		return nil
	}
	return &api.CheckError{
		Detail: fmt.Sprintf("links have not been judged to the end for %v", lag.Round(time.Second)),
		Hint:   "more comes in than can be judged, or the store fails; the server's log says which",
	}
}

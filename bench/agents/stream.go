package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/inject"
)

// The goals of injection into a long document.
const (
	goalMemory    = 64 << 10
	goalFirstByte = time.Millisecond
)

// measureStream compares a streamed document with and without injection.
func measureStream(ctx context.Context, o options, temp string) (*table.Table, error) {
	b, err := begin(ctx, temp)
	defer b.stop()
	if err != nil {
		return nil, err
	}
	without, err := b.ours(ctx, "plain", o.proxy, false)
	if err != nil {
		return nil, err
	}
	with, err := b.ours(ctx, "injecting", o.proxy, true)
	if err != nil {
		return nil, err
	}
	var plain, injecting []time.Duration
	for range 20 * o.rounds { // in turns
		for _, s := range []struct {
			subject *subject
			times   *[]time.Duration
		}{{without, &plain}, {with, &injecting}} {
			took, err := firstByte(ctx, s.subject.url+"/stream")
			if err != nil {
				return nil, err
			}
			*s.times = append(*s.times, took)
		}
	}
	slices.Sort(plain)
	slices.Sort(injecting)
	before, after := plain[len(plain)/2], injecting[len(injecting)/2]
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		stream(w)
	})
	injector := inject.Injector{Script: inject.Script{Src: "/.throughline/throughline.js"}}
	added := allocated(ctx, injector.Wrap(handler)) - allocated(ctx, handler)
	t := &table.Table{
		Title: "Injection into a streamed document of 10 MB",
		Head:  []string{"figure", "without", "with", "added", "goal"},
	}
	t.Add("time to the first byte through the proxy, median", micros(before), micros(after), micros(after-before), table.Mark(after-before <= goalFirstByte))
	t.Add("memory allocated by the injector in all", "", "", fmt.Sprintf("%.1f KB", float64(added)/1024), table.Mark(added <= goalMemory))
	return t, nil
}

func micros(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// firstByte returns how long the first byte of a body takes, and reads the rest.
func firstByte(ctx context.Context, url string) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var first [1]byte
	if _, err := response.Body.Read(first[:]); err != nil {
		return 0, err
	}
	took := time.Since(began)
	buffer := make([]byte, 64<<10)
	for {
		if _, err := response.Body.Read(buffer); err != nil {
			return took, nil // the end
		}
	}
}

// allocated returns the bytes that serving a document allocates.
func allocated(ctx context.Context, h http.Handler) int64 {
	serve := func() {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/stream", http.NoBody)
		h.ServeHTTP(&sink{header: make(http.Header)}, r)
	}
	serve() // what is kept for the next one is allocated once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	serve()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc) //nolint:gosec // it grows by a few KB
}

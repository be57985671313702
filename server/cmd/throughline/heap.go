package main

import (
	"context"
	"runtime/debug"
	"time"
)

// gcPercent is Go's GOGC where the operator sets none. What is live is small beside the store's buffers, and taking in
// makes garbage fast: with Go's own 100 a fifth of the processor's time went there.
const gcPercent = 400

// gcMemory is the size of Go's heap, in bytes, from which on it is collected more often than that; what the store's directory
// takes comes on top, since it grows with the rows and is never garbage.
const gcMemory = 448 << 20

// heapEvery is how often the heap's limit follows the directory.
const heapEvery = time.Minute

// sizeHeap has Go's heap be as large as is good until ctx ends. directory tells the bytes of the store's directory.
func sizeHeap(ctx context.Context, directory func() int64) {
	debug.SetGCPercent(gcPercent)
	ticker := time.NewTicker(heapEvery)
	defer ticker.Stop()
	for {
		debug.SetMemoryLimit(gcMemory + directory())
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

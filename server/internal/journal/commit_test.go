package journal

import (
	"os"
	"runtime"
	"sync"
	"testing"
)

// heldFile stops the writer behind its sync, by taking what it needs next.
type heldFile struct {
	*os.File
	sync func() error
}

func (f *heldFile) Sync() error { return f.sync() }

// TestNoTrimBetweenSyncAndCount: a group that is on disk and not counted yet must not
// be cut off by a Trim that begins another segment.
func TestNoTrimBetweenSyncAndCount(t *testing.T) {
	var j *Journal
	synced := make(chan struct{})
	hold := false
	o := Options{wrap: func(f *os.File) file {
		return &heldFile{f, func() error {
			if hold {
				j.mu.Lock()
				close(synced)
				hold = false
			}
			return nil
		}}
	}}
	j, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	hold = true
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := j.Append(t.Context(), 0, []byte("a")); err != nil {
			t.Error(err)
		}
	})
	<-synced
	for range 100_000 {
		if j.io.TryLock() {
			j.io.Unlock()
			t.Error("the file was let go before the group in it was counted")
			break
		}
		runtime.Gosched()
	}
	j.mu.Unlock()
	wg.Wait()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

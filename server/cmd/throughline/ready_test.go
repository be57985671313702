package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// workOnly answers Work.
type workOnly struct {
	store.Linker
	more bool
	err  error
}

func (w *workOnly) Work(context.Context, store.Watermark, time.Time, int, int) (store.Work, error) {
	return store.Work{More: w.more}, w.err
}

func TestLagOfTheLinkPass(t *testing.T) {
	start := time.Now()
	linker := &workOnly{more: true}
	w := newLagWatch(linker, start.Add(-time.Hour))
	late := func() bool { return w.check(start, time.Minute) != nil }
	look := func() {
		if _, err := w.Work(t.Context(), 0, start, 1, 1); !errors.Is(err, linker.err) {
			t.Fatal(err)
		}
	}
	look()
	if !late() {
		t.Error("a pass with more to do counts as one that has caught up")
	}
	linker.more, linker.err = false, errors.New("the store fails")
	look()
	if !late() {
		t.Error("a pass that fails counts as one that has caught up")
	}
	linker.err = nil
	look()
	if late() {
		t.Error("a pass that has caught up counts as late")
	}
}

func TestDiskCheckShowsNoPath(t *testing.T) {
	if err := checkDisk(t.TempDir()); err != nil {
		if _, ok := errors.AsType[*api.CheckError](err); !ok || strings.Contains(err.Error(), "/") { // this machine's disk is full
			t.Error(err)
		}
	}
	if free, err := freeDisk(t.TempDir()); err != nil || free == 0 {
		t.Errorf("%d bytes are free, error %v", free, err)
	}
	if err := checkDisk(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error where the folder is gone")
	}
}

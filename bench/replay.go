package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

// targetReplay is how many megabytes of journal a second are to be replayed.
const targetReplay = 100

// measureReplay starts the server on a copy of a data folder whose journal has not been
// loaded into the store, and measures until the server is ready.
func (b *bench) measureReplay(ctx context.Context) (*table.Table, error) {
	t := &table.Table{Title: "Replay of the journal", Head: []string{"what", "value", "target", "met"}}
	if b.journal == "" {
		t.Add("replay", "no journal was given (-journal FOLDER)", fmt.Sprintf("%d MB/s", targetReplay))
		return t, nil
	}
	folder, err := b.folder("replay")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	if err := os.CopyFS(data, os.DirFS(b.journal)); err != nil {
		return nil, err
	}
	size, err := process.DiskUse(data)
	if err != nil {
		return nil, err
	}
	r, err := b.ours.Start(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	const mega = 1e6
	rate := float64(size) / mega / r.StartTime.Seconds()
	t.Add("replay", fmt.Sprintf("%.0f MB in %v, %.0f MB/s", float64(size)/mega, r.StartTime.Round(time.Millisecond), rate),
		fmt.Sprintf("%d MB/s", targetReplay), table.Mark(rate >= targetReplay))
	_, err = r.Stop()
	return t, err
}

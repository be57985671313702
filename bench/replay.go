package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/load"
	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/bench/internal/traffic"
)

// targetReplay is how many megabytes of journal a second are to be replayed.
const targetReplay = 100

// journalFolder is where the server keeps its journal, below the folder of its data. What
// stands there has not been let go yet, since the store does not have all of it.
const journalFolder = "journal"

const mega = 1e6

// measureReplay sends spans faster than the store takes them, kills the server right after
// the last answer, and measures how long the next start takes to make up for what the store had not got.
func (b *bench) measureReplay(ctx context.Context) (*table.Table, error) {
	t := &table.Table{
		Title: "Replay of the journal",
		Notes: []string{fmt.Sprintf("%d MB of spans are sent over %d connections; after the last answer the server is killed (SIGKILL) and started again.", b.replay, b.connections)},
		Head:  []string{"what", "value", "target", "met"},
	}
	folder, err := b.folder("replay")
	if err != nil {
		return nil, err
	}
	last, err := b.leaveBehind(ctx, folder)
	if err != nil {
		return nil, err
	}
	behind, err := process.DiskUse(filepath.Join(folder, "data", journalFolder))
	if errors.Is(err, os.ErrNotExist) {
		t.Add("replay", "this build has no journal", fmt.Sprintf("%d MB/s", targetReplay))
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	r, err := b.ours.Start(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	if err := b.awaitAll(ctx, intake{all: make([]load.Body, len(last)), ends: len(last), has: func(ctx context.Context, i int) (bool, error) {
		n, err := r.Spans(ctx, last[i].Last)
		return n >= last[i].LastSpans, err
	}}, func() error { return nil }); err != nil {
		return nil, err
	}
	took := time.Since(began)
	rate := float64(behind) / mega / took.Seconds()
	t.Add("journal left behind", fmt.Sprintf("%.0f MB", float64(behind)/mega))
	t.Add("start until ready", table.Time(r.StartTime), "-")
	t.Add("start until all can be asked for", fmt.Sprintf("%s, %.0f MB/s", table.Time(took), rate), fmt.Sprintf("%d MB/s", targetReplay), table.Mark(rate >= targetReplay))
	_, err = r.Stop()
	return t, err
}

// leaveBehind lets a server take in spans and kills it. It returns what was acknowledged last.
func (b *bench) leaveBehind(ctx context.Context, folder string) ([]traffic.Export, error) {
	r, err := b.ours.Start(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	const bytesPerSpan = 670
	all, err := exports(b.replay*mega/bytesPerSpan, b.began.Add(-10*time.Minute).Truncate(time.Second), 8)
	if err != nil {
		return nil, err
	}
	sender := load.NewSender(b.connections)
	defer sender.Close()
	bodies := spanBodies(all, r.TraceURL)
	if err := sender.All(ctx, b.connections, queue(bodies, func(i int) {
		b.progress.sometimes("replay: %d of %d bodies sent", i, len(bodies))
	})); err != nil {
		return nil, fmt.Errorf("%w; it printed: %s", err, r.LogTail())
	}
	return all[max(0, len(all)-2*b.connections):], nil
}

func spanBodies(exports []traffic.Export, url string) []load.Body {
	list := make([]load.Body, len(exports))
	for i := range exports {
		list[i] = load.Body{URL: url, Type: load.Protobuf, Bytes: exports[i].Body, Items: exports[i].Spans}
	}
	return list
}

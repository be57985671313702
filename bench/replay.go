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

// journalFolder is where the server keeps its journal, below the folder of its data.
const journalFolder = "journal"

const (
	mega         = 1_000_000
	bytesPerSpan = 670 // about, in an export
)

// storeGate names a file; while it is there, the server loads nothing from its journal.
const storeGate = "THROUGHLINE_DEBUG_STORE_GATE"

// measureReplay sends spans while the store is shut off, kills the server after the last
// answer, and measures how long the next start takes to bring all of them from the journal to the store.
func (b *bench) measureReplay(ctx context.Context) (*table.Table, error) {
	t := &table.Table{
		Title: "Replay of the journal",
		Notes: []string{"Spans are acknowledged while the store takes nothing; after the last answer the server is killed (SIGKILL) and started again."},
		Head:  []string{"what", "value", "target", "met"},
	}
	target := fmt.Sprintf("%d MB/s", targetReplay)
	folder, err := b.folder("replay")
	if err != nil {
		return nil, err
	}
	all, err := exports(b.replay*mega/bytesPerSpan, b.began.Add(-10*time.Minute).Truncate(time.Second), 8)
	if err != nil {
		return nil, err
	}
	if err := b.leaveBehind(ctx, folder, all); err != nil {
		return nil, err
	}
	onDisk, err := process.DiskUse(filepath.Join(folder, "data", journalFolder))
	if errors.Is(err, os.ErrNotExist) {
		t.Add("replay", "this build has no journal", target)
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	sent, spans := 0, 0
	for i := range all {
		sent += len(all[i].Body)
		spans += all[i].Spans
	}
	if onDisk < int64(sent) {
		return nil, fmt.Errorf("%d bytes were acknowledged, and the journal holds %d: does the server still know %s?", sent, onDisk, storeGate)
	}
	began := time.Now()
	r, err := b.ours.Start(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	if err := b.awaitAll(ctx, intake{all: make([]load.Body, len(all)), ends: 4 * b.connections, has: func(ctx context.Context, i int) (bool, error) {
		b.progress.sometimes("replay: waiting for what the journal holds since %v", time.Since(began).Round(time.Second))
		n, err := r.Spans(ctx, all[i].Last)
		return n >= all[i].LastSpans, err
	}}, func() error { return nil }); err != nil {
		return nil, err
	}
	took := time.Since(began)
	cpu, err := r.CPU()
	if err != nil {
		return nil, err
	}
	const mb = 1e6
	rate := float64(sent) / mb / took.Seconds()
	t.Add("left behind in the journal", fmt.Sprintf("%.0f MB, %s spans", float64(sent)/mb, table.Count(float64(spans))))
	t.Add("start until ready", table.Time(r.StartTime), table.Time(targetStart), table.Mark(r.StartTime <= targetStart))
	t.Add("start until all can be asked for", fmt.Sprintf("%s, %.0f MB/s; %s of processor time", table.Time(took), rate, table.Time(cpu)), target, table.Mark(rate >= targetReplay))
	_, err = r.Stop()
	return t, err
}

// leaveBehind lets a server whose store is shut off take in spans, and kills it.
func (b *bench) leaveBehind(ctx context.Context, folder string, all []traffic.Export) error {
	gate := filepath.Join(folder, "gate")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		return err
	}
	server := *b.ours
	server.ExtraEnv = []string{storeGate + "=" + gate}
	r, err := server.Start(ctx, folder)
	if err != nil {
		return err
	}
	defer r.Kill()
	sender := load.NewSender(b.connections)
	defer sender.Close()
	bodies := spanBodies(all, r.TraceURL)
	if err := sender.All(ctx, b.connections, queue(bodies, func(i int) {
		b.progress.sometimes("replay: %d of %d bodies sent", i, len(bodies))
	})); err != nil {
		return fmt.Errorf("%w; it printed: %s", err, r.LogTail())
	}
	return nil
}

func spanBodies(exports []traffic.Export, url string) []load.Body {
	list := make([]load.Body, len(exports))
	for i := range exports {
		list[i] = load.Body{URL: url, Type: load.Protobuf, Bytes: exports[i].Body, Items: exports[i].Spans}
	}
	return list
}

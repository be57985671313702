package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/bench/internal/host"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

// report writes the tables, and what they were measured on.
func (b *bench) report(ctx context.Context, tables []*table.Table, stdout io.Writer) error {
	var text bytes.Buffer
	machine := table.Table{Title: "Run", Head: []string{"what", "value"}}
	machine.Add("date", b.began.UTC().Format("2006-01-02 15:04 UTC"))
	machine.Add("command", "bench "+strings.Join(withoutFolders(b.args), " "))
	machine.Add("machine", fmt.Sprintf("%s, %d processors, %s of memory", host.Processor(), runtime.NumCPU(), host.Memory()))
	machine.Add("other work", fmt.Sprintf("load average %s at the start, %s at the end; the servers and what sends to them make some of it", b.loadBefore, host.Load()))
	machine.Add("kernel", host.Kernel())
	machine.Add("Go", b.goVersion(ctx))
	machine.Add("programs", strings.Join(b.versions, ", "))
	for _, t := range append([]*table.Table{&machine}, tables...) {
		if _, err := t.WriteTo(&text); err != nil {
			return err
		}
	}
	if _, err := stdout.Write(text.Bytes()); err != nil {
		return err
	}
	if b.out == "" {
		return nil
	}
	if err := table.Keep(b.out, "bench", text.String()); err != nil {
		return fmt.Errorf("-out %w", err)
	}
	return nil
}

func (b *bench) goVersion(ctx context.Context) string {
	version, err := b.output(ctx, b.root, "go", "env", "GOVERSION")
	if err != nil {
		return runtime.Version()
	}
	return version
}

// withoutFolders returns arguments as they are shown to others: of a path that only
// this machine has, the last part.
func withoutFolders(args []string) []string {
	shown := slices.Clone(args)
	for i, arg := range shown {
		before, path, ok := strings.Cut(arg, "=")
		switch {
		case ok && filepath.IsAbs(path):
			shown[i] = before + "=" + filepath.Base(path)
		case filepath.IsAbs(arg):
			shown[i] = filepath.Base(arg)
		}
		if strings.Contains(shown[i], " ") {
			shown[i] = `"` + shown[i] + `"`
		}
	}
	return shown
}

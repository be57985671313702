package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/bench/internal/table"
)

// The markers in the file that keeps the tables of the last run.
const (
	beginMarker = "<!-- bench: begin -->"
	endMarker   = "<!-- bench: end -->"
)

// report writes the tables, and what they were measured on.
func (b *bench) report(ctx context.Context, tables []*table.Table, stdout io.Writer) error {
	var text bytes.Buffer
	machine := table.Table{Title: "Run", Head: []string{"what", "value"}}
	machine.Add("date", b.began.UTC().Format("2006-01-02 15:04 UTC"))
	machine.Add("command", "bench "+strings.Join(withoutFolders(b.args), " "))
	machine.Add("machine", fmt.Sprintf("%s, %d processors, %s of memory", processorModel(), runtime.NumCPU(), memoryTotal()))
	machine.Add("other work", fmt.Sprintf("load average %s at the start, %s at the end; the servers and what sends to them make some of it", b.loadBefore, loadAverage()))
	machine.Add("kernel", kernel())
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
	old, err := os.ReadFile(b.out)
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	updated, err := between(string(old), text.String())
	if err != nil {
		return fmt.Errorf("-out %s: %w", b.out, err)
	}
	return os.WriteFile(b.out, []byte(updated), 0o644) //nolint:gosec // a document for everybody
}

// between returns document with text between its markers.
func between(document, text string) (string, error) {
	before, rest, ok := strings.Cut(document, beginMarker)
	_, after, closed := strings.Cut(rest, endMarker)
	if !ok || !closed {
		return "", errors.New("the markers " + beginMarker + " and " + endMarker + " are not in it")
	}
	return before + beginMarker + "\n\n" + strings.TrimSpace(text) + "\n\n" + endMarker + after, nil
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

// loadAverage returns how many tasks ran or waited to, on average over the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func processorModel() string { return firstField("/proc/cpuinfo", "model name") }

func memoryTotal() string { return firstField("/proc/meminfo", "MemTotal") }

// firstField returns the value of the first line of a file of the form "name: value".
func firstField(file, name string) string {
	all, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(all)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return "Linux " + strings.TrimSpace(string(release)) + " " + runtime.GOARCH
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/bench/internal/subject"
)

// findOurs looks for this build's server.
func (b *bench) findOurs(ctx context.Context) error {
	if _, err := os.Stat(b.binary); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	version := b.label
	if version == "" {
		var err error
		if version, err = b.output(ctx, b.root, "git", "rev-parse", "--short", "HEAD"); err != nil {
			version = "unknown" // not a clone
		}
	}
	b.ours = subject.Throughline(b.binary, version)
	b.versions = append(b.versions, "Throughline "+version)
	return nil
}

// rivalsFor returns the rivals that were asked for, built; one that cannot be had
// says why in Missing.
func (b *bench) rivalsFor(ctx context.Context, beacons bool) ([]subject.Rival, error) {
	var all []subject.Rival
	for _, rival := range subject.Rivals() {
		if rival.Beacons != beacons || !slices.Contains(b.rivals, "all") && !slices.Contains(b.rivals, rival.Name) {
			continue
		}
		switch brought := b.brought[rival.Name]; {
		case brought.path != "":
			rival.Binary, rival.Version, rival.Missing = brought.path, brought.version, ""
		case rival.Folder != "":
			if err := b.build(ctx, &rival); err != nil {
				if ctx.Err() != nil {
					return nil, err
				}
				rival.Missing = err.Error()
			}
		}
		if rival.Missing == "" {
			if version := rival.Name + " " + rival.Version; !slices.Contains(b.versions, version) {
				b.versions = append(b.versions, version)
			}
		}
		all = append(all, rival)
	}
	return all, nil
}

// build builds a rival from its module, through the Go proxy, unless it was built before.
func (b *bench) build(ctx context.Context, rival *subject.Rival) (err error) {
	folder := filepath.Join(b.root, "bench", "rivals", rival.Folder)
	if rival.Version, err = b.output(ctx, folder, "go", "list", "-m", "-f", "{{.Version}}", rival.Module); err != nil {
		return err
	}
	rival.Binary = filepath.Join(b.root, ".cache", "bin", "rival-"+rival.Folder+"-"+rival.Version)
	if _, err := os.Stat(rival.Binary); err == nil {
		return nil
	}
	b.progress.say("building %s %s (compiled once; this takes some minutes)", rival.Name, rival.Version)
	if _, err := b.output(ctx, folder, "nice", "-n", "15", "go", "build", "-o", rival.Binary, rival.Package); err != nil {
		return fmt.Errorf("it could not be built: %w", err)
	}
	return nil
}

// output runs a program in folder and returns what it printed. The rivals' modules
// are no part of the workspace.
func (*bench) output(ctx context.Context, folder, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // fixed programs
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return "", errors.New(program + ": " + err.Error() + ": " + lines[len(lines)-1])
	}
	return strings.TrimSpace(string(out)), nil
}

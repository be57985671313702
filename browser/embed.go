// Package browser holds the built browser agent, so that Go programs can serve it.
// The agent itself is TypeScript; see README.md.
package browser

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// ErrNotBuilt reports a program that was compiled before the agent was built.
var ErrNotBuilt = errors.New(`browser: the agent is not built; run "make build" and compile again`)

// Script returns throughline.js, the agent as one classic script for
// <script src>; each call makes a copy. The error is [ErrNotBuilt] where the
// program was compiled without it.
func Script() ([]byte, error) { return read(dist) }

func read(files fs.ReadFileFS) ([]byte, error) {
	script, err := files.ReadFile("dist/throughline.js")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNotBuilt
	case err != nil:
		return nil, fmt.Errorf("browser: read the embedded agent: %w", err)
	}
	return script, nil
}

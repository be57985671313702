// Package browser holds the built browser agent, so that Go programs can serve it.
// The agent itself is TypeScript; see README.md.
package browser

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed all:dist
var dist embed.FS

// The files that pages load: classic scripts, and a module that the first of them imports.
const (
	AgentFile  = "throughline.js"        // the agent, for <script src>
	IdleFile   = "throughline-idle.js"   // what the agent loads once the page is idle
	WorkerFile = "throughline-worker.js" // for web workers
)

// ErrNotBuilt reports a program that was compiled before the file was built.
var ErrNotBuilt = errors.New(`browser: the agent is not built; run "make build" and compile again`)

// File returns one of the files that pages load, by its name; each call makes a copy. The
// error is [ErrNotBuilt] where the program was compiled without it, [fs.ErrNotExist] where the
// name is of no such file.
func File(name string) ([]byte, error) { return read(dist, name) }

func read(files fs.ReadFileFS, name string) ([]byte, error) {
	if !slices.Contains([]string{AgentFile, IdleFile, WorkerFile}, name) {
		return nil, fmt.Errorf("browser: %q is no file of the agent: %w", name, fs.ErrNotExist)
	}
	script, err := files.ReadFile("dist/" + name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNotBuilt
	case err != nil:
		return nil, fmt.Errorf("browser: read the embedded agent: %w", err)
	}
	return script, nil
}

// Package ui holds the files of the web interface, as its build left them in
// dist. It serves nothing itself.
package ui

import (
	"embed"
	"io/fs"
)

// The placeholder in dist lets the package compile before the interface is built.
//
//go:embed all:dist
var dist embed.FS

// index is the document that every page of the interface begins with.
const index = "index.html"

// Files returns the built files: index.html, which answers every path that is a
// page, and below assets files whose names change with their content, so that
// they may be cached for ever. Before the build there is no index.html; see Built.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("ui: " + err.Error()) // only for a path that is not valid, and it is constant
	}
	return files
}

// Built reports whether the interface was built into this program. Where it was
// not, "make build" does so.
func Built() bool { return built(Files()) }

func built(files fs.FS) bool {
	info, err := fs.Stat(files, index)
	return err == nil && info.Mode().IsRegular()
}

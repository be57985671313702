package ui

import (
	"io/fs"
	"os"
	"regexp"
	"testing"
	"testing/fstest"
)

func TestBuiltTellsWhetherThereIsAnIndex(t *testing.T) {
	tests := map[string]struct {
		files fstest.MapFS
		want  bool
	}{
		"built":                {fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}, true},
		"placeholder alone":    {fstest.MapFS{".gitkeep": {}}, false},
		"index is a directory": {fstest.MapFS{"index.html/x": {}}, false},
		"index elsewhere":      {fstest.MapFS{"dist/index.html": {}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := built(test.files); got != test.want {
				t.Errorf("built = %v, want %v", got, test.want)
			}
		})
	}
}

func TestFilesAreThoseOfDist(t *testing.T) {
	_, err := os.Stat("dist/index.html")
	if onDisk := err == nil; Built() != onDisk {
		t.Errorf("Built() = %v, index.html in dist: %v", Built(), onDisk)
	}
	if _, err := fs.Stat(Files(), "dist"); err == nil {
		t.Error("the files stand below dist/, want them at the root")
	}
}

// The interface runs under the content security policy default-src 'self'.
func TestIndexHasNothingInline(t *testing.T) {
	source, err := fs.ReadFile(Files(), index)
	if !Built() {
		source, err = os.ReadFile(index) // what the build starts from
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, inline := range []string{`<script[^>]*>[^<\s]`, `<style`, `\sstyle=`, `\son[a-z]+=`, `(src|href)="(https?:)?//`} {
		if found := regexp.MustCompile(inline).Find(source); found != nil {
			t.Errorf("index.html holds %q", found)
		}
	}
}

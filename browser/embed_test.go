package browser

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestFile(t *testing.T) {
	built := fstest.MapFS{
		"dist/throughline.js": {Data: []byte("(()=>{})();")}, "dist/throughline-worker.js": {Data: []byte("1;")}, "dist/index.js": {Data: []byte("2;")},
	}
	for name, want := range map[string]string{AgentFile: "(()=>{})();", WorkerFile: "1;"} {
		if got, err := read(built, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := read(built, IdleFile); !errors.Is(err, ErrNotBuilt) || got != nil {
		t.Errorf("a file that is not built beside others that are: %q, %v", got, err)
	}
	for _, name := range []string{"index.js", "", "../embed.go", "dist/throughline.js"} {
		if got, err := read(built, name); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotBuilt) || got != nil {
			t.Errorf("%q, which pages do not load: %q, %v", name, got, err)
		}
	}
	placeholder := fstest.MapFS{"dist/.gitkeep": {}}
	if got, err := read(placeholder, AgentFile); !errors.Is(err, ErrNotBuilt) || got != nil {
		t.Errorf("not built: %q, %v", got, err)
	}
}

// The embedded folder itself must be readable, built or not.
func TestEmbedded(t *testing.T) {
	for _, name := range []string{AgentFile, IdleFile, WorkerFile} {
		script, err := File(name)
		if err != nil && !errors.Is(err, ErrNotBuilt) {
			t.Fatal(err)
		}
		if err == nil && len(script) == 0 {
			t.Errorf("the embedded %s is empty", name)
		}
	}
}

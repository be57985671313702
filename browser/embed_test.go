package browser

import (
	"errors"
	"testing"
	"testing/fstest"
)

func TestScript(t *testing.T) {
	built := fstest.MapFS{"dist/throughline.js": {Data: []byte("(()=>{})();")}}
	if got, err := read(built); err != nil || string(got) != "(()=>{})();" {
		t.Errorf("built: %q, %v", got, err)
	}
	placeholder := fstest.MapFS{"dist/.gitkeep": {}}
	if got, err := read(placeholder); !errors.Is(err, ErrNotBuilt) || got != nil {
		t.Errorf("not built: %q, %v", got, err)
	}
}

// The embedded folder itself must be readable, built or not.
func TestEmbedded(t *testing.T) {
	script, err := Script()
	if err != nil && !errors.Is(err, ErrNotBuilt) {
		t.Fatal(err)
	}
	if err == nil && len(script) == 0 {
		t.Error("the embedded script is empty")
	}
}

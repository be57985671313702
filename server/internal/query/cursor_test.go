package query

import (
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

func FuzzCursor(f *testing.F) {
	seeds := []string{formatCursor(store.Position{Start: noon, ID: model.EventID{1, 2, 3, 4, 5, 6, 7, 8}}), "", "AQ", "!!", "AgAAAAAAAAAAAAAAAAAAAAAA"}
	for _, s := range seeds {
		f.Add(s)
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseCursor(s)
		if !ok {
			if p != (store.Position{}) {
				t.Errorf("a cursor that was refused gave %+v", p)
			}
			return
		}
		if again := formatCursor(p); again != s {
			t.Errorf("cursor %q reads as %+v, which is written %q", s, p, again)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	want := store.Position{Start: noon, ID: model.EventID{1, 2, 3, 4, 5, 6, 7, 8}}
	got, ok := parseCursor(formatCursor(want))
	if !ok || !got.Start.Equal(want.Start) || got.ID != want.ID {
		t.Errorf("parseCursor(formatCursor(%+v)) = %+v, %v", want, got, ok)
	}
}

package query

import (
	"encoding/base64"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/model"
)

func listings() []listing {
	return []listing{requestListing, pageLoadListing, errorListing, traceListing, tailListing}
}

func FuzzCursor(f *testing.F) {
	seeds := []string{"", "AQ", "!!", "AgAAAAAAAAAAAAAAAAAAAAAA", "AgMYqjTuDm2PAAECAwQFB\n\n\ngcI"}
	for _, l := range listings() {
		seeds = append(seeds, l.format(cursorAt(noon, []byte{1, 2, 3, 4, 5, 6, 7, 8})))
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		read := 0
		for _, l := range listings() {
			c, err := l.parse(s)
			if err != nil {
				if e, ok := AsError(err); !ok || e.Kind != Invalid || e.Hint == "" || c != (cursor{}) {
					t.Errorf("cursor %q: %v, %+v", s, err, c)
				}
				continue
			}
			read++
			if again := l.format(c); again != s {
				t.Errorf("cursor %q reads as %+v, which is written %q", s, c, again)
			}
		}
		if read > 1 {
			t.Errorf("cursor %q is of %d listings", s, read)
		}
	})
}

func TestCursorRoundTrip(t *testing.T) {
	id := model.EventID{1, 2, 3, 4, 5, 6, 7, 8}
	want := cursorAt(noon, id[:])
	for _, l := range listings() {
		got, err := l.parse(l.format(want))
		if err != nil || !got.start().Equal(noon) {
			t.Errorf("listing %d: %+v, %v", l, got, err)
		}
	}
}

func TestCursorOfAnEarlierReleaseIsRefused(t *testing.T) {
	old := append([]byte{1}, make([]byte, 16)...) // without the listing
	if _, err := requestListing.parse(base64.RawURLEncoding.EncodeToString(old)); err == nil {
		t.Error("the cursor was read")
	}
}

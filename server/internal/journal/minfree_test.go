package journal_test

import (
	"errors"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/journal"
)

// TestMinFree: what others need of the disk is left to them, and appends go on once there is more.
func TestMinFree(t *testing.T) {
	free := int64(10 << 20)
	j, err := journal.Open(t.TempDir(), journal.Options{
		SegmentBytes: 1 << 20, Budget: 8 << 20, MinFree: 4 << 20,
	}.WithFree(func(string) (int64, error) { return free, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	half := make([]byte, 600<<10)
	appended := func() error {
		_, err := j.Append(t.Context(), 1, half)
		return err
	}
	if err := appended(); err != nil {
		t.Fatal(err)
	}
	free = 4 << 20 // another segment would leave less
	if err := appended(); !errors.Is(err, journal.ErrFull) {
		t.Errorf("error %v where too little of the disk is free, want ErrFull", err)
	}
	free = 5 << 20
	if err := appended(); err != nil {
		t.Errorf("error %v once there is enough again", err)
	}
}

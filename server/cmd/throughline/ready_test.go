package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/config"
	"github.com/throughline-rum/throughline/server/internal/disk"
	"github.com/throughline-rum/throughline/server/internal/ingest"
	"github.com/throughline-rum/throughline/server/internal/journal"
)

func TestJournalCheckSaysWhatIsWrong(t *testing.T) {
	now := time.Now()
	const mib = 1 << 20
	for name, c := range map[string]struct {
		journal journal.Stats
		loader  ingest.LoaderState
		wasFull bool
		want    string // within the detail; empty: ready
		hint    string
	}{
		"empty":                                 {},
		"a little behind":                       {loader: ingest.LoaderState{Oldest: now.Add(-29 * time.Second)}},
		"the store holds more than the journal": {loader: ingest.LoaderState{Stored: 9 * mib}},
		"failed":                                {journal: journal.Stats{Err: journal.ErrFailed}, want: "the disk has failed", hint: "restart"},
		"budget used":                           {journal: journal.Stats{Bytes: 63*mib + mib/2, Last: 63 * mib}, loader: ingest.LoaderState{Stored: 23 * mib}, want: "full (63 of 64 MiB, or the disk is)", hint: "journal.budget"},
		"refused":                               {journal: journal.Stats{Bytes: 10 * mib, Last: 10 * mib}, wasFull: true, want: "10 MiB are not in the store yet", hint: "free disk"},
		"store refuses":                         {journal: journal.Stats{Last: 7 * mib}, loader: ingest.LoaderState{Err: errors.New("/secret/path")}, want: "waits in the journal; 7 MiB", hint: "log"},
		"far behind":                            {journal: journal.Stats{Last: 7 * mib}, loader: ingest.LoaderState{Oldest: now.Add(-95 * time.Second)}, want: "came in 1m35s ago", hint: "wait"},
	} {
		t.Run(name, func(t *testing.T) {
			c.journal.Budget = 64 * mib
			err := checkJournal(c.journal, c.loader, c.wasFull, now)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			bad, ok := errors.AsType[*api.CheckError](err)
			if !ok || !strings.Contains(bad.Detail, c.want) || !strings.Contains(bad.Hint, c.hint) || strings.Contains(bad.Detail+bad.Hint, "/") {
				t.Errorf("the check says %#v", err)
			}
		})
	}
}

func TestLagOfTheLinkPass(t *testing.T) {
	if err := checkLinks(maxLinkLag); err != nil {
		t.Error(err)
	}
	if err := checkLinks(2 * time.Minute); err == nil || !strings.Contains(err.Error(), "2m0s") {
		t.Errorf("a pass that is two minutes behind: %v", err)
	}
}

func TestDiskCheckShowsNoPath(t *testing.T) {
	if err := checkDisk(t.TempDir()); err != nil {
		if _, ok := errors.AsType[*api.CheckError](err); !ok || strings.Contains(err.Error(), "/") { // this machine's disk is full
			t.Error(err)
		}
	}
	if free, total, err := disk.Space(t.TempDir()); err != nil || free == 0 || total < free {
		t.Errorf("%d bytes are free of %d, error %v", free, total, err)
	}
	if err := checkDisk(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error where the folder is gone")
	}
}

func TestJournalFitsTheDisk(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ total, budget, segment, minFree int64 }{
		{1 << 40, 2048, 64 * mib, 512 * mib},
		{1 << 40, 64, 32 * mib, 512 * mib},
		{2 << 30, 2048, 64 * mib, 512 * mib},
		{256 * mib, 2048, 8 * mib, 64 * mib},
		{16 * mib, 2048, mib, 4 * mib},
	} {
		o := fitJournal(&config.Journal{Budget: int(c.budget)}, c.total)
		if o.SegmentBytes != c.segment || o.MinFree != c.minFree || o.Budget != c.budget*mib {
			t.Errorf("on a disk of %d MiB the journal has %+v", c.total/mib, o)
		}
		if st := fitStore(c.total); c.total >= 64*mib && st.KeptFree+3*st.CheckpointBytes > o.MinFree*9/10 || st.KeptFree == 0 {
			t.Errorf("on a disk of %d MiB the journal leaves %d MiB, and the store has %+v", c.total/mib, o.MinFree/mib, st)
		}
	}
}

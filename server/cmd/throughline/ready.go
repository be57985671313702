package main

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
	"github.com/throughline-rum/throughline/server/internal/disk"
	"github.com/throughline-rum/throughline/server/internal/ingest"
	"github.com/throughline-rum/throughline/server/internal/journal"
)

// What the server needs to be called ready.
const (
	maxLinkLag  = time.Minute
	maxLoadLag  = 30 * time.Second
	fullFor     = 10 * time.Second // after somebody found the journal full, unless it has room
	journalRoom = 1 << 20          // bytes; with less the journal counts as full
)

// checks are what GET /readyz asks.
func (s *server) checks() []api.Check {
	return []api.Check{
		{Name: "store", Run: func(ctx context.Context) error {
			_, err := s.store.Watermark(ctx)
			return err
		}},
		{Name: "journal", Run: func(context.Context) error {
			return checkJournal(s.journal.Stats(), s.loader.State(), s.intake.wasFull(fullFor), time.Now())
		}},
		{Name: "links", Run: func(context.Context) error { return checkLinks(s.linkLag()) }},
		{Name: "disk", Run: func(context.Context) error { return checkDisk(s.dataFolder) }},
	}
}

// checkJournal reports what keeps acknowledged data from the store, or new data from being acknowledged.
func checkJournal(j journal.Stats, l ingest.LoaderState, wasFull bool, now time.Time) error {
	unread := fmt.Sprintf("%d MiB are not in the store yet", j.Unread(journal.Position(l.Stored))>>20)
	lag := time.Duration(0)
	if !l.Oldest.IsZero() {
		lag = now.Sub(l.Oldest)
	}
	switch {
	case j.Err != nil:
		return &api.CheckError{
			Detail: "the disk has failed under the journal, and no data is taken",
			Hint:   "check the disk, then restart the server; what was acknowledged is kept",
		}
	case wasFull || j.Budget-j.Bytes < journalRoom:
		return &api.CheckError{
			Detail: fmt.Sprintf("the journal is full (%d of %d MiB, or the disk is), and senders are told to come again; %s", j.Bytes>>20, j.Budget>>20, unread),
			Hint:   "wait until the store has caught up, free disk, or raise journal.budget",
		}
	case l.Err != nil:
		return &api.CheckError{
			Detail: "the store does not take what comes in, which waits in the journal; " + unread,
			Hint:   "the server's log says why; free disk if that is it",
		}
	case lag > maxLoadLag:
		return &api.CheckError{
			Detail: fmt.Sprintf("what came in %v ago is being stored; %s", lag.Round(time.Second), unread),
			Hint:   "after a start or a burst, wait; else more comes in than this machine can store",
		}
	}
	return nil
}

// linkLag returns how long ago everything had been judged.
func (s *server) linkLag() time.Duration {
	caughtUp := s.pass.Stats().CaughtUp
	if caughtUp.IsZero() {
		caughtUp = s.started
	}
	return max(0, time.Since(caughtUp))
}

// checkLinks reports a pass that does not keep up.
func checkLinks(lag time.Duration) error {
	if lag <= maxLinkLag {
		return nil
	}
	return &api.CheckError{
		Detail: fmt.Sprintf("links have not been judged to the end for %v", lag.Round(time.Second)),
		Hint:   "more comes in than can be judged, or the store fails; the server's log says which",
	}
}

// checkDisk reports a disk with less than twice what the journal leaves to the store.
func checkDisk(folder string) error {
	free, total, err := disk.Space(folder)
	if err != nil {
		return err
	}
	if least := 2 * leaveFree(total); free < least {
		return &api.CheckError{
			Detail: fmt.Sprintf("%d MiB are free where the data is kept", free>>20),
			Hint:   fmt.Sprintf("free at least %d MiB, or give the data a larger disk", least>>20),
		}
	}
	return nil
}

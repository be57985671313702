package journal

import "os"

// File is what tests put faults into.
type File = file

// Faulty puts a test's disk in front of the real one, and limits groups.
func (o Options) Faulty(wrap func(*os.File) File, syncDir func(string) error, groupBytes int) Options {
	o.wrap, o.syncDir, o.groupBytes = wrap, syncDir, groupBytes
	return o
}

var SyncDir = syncDir

// Reserving has a test reserve a segment's space.
func (o Options) Reserving(reserve func(f *os.File, n int64) error) Options {
	o.reserve = reserve
	return o
}

const (
	SegmentHeader = segmentHeader
	RecordHeader  = recordHeader
)

// WithFree makes the options tell how much of the disk is free.
func (o Options) WithFree(free func(dir string) (int64, error)) Options {
	o.free = free
	return o
}

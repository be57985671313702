package journal

import "os"

// File is what tests put faults into.
type File = file

// Faulty puts a test's file in front of the disk, and limits groups.
func (o Options) Faulty(wrap func(*os.File) File, groupBytes int) Options {
	o.wrap, o.groupBytes = wrap, groupBytes
	return o
}

// Reserving has a test reserve a segment's space.
func (o Options) Reserving(reserve func(f *os.File, n int64) error) Options {
	o.reserve = reserve
	return o
}

const (
	SegmentHeader = segmentHeader
	RecordHeader  = recordHeader
)

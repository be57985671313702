package journal

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrFull says that the budget or the disk is used up. The journal stays usable: try
	// again once Trim has let segments go, or space was freed.
	ErrFull = errors.New("journal: full: the store has not taken what is in it yet, or the disk is full; " +
		"wait for the store, free space, or raise the journal's budget")
	// ErrTooLarge says that the record is larger than MaxRecord or half of the budget.
	ErrTooLarge = errors.New("journal: the record is too large; send less at once")
	// ErrClosed says that the journal is closed.
	ErrClosed = errors.New("journal: closed")
	// ErrFailed says that the disk failed, and nothing can be promised any more. What was
	// acknowledged before can still be read.
	ErrFailed = errors.New("journal: the disk failed and nothing more is taken; check the disk, then restart the server")
	// ErrLocked says that another process has the folder open.
	ErrLocked = errors.New("journal: another process has this folder open; stop it, or use a folder of its own")
	// ErrTrimmed says that records after the wanted position were let go already.
	ErrTrimmed = errors.New("journal: records after this position were let go; " +
		"the store was replaced by an older one, or journal files were removed: put back the files that belong together")
	// ErrAhead says that the position lies beyond the last record.
	ErrAhead = errors.New("journal: the position lies beyond the last record; " +
		"the journal was replaced by an older one: put back the files that belong together, or start with an empty folder")
)

// DamageError tells of bytes that were once written and synced, and are not
// what was written. Nothing is dropped: a person has to decide.
type DamageError struct {
	File   string
	Offset int64 // in bytes from the beginning of the file
	Reason string
	Err    error // what the file system said, if it did
}

// Error says where the damage is, and the way on.
func (e *DamageError) Error() string {
	cause := ""
	if e.Err != nil {
		cause = ": " + e.Err.Error()
	}
	return fmt.Sprintf("journal: %s is damaged at byte %d: %s%s; "+
		"put the file back from a copy, or rename it to end in %s, and the whole records that are left in it are read and the rest is skipped",
		e.File, e.Offset, e.Reason, cause, damagedSuffix)
}

// Unwrap gives the file system's error.
func (e *DamageError) Unwrap() error { return e.Err }

// isFull tells the errors after which space can come back.
func isFull(err error) bool {
	return !errors.Is(err, ErrFailed) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

func failed(err error) error { return fmt.Errorf("%w: %w", ErrFailed, err) }

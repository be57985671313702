package journal

import (
	"os"
	"syscall"
)

// reserve gives a file its size ahead, in zeros that take no writing: syncing is
// then two to three times as fast, since the file's size does not change.
func reserve(f *os.File, size int64) error {
	for {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != syscall.EINTR {
			return err
		}
	}
}

// syncData leaves out what reading does not need, such as times.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}

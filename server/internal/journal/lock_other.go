//go:build !unix

package journal

import (
	"errors"
	"fmt"
	"os"
)

// lock refuses: without a lock and a directory sync nothing could be promised.
func lock(string) (*os.File, error) {
	return nil, fmt.Errorf("%w on this system: run the server on Linux or macOS", errors.ErrUnsupported)
}

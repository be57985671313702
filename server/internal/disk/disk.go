// Package disk tells how much room there is.
package disk

// Free returns the bytes that may still be written below a folder.
func Free(folder string) (int64, error) {
	free, _, err := Space(folder)
	return free, err
}

package ingest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// RejectFolder is a folder that keeps each rejected record in a file of its own,
// beside one that says why. It is made when the first one comes.
type RejectFolder string

var _ Rejects = RejectFolder("")

// Keep writes the record to <position>-<kind>.record.
func (f RejectFolder) Keep(r Record, reason error) error {
	if err := os.MkdirAll(string(f), 0o750); err != nil {
		return fmt.Errorf("ingest: the folder of rejected records: %w", err)
	}
	name := filepath.Join(string(f), fmt.Sprintf("%020d-%d", uint64(r.Position), r.Kind))
	if err := writeFile(name+".txt", []byte(reason.Error()+"\n")); err != nil {
		return fmt.Errorf("ingest: a rejected record: %w", err)
	}
	if err := writeFile(name+".record", r.Payload); err != nil {
		return fmt.Errorf("ingest: a rejected record: %w", err)
	}
	return nil
}

// writeFile writes a file that is whole or not there, and on disk on return.
func writeFile(name string, content []byte) (err error) {
	temporary := name + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640) //nolint:gosec // the operator's group may read what was rejected
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

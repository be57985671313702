package table

import (
	"fmt"
	"os"
	"strings"
)

// Keep writes text between the markers of a Markdown file that have this name.
func Keep(file, name, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	updated, err := between(string(old), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(updated), 0o644) //nolint:gosec // a document for everybody
}

// between returns document with text between its markers.
func between(document, name, text string) (string, error) {
	begin, end := "<!-- "+name+": begin -->", "<!-- "+name+": end -->"
	before, rest, ok := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("the markers %s and %s are not in it", begin, end)
	}
	return before + begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}

package table

import "testing"

func TestTheDocumentKeepsWhatIsAroundTheMarkers(t *testing.T) {
	const begin, end = "<!-- bench: begin -->", "<!-- bench: end -->"
	const after = "\nz\n<!-- bench-agent: begin -->\n\nagents\n\n<!-- bench-agent: end -->\n"
	document := "a\n" + begin + "\nold\n" + end + after
	const want = "a\n" + begin + "\n\nnew\n\n" + end + after
	for range 2 { // writing it again changes nothing
		var err error
		if document, err = between(document, "bench", "\nnew\n\n"); err != nil || document != want {
			t.Fatalf("%q, %v", document, err)
		}
	}
	for _, bad := range []string{"", begin, end + begin} {
		if _, err := between(bad, "bench", "new"); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

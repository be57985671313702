package recipes

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The addresses in the guides.
const (
	guideProgram     = "127.0.0.1:8000"
	guideProxy       = "127.0.0.1:8080"
	guideApplication = "127.0.0.1:3000"
)

// The sections of a guide that are tested.
const (
	sectionFront  = "In front of the proxy"
	sectionBehind = "Behind the proxy"
	sectionCache  = "With a cache"
)

// guide is the text of a guide.
type guide string

func readGuide(t *testing.T, name string) guide {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "guides", name+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return guide(text)
}

// block returns the first block in a language below a heading; empty: there is none.
func (g guide) block(heading, language string) string {
	_, section, _ := strings.Cut(string(g), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, _ := strings.Cut(section, "\n```"+language+"\n")
	block, _, _ = strings.Cut(block, "\n```\n")
	return block
}

// command returns the words of a command that a section shows, without its name.
func (g guide) command(t *testing.T, heading, name string) []string {
	t.Helper()
	_, section, _ := strings.Cut(string(g), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if words, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.Fields(words)
		}
	}
	t.Fatalf("the guide shows no command %q below %q", name, heading)
	return nil
}

// configuration returns a configuration of the program, for one of the two places. Where
// the guide shows none for behind, it is said to be that of the place in front with
// another upstream, and without X-Forwarded-Proto.
func (g guide) configuration(t *testing.T, heading, place, language string) string {
	t.Helper()
	text := g.block(heading, language)
	if text == "" && heading == sectionBehind {
		text = g.block(sectionFront, language)
	}
	if place == sectionBehind {
		text = forwardedProto.ReplaceAllString(text, "")
	}
	if text == "" {
		t.Fatalf("the guide shows no block in %q below %q", language, heading)
	}
	return text
}

var forwardedProto = regexp.MustCompile(`(?m)^.*X-Forwarded-Proto.*$`)

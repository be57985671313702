package link

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/throughline-rum/throughline/server/internal/model"
)

//go:embed explanations.yaml
var explanationsYAML []byte

// explanations are those of the file, which a test reads before anybody else does.
var explanations = sync.OnceValue(func() *explanationFile {
	f, err := readExplanations(explanationsYAML)
	if err != nil {
		panic(err)
	}
	return f
})

// Explanation puts a verdict into plain words for whom reads it.
type Explanation struct {
	Title string `yaml:"title"` // a few words
	Text  string `yaml:"text"`  // what happened
	Fix   string `yaml:"fix"`   // what to change, and where; empty where nothing needs fixing
}

// Facts is what is known of one request for its explanation. What is empty is spoken of in general.
type Facts struct {
	Host     string // that the request went to
	Service  string // of the joined entry span, else those seen at the host
	Hop      string // the proxy, gateway or service that is suspected
	Agent    string // its version
	Sessions int    // that had the same answer, this one included
}

// Entry is one explanation of the file, in general words.
type Entry struct {
	Status model.LinkStatus
	Reason model.LinkReason // empty: pending
	Detail string           // empty: none, or any that has no entry of its own
	Explanation
}

// Explain returns the explanation of a verdict that Judge gave. It is plain text: what users
// supplied of it is short and has no markup.
func Explain(v model.Verdict, f Facts) Explanation {
	return explanations().explain(v, f)
}

// Entries returns all explanations, in the order of the linking contract, section 6.
func Entries() []Entry {
	var all []Entry
	for _, r := range verdicts() {
		for _, detail := range append([]string{""}, r.details...) {
			v := model.Verdict{Status: r.status, Reason: r.reason, Detail: detail}
			all = append(all, Entry{r.status, r.reason, detail, Explain(v, Facts{})})
		}
	}
	return all
}

// The entries that are of no reason.
const (
	pendingEntry = string(model.Pending)
	unknownEntry = string(model.LinkReasonUndefined)
)

// explanationFile is explanations.yaml.
type explanationFile struct {
	Words   map[string]string           `yaml:"words"` // for a placeholder of which nothing is known
	Reasons map[string]explanationEntry `yaml:"reasons"`
}

type explanationEntry struct {
	Explanation `yaml:",inline"`
	Details     map[string]Explanation `yaml:"details"`
}

// readExplanations reads the file and holds it against what Judge can say.
func readExplanations(text []byte) (*explanationFile, error) {
	f := new(explanationFile)
	if err := yaml.Load(text, f, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("explanations.yaml: %w", err)
	}
	for name := range f.Words {
		if _, ok := (Facts{}).value(name, model.Verdict{}); !ok {
			return nil, fmt.Errorf("explanations.yaml: there are no facts for the word %q", name)
		}
	}
	want := map[string][]string{unknownEntry: nil}
	for _, r := range verdicts() {
		name := string(r.reason)
		if r.reason == model.LinkReasonNone {
			name = pendingEntry
		}
		want[name] = r.details
	}
	for name, entry := range f.Reasons {
		details, ok := want[name]
		if !ok {
			return nil, fmt.Errorf("explanations.yaml: there is no reason %q", name)
		}
		if err := f.check(name, entry.Explanation); err != nil {
			return nil, err
		}
		for detail, e := range entry.Details {
			if !slices.Contains(details, detail) {
				return nil, fmt.Errorf("explanations.yaml: %s has no detail %q", name, detail)
			}
			if err := f.check(name+" "+detail, e); err != nil {
				return nil, err
			}
		}
		for _, detail := range details {
			if _, ok := entry.Details[detail]; !ok {
				return nil, fmt.Errorf("explanations.yaml: nothing says what %s %s means", name, detail)
			}
		}
	}
	for name := range want {
		if _, ok := f.Reasons[name]; !ok {
			return nil, fmt.Errorf("explanations.yaml: nothing says what %s means", name)
		}
	}
	return f, nil
}

// check reports what is wrong with one explanation.
func (f *explanationFile) check(name string, e Explanation) error {
	if e.Title == "" || e.Text == "" {
		return fmt.Errorf("explanations.yaml: %s has no title or no text", name)
	}
	for _, text := range []string{e.Title, e.Text, e.Fix} {
		unknown := ""
		fill(text, func(word string) string {
			if _, ok := f.Words[word]; !ok {
				unknown = word
			}
			return ""
		})
		if unknown != "" {
			return fmt.Errorf("explanations.yaml: %s has {%s}, and there is no such word", name, unknown)
		}
	}
	return nil
}

func (f *explanationFile) explain(v model.Verdict, facts Facts) Explanation {
	name := string(v.Reason)
	if v.Status == model.Pending {
		name = pendingEntry
	}
	entry, ok := f.Reasons[name]
	if !ok {
		entry = f.Reasons[unknownEntry]
	}
	e := entry.Explanation
	if detailed, ok := entry.Details[v.Detail]; ok {
		e = detailed
	}
	value := func(word string) string {
		if known, _ := facts.value(word, v); known != "" {
			return known
		}
		return f.Words[word]
	}
	return Explanation{Title: fill(e.Title, value), Text: fill(e.Text, value), Fix: fill(e.Fix, value)}
}

// value returns what is known for a placeholder, as plain text. ok is false for one that there is not.
func (f Facts) value(word string, v model.Verdict) (text string, ok bool) {
	switch word {
	case "host":
		return plain(f.Host), true
	case "service":
		return plain(f.Service), true
	case "hop":
		return plain(f.Hop), true
	case "agent":
		return plain(f.Agent), true
	case "hint":
		return plain(v.Detail), true
	case "header":
		return headerOf(v.Reason), true
	case "sessions":
		if f.Sessions < 2 {
			return "", true
		}
		return strconv.Itoa(f.Sessions), true
	default:
		return "", false
	}
}

// headerOf names the header to look after.
func headerOf(r model.LinkReason) string {
	switch r {
	case model.TracestateLost, model.TracestateAltered:
		return "tracestate"
	case model.ParentRewritten, model.TraceRestarted, model.TraceparentDropped:
		return "traceparent"
	case model.HeadersDropped:
		return "traceparent and tracestate"
	case model.ByServerTiming, model.NoServerTiming, model.ServedFromCache:
		return "Server-Timing"
	default:
		return ""
	}
}

// fill puts values in the place of words in braces, once: what stands in braces within a value stays.
func fill(text string, value func(word string) string) string {
	before, rest, found := strings.Cut(text, "{")
	if !found {
		return text
	}
	var b strings.Builder
	for found {
		b.WriteString(before)
		var word string
		if word, rest, found = strings.Cut(rest, "}"); !found {
			b.WriteString("{" + word)
			break
		}
		b.WriteString(value(word))
		before, rest, found = strings.Cut(rest, "{")
		if !found {
			b.WriteString(before)
		}
	}
	return b.String()
}

// maxPlain bounds what an explanation repeats of one fact, in characters.
const maxPlain = 80

// plain makes text that users supplied fit to be read within a sentence: printable, without
// markup, and short.
func plain(s string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case r == '<' || r == '>' || r == '&' || r == unicode.ReplacementChar:
			continue
		case !unicode.IsPrint(r) || r == ' ':
			space = b.Len() > 0
			continue
		}
		if n++; n > maxPlain {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

package config

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// Print writes the configuration as a file that can be read again, with a
// comment after each value that says where it comes from. Tokens are left out: where there are some, the key
// is a comment that says how many, since a file must not say that there are none.
func (l *Loaded) Print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# The configuration in effect. After each value stands where it comes from.\n")
	section := ""
	each(reflect.ValueOf(&l.Serve).Elem(), "", true, func(s Setting, v reflect.Value) {
		outer, key, nested := strings.Cut(s.Key, ".")
		indent := ""
		switch {
		case !nested:
			key = s.Key
		case outer != section:
			fmt.Fprintf(&b, "\n%s:\n", outer)
			section = outer
			fallthrough
		default:
			indent = "  "
		}
		from := string(l.sources[s.Key])
		if l.sources[s.Key] == FromFile {
			from = "file, line " + strconv.Itoa(l.file.lineOf(s.Key))
		}
		if !nested {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s# %s\n", indent, s.Help)
		switch values := v.Interface().(type) {
		case Secrets:
			if len(values) > 0 {
				fmt.Fprintf(&b, "%s# %s: [] # %s; %d with those of %s_file, not shown: set them again\n", indent, key, from, len(values), key)
				break
			}
			fmt.Fprintf(&b, "%s%s: [] # %s\n", indent, key, from)
		case []Application:
			writeApplications(&b, key, values, from)
		default:
			fmt.Fprintf(&b, "%s%s: %s # %s\n", indent, key, scalar(values), from)
		}
	})
	_, err := io.WriteString(w, b.String())
	return err
}

func writeApplications(b *strings.Builder, key string, list []Application, from string) {
	if len(list) == 0 {
		fmt.Fprintf(b, "%s: [] # %s\n", key, from)
		return
	}
	fmt.Fprintf(b, "%s: # %s\n", key, from)
	for _, a := range list {
		fmt.Fprintf(b, "  - id: %s\n    name: %s\n    origins: %s\n    no_origin: %t\n", quote(a.ID), quote(a.Name), quoteAll(a.Origins), a.NoOrigin)
	}
}

// quote writes a text as JSON does, which is YAML too.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("config: a string that is no JSON: " + err.Error()) // there is none
	}
	return string(text)
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// scalar writes a value as YAML.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case []string:
		return quoteAll(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	default: // whole numbers, booleans, durations
		return fmt.Sprint(v)
	}
}

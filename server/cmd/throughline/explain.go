package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/link"
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
)

type explainCommand struct {
	Reason string `arg:"" optional:"" help:"A link.reason, such as tracestate_lost; with /detail for one of its details; all where left out."`
}

// explainWidth is how long the lines of an explanation are.
const explainWidth = 100

// Run prints the explanations that the UI and the API give with verdicts.
func (c *explainCommand) Run(s streams) error {
	reason, detail, one := strings.Cut(c.Reason, "/")
	all := link.Entries()
	if c.Reason != "" {
		all = slices.DeleteFunc(all, func(e link.Entry) bool {
			return reasonName(&e) != reason || one && e.Detail != detail
		})
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no reason %q (throughline explain lists them all)", c.Reason)
	}
	w := bufio.NewWriter(s.stdout)
	for i := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		printEntry(w, &all[i])
	}
	return w.Flush()
}

// reasonName returns the reason; a pending verdict, which has none, goes by its status.
func reasonName(e *link.Entry) string {
	if e.Status == model.Pending {
		return string(e.Status)
	}
	return string(e.Reason)
}

func printEntry(w io.Writer, e *link.Entry) {
	name := reasonName(e)
	if e.Detail != "" {
		name += "/" + e.Detail
	}
	if e.Status == model.Pending {
		fmt.Fprintf(w, "%s: %s\n", name, e.Title)
	} else {
		fmt.Fprintf(w, "%s (%s): %s\n", name, e.Status, e.Title)
	}
	printWrapped(w, e.Text)
	if e.Fix != "" {
		printWrapped(w, "To do: "+e.Fix)
	}
}

// printWrapped prints text in lines that begin with two spaces.
func printWrapped(w io.Writer, text string) {
	length := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case length == 0:
			fmt.Fprint(w, "  ")
			length = 1
		case length+1+len(word) > explainWidth-2:
			fmt.Fprint(w, "\n  ")
			length = 0
		default:
			fmt.Fprint(w, " ")
			length++
		}
		fmt.Fprint(w, word)
		length += len(word)
	}
	fmt.Fprintln(w)
}

// explain words a verdict for the API.
func explain(v model.Verdict, e *model.Evidence) query.Explanation {
	var known link.Facts
	if e != nil {
		known = link.FactsOf(e, v)
	}
	x := link.Explain(v, known)
	return query.Explanation{Title: x.Title, Text: x.Text, Fix: x.Fix}
}

// allExplanations are those of all verdicts, for the API.
func allExplanations() []query.ReasonExplanation {
	var all []query.ReasonExplanation
	for _, e := range link.Entries() {
		all = append(all, query.ReasonExplanation{
			Status: string(e.Status), Reason: string(e.Reason), Detail: e.Detail,
			Explanation: query.Explanation{Title: e.Title, Text: e.Text, Fix: e.Fix},
		})
	}
	return all
}

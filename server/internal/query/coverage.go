package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// VerdictCounts counts requests by verdict.
type VerdictCounts struct {
	Requests      int64    `json:"requests" doc:"All of them"`
	Linked        int64    `json:"linked"`
	Partial       int64    `json:"partial"`
	Unlinked      int64    `json:"unlinked"`
	NotApplicable int64    `json:"not_applicable"`
	Pending       int64    `json:"pending"`
	LinkedShare   *float64 `json:"linked_share,omitempty" doc:"Linked among linked, partial and unlinked, 0 to 1; left out where there is none of these"`
}

func (c *VerdictCounts) add(status model.LinkStatus, n int64) {
	c.Requests += n
	switch status {
	case model.Linked:
		c.Linked += n
	case model.Partial:
		c.Partial += n
	case model.Unlinked:
		c.Unlinked += n
	case model.NotApplicable:
		c.NotApplicable += n
	case model.Pending:
		c.Pending += n
	}
	c.LinkedShare = share(c.Linked, c.Linked+c.Partial+c.Unlinked)
}

// Coverage is how many requests are linked, over time and by the value of a field.
type Coverage struct {
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	StepSeconds int64            `json:"step_seconds"`
	By          string           `json:"by,omitempty"`
	Total       VerdictCounts    `json:"total"`
	Series      []CoverageSeries `json:"series" nullable:"false" doc:"One for each value of by, the most frequent first; without by just one"`
}

// CoverageSeries is the coverage of requests that have one value.
type CoverageSeries struct {
	Value  string          `json:"value" doc:"Empty: requests without one; an ellipsis: all beyond the 20 most frequent"`
	Total  VerdictCounts   `json:"total"`
	Points []CoveragePoint `json:"points" nullable:"false" doc:"By time; steps without requests are left out"`
}

// CoveragePoint is the coverage in one step of time.
type CoveragePoint struct {
	StartTime time.Time `json:"start_time"`
	VerdictCounts
}

// CoverageQuery asks for the coverage of what is selected.
type CoverageQuery struct {
	Selection
	Step string // such as 5m; empty: by the length of the range
	By   string // a field; empty: all together
}

// The limits of the steps of a series.
const (
	niceSteps = 120 // about as many as a chart can show
	maxSteps  = 1500
)

// stepFor returns the shortest round step that divides a range into at most niceSteps.
func stepFor(length time.Duration) time.Duration {
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day,
	}
	for _, s := range steps {
		if length <= niceSteps*s {
			return s
		}
	}
	return 7 * day
}

func readStep(text string, length time.Duration) (time.Duration, error) {
	if text == "" {
		return stepFor(length), nil
	}
	step, ok := parseDuration(text)
	if !ok || step <= 0 {
		return 0, &Error{Invalid, "step is not a length of time", "write a whole number with a unit: 10s, 5m, 1h, 1d; or leave it out"}
	}
	if length/step > maxSteps {
		return 0, &Error{Invalid, "step is too short for this range", fmt.Sprintf("at most %d steps fit one answer; leave step out for a fitting one", maxSteps)}
	}
	return step, nil
}

// facet reads the name of a field that requests may be counted by.
func facet(parameter, name string) (store.Field, error) {
	f, _ := fieldOf(name)
	if f.IsFacet() {
		return f, nil
	}
	var all []string
	for _, f := range store.Fields() {
		if f.IsFacet() {
			all = append(all, string(f))
		}
	}
	return "", &Error{Invalid, parameter + " is not a field that requests are counted by", "it is one of " + strings.Join(all, ", ")}
}

// Coverage counts requests by time, verdict and the value of a field.
func (q *Engine) Coverage(ctx context.Context, in CoverageQuery) (Coverage, error) {
	f, within, err := q.summed(in.Selection, ofRequests())
	if err != nil {
		return Coverage{}, err
	}
	ask := store.CoverageQuery{Filter: f}
	if ask.Step, err = readStep(in.Step, within.length()); err != nil {
		return Coverage{}, err
	}
	if in.By != "" {
		if ask.By, err = facet("by", in.By); err != nil {
			return Coverage{}, err
		}
	}
	counts, err := q.reader.Coverage(ctx, ask)
	if err != nil {
		return Coverage{}, fmt.Errorf("counting requests: %w", err)
	}
	out := Coverage{From: within.from, To: within.to, StepSeconds: int64(ask.Step / time.Second), By: string(ask.By)}
	out.Series = series(counts)
	for _, c := range counts {
		out.Total.add(c.Status, c.Count)
	}
	return out, nil
}

// series sorts counts into one series for each value, by the order of their size.
func series(counts []store.CoverageCount) []CoverageSeries {
	place := map[string]int{}
	all := []CoverageSeries{}
	for _, c := range counts {
		i, ok := place[c.Value]
		if !ok {
			i = len(all)
			place[c.Value] = i
			all = append(all, CoverageSeries{Value: c.Value, Points: []CoveragePoint{}})
		}
		s := &all[i]
		if n := len(s.Points); n == 0 || !s.Points[n-1].StartTime.Equal(c.Start) {
			s.Points = append(s.Points, CoveragePoint{StartTime: c.Start.UTC()})
		}
		s.Points[len(s.Points)-1].add(c.Status, c.Count)
		s.Total.add(c.Status, c.Count)
	}
	slices.SortStableFunc(all, func(a, b CoverageSeries) int {
		if a.Value == store.Other || b.Value == store.Other { // the rest stands last
			return cmp.Compare(rank(a.Value), rank(b.Value))
		}
		return cmp.Or(cmp.Compare(b.Total.Requests, a.Total.Requests), cmp.Compare(a.Value, b.Value))
	})
	return all
}

func rank(value string) int {
	if value == store.Other {
		return 1
	}
	return 0
}

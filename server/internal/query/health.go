package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// LinkHealth says how well the requests of each host or application link, and what to do about it.
type LinkHealth struct {
	From  time.Time         `json:"from"`
	To    time.Time         `json:"to"`
	Items []LinkHealthEntry `json:"items" nullable:"false" doc:"The 20 with the most requests, then all others together"`
}

// LinkHealthEntry is how well the requests of one host or application link.
type LinkHealthEntry struct {
	Value string `json:"value" doc:"The host or the application's id; empty: requests without one; an ellipsis: all others together"`
	Name  string `json:"name,omitempty" doc:"Of an application, as the server's settings have it"`
	VerdictCounts
	Reasons  []FacetValue `json:"reasons" nullable:"false" doc:"Requests by link.reason, the most frequent first; empty reason: pending"`
	Services []string     `json:"services" nullable:"false" doc:"Seen behind it"`
	Problem  *LinkProblem `json:"problem,omitempty" doc:"What keeps most of its requests from being linked; left out where nothing does"`
}

// LinkProblem is the most frequent reason for which requests are not linked in full.
type LinkProblem struct {
	Reason      string      `json:"link.reason"`
	Detail      string      `json:"link.detail,omitempty" doc:"Of the newest request that it befell"`
	Requests    int64       `json:"requests"`
	Explanation Explanation `json:"explanation"`
	RequestID   string      `json:"request.id,omitempty" doc:"The newest request that it befell"`
}

const maxHealthServices = 16

// Hosts tells how well requests to each host link.
func (q *Engine) Hosts(ctx context.Context, in Selection) (LinkHealth, error) {
	out, err := q.health(ctx, in, store.FieldHost)
	if err != nil {
		return LinkHealth{}, err
	}
	services, err := q.reader.Services(ctx, store.MaxLimit)
	if err != nil {
		return LinkHealth{}, fmt.Errorf("listing services: %w", err)
	}
	for i := range out.Items {
		item := &out.Items[i]
		for _, s := range services {
			if slices.Contains(s.Hosts, item.Value) && !slices.Contains(item.Services, s.Name) && len(item.Services) < maxHealthServices {
				item.Services = append(item.Services, s.Name)
			}
		}
		slices.Sort(item.Services)
	}
	return out, nil
}

// Applications tells how well the requests of each application link.
func (q *Engine) Applications(ctx context.Context, in Selection) (LinkHealth, error) {
	out, err := q.health(ctx, in, store.FieldApplication)
	if err != nil {
		return LinkHealth{}, err
	}
	f, _, err := q.summed(in, ofRequests())
	if err != nil {
		return LinkHealth{}, err
	}
	for i := range out.Items {
		item := &out.Items[i]
		if item.Value == store.Other {
			continue
		}
		item.Name = q.names[item.Value]
		spread, err := q.reader.Facets(ctx, with(f, equal(store.FieldApplication, item.Value)), []store.Field{store.FieldService}, maxHealthServices)
		if err != nil {
			return LinkHealth{}, fmt.Errorf("counting by service: %w", err)
		}
		for _, v := range spread[0].Values {
			if v.Value != "" {
				item.Services = append(item.Services, v.Value)
			}
		}
		slices.Sort(item.Services)
	}
	return out, nil
}

// addedTerms is how many terms the questions below add to a filter.
const addedTerms = 2

func (q *Engine) health(ctx context.Context, in Selection, by store.Field) (LinkHealth, error) {
	f, within, err := q.summed(in, ofRequests())
	if err != nil {
		return LinkHealth{}, err
	}
	if most := store.MaxTerms - addedTerms; len(f.Terms) > most {
		return LinkHealth{}, &Error{Invalid, "the filter has too many terms", fmt.Sprintf("at most %d fit this question", most)}
	}
	counts, err := q.reader.Coverage(ctx, store.CoverageQuery{Filter: f, By: by})
	if err != nil {
		return LinkHealth{}, fmt.Errorf("counting requests: %w", err)
	}
	out := LinkHealth{within.from, within.to, []LinkHealthEntry{}}
	var values []string
	for _, s := range series(counts) {
		out.Items = append(out.Items, LinkHealthEntry{Value: s.Value, VerdictCounts: s.Total, Reasons: []FacetValue{}, Services: []string{}})
		if s.Value != store.Other {
			values = append(values, s.Value)
		}
	}
	if len(values) == 0 {
		return out, nil
	}
	spread, err := q.reasonsBy(ctx, f, by, values)
	if err != nil {
		return LinkHealth{}, err
	}
	for i := range out.Items[:len(values)] { // the rest stands last
		item := &out.Items[i]
		item.Reasons = append(item.Reasons, spread[item.Value]...)
		if item.Problem, err = q.problem(ctx, f, by, item); err != nil {
			return LinkHealth{}, err
		}
	}
	return out, nil
}

// with returns a filter with one more term.
func with(f store.Filter, t store.Term) store.Filter {
	f.Terms = append(slices.Clip(f.Terms), t)
	return f
}

// reasonsBy counts the requests of each value by reason, the most frequent first. It asks once a reason, of which
// there are fewer than values.
func (q *Engine) reasonsBy(ctx context.Context, f store.Filter, by store.Field, values []string) (map[string][]FacetValue, error) {
	present, err := q.reader.Facets(ctx, f, []store.Field{store.FieldReason}, store.MaxCoverageValues)
	if err != nil {
		return nil, fmt.Errorf("counting by reason: %w", err)
	}
	f = with(f, store.Term{Field: by, Values: values})
	spread := map[string][]FacetValue{}
	for _, reason := range present[0].Values {
		counts, err := q.reader.Coverage(ctx, store.CoverageQuery{Filter: with(f, equal(store.FieldReason, reason.Value)), By: by})
		if err != nil {
			return nil, fmt.Errorf("counting by reason: %w", err)
		}
		for _, s := range series(counts) {
			spread[s.Value] = append(spread[s.Value], FacetValue{reason.Value, s.Total.Requests})
		}
	}
	for _, all := range spread {
		slices.SortFunc(all, func(a, b FacetValue) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	}
	return spread, nil
}

// problem returns the most frequent reason for which requests of a host or application are not linked in full, in
// the words for the newest of them; nil where there is none.
func (q *Engine) problem(ctx context.Context, f store.Filter, by store.Field, item *LinkHealthEntry) (*LinkProblem, error) {
	i := slices.IndexFunc(item.Reasons, func(r FacetValue) bool {
		status := statusOf(model.LinkReason(r.Value))
		return status == model.Partial || status == model.Unlinked
	})
	if i < 0 {
		return nil, nil
	}
	reason := item.Reasons[i]
	newest, err := q.reader.Requests(ctx, with(with(f, equal(by, item.Value)), equal(store.FieldReason, reason.Value)), store.Page{Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("looking for an example: %w", err)
	}
	v := model.Verdict{Status: statusOf(model.LinkReason(reason.Value)), Reason: model.LinkReason(reason.Value)}
	p := &LinkProblem{Reason: reason.Value, Requests: reason.Count}
	if len(newest) == 1 { // else it was judged anew a moment ago
		v = newest[0].Link.Verdict
		p.Detail, p.RequestID = v.Detail, newest[0].ID.String()
	}
	var known *model.Evidence
	if by == store.FieldHost {
		known = &model.Evidence{Request: model.RequestEvent{Host: item.Value}}
	}
	p.Explanation = q.explain(v, known)
	return p, nil
}

func statusOf(reason model.LinkReason) model.LinkStatus {
	for _, r := range reasons() {
		if r.reason == reason {
			return r.status
		}
	}
	return model.Pending
}

// ExplanationList is every reason in words.
type ExplanationList struct {
	Explanations []ReasonExplanation `json:"explanations" nullable:"false" doc:"In the order of the linking contract"`
}

// ReasonExplanation is what a verdict's reason means and what to do about it.
type ReasonExplanation struct {
	Status string `json:"link.status" enum:"linked,partial,unlinked,not_applicable,pending"`
	Reason string `json:"link.reason,omitempty" doc:"Left out of pending"`
	Detail string `json:"link.detail,omitempty" doc:"Where the reason has other words for this detail"`
	Explanation
}

// Explanations returns every reason in words, and the details for which a reason has words of its own.
func (q *Engine) Explanations() ExplanationList { return ExplanationList{notNil(q.explanations)} }

package query

import (
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
	VerdictCounts
	Reasons  []FacetValue `json:"reasons" nullable:"false" doc:"Requests by link.reason, the most frequent first; empty reason: pending"`
	Services []string     `json:"services" nullable:"false" doc:"Seen behind it"`
	Problem  *LinkProblem `json:"problem,omitempty" doc:"What keeps most of its requests from being linked; left out where nothing does"`
}

// LinkProblem is the most frequent reason for which requests are not linked in full.
type LinkProblem struct {
	Reason      string      `json:"link.reason"`
	Detail      string      `json:"link.detail,omitempty" doc:"The most frequent one"`
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
	return q.health(ctx, in, store.FieldApplication)
}

func (q *Engine) health(ctx context.Context, in Selection, by store.Field) (LinkHealth, error) {
	f, within, err := q.summed(in, ofRequests())
	if err != nil {
		return LinkHealth{}, err
	}
	if len(f.Terms)+3 > store.MaxTerms { // what is added below
		return LinkHealth{}, &Error{Invalid, "the filter has too many terms", fmt.Sprintf("at most %d fit this question", store.MaxTerms-3)}
	}
	counts, err := q.reader.Coverage(ctx, store.CoverageQuery{Filter: f, By: by})
	if err != nil {
		return LinkHealth{}, fmt.Errorf("counting requests: %w", err)
	}
	out := LinkHealth{within.from, within.to, []LinkHealthEntry{}}
	for _, s := range series(counts) {
		item := LinkHealthEntry{Value: s.Value, VerdictCounts: s.Total, Reasons: []FacetValue{}, Services: []string{}}
		if s.Value != store.Other {
			var known *model.Evidence
			if by == store.FieldHost {
				known = &model.Evidence{Request: model.RequestEvent{Host: s.Value}}
			}
			if err := q.explainHealth(ctx, with(f, equal(by, s.Value)), known, &item); err != nil {
				return LinkHealth{}, err
			}
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// with returns a filter with one more term.
func with(f store.Filter, t store.Term) store.Filter {
	f.Terms = append(slices.Clip(f.Terms), t)
	return f
}

// explainHealth tells the reasons and services of one host or application, and its greatest problem, in words
// that name what is known.
func (q *Engine) explainHealth(ctx context.Context, f store.Filter, known *model.Evidence, item *LinkHealthEntry) error {
	spread, err := q.reader.Facets(ctx, f, []store.Field{store.FieldReason, store.FieldService}, store.MaxCoverageValues)
	if err != nil {
		return fmt.Errorf("counting by reason: %w", err)
	}
	for _, facet := range spread {
		switch facet.Field {
		case store.FieldReason:
			item.Reasons = shown(facet.Values, func(v *store.FacetValue) FacetValue { return FacetValue(*v) })
		case store.FieldService:
			for _, v := range facet.Values {
				if v.Value != "" && len(item.Services) < maxHealthServices {
					item.Services = append(item.Services, v.Value)
				}
			}
			slices.Sort(item.Services)
		}
	}
	for _, r := range item.Reasons {
		status := statusOf(model.LinkReason(r.Value))
		if status != model.Partial && status != model.Unlinked {
			continue
		}
		item.Problem, err = q.problem(ctx, with(f, equal(store.FieldReason, r.Value)), model.Verdict{Status: status, Reason: model.LinkReason(r.Value)}, r.Count, known)
		return err
	}
	return nil
}

func (q *Engine) problem(ctx context.Context, f store.Filter, v model.Verdict, count int64, known *model.Evidence) (*LinkProblem, error) {
	details, err := q.reader.Facets(ctx, f, []store.Field{store.FieldDetail}, 1)
	if err != nil {
		return nil, fmt.Errorf("counting by detail: %w", err)
	}
	if len(details) == 1 && len(details[0].Values) > 0 {
		v.Detail = details[0].Values[0].Value
	}
	p := &LinkProblem{Reason: string(v.Reason), Detail: v.Detail, Requests: count, Explanation: q.explain(v, known)}
	newest, err := q.reader.Requests(ctx, with(f, equal(store.FieldDetail, v.Detail)), store.Page{Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("looking for an example: %w", err)
	}
	if len(newest) == 1 {
		p.RequestID = newest[0].ID.String()
	}
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

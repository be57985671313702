package query

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// Facets is how the values of fields are spread over what is selected.
type Facets struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Facets []Facet   `json:"facets" nullable:"false"`
}

// Facet is the values of one field.
type Facet struct {
	Field     string       `json:"field"`
	Values    []FacetValue `json:"values" nullable:"false" doc:"The most frequent first"`
	Truncated bool         `json:"truncated,omitempty" doc:"There are more values"`
}

// FacetValue is one value and how many requests have it.
type FacetValue struct {
	Value string `json:"value" doc:"Empty: requests without one"`
	Count int64  `json:"count"`
}

// FacetQuery asks how values are spread.
type FacetQuery struct {
	Selection
	Fields []string // names or aliases; none: defaultFacets
	Limit  int      // values of each field
}

// The limits of facets.
const (
	MaxFacetFields = 10
	MaxFacetValues = 100
)

func defaultFacets() []string {
	return []string{"status", "reason", "host", "kind", "service", "browser"}
}

// Facets counts requests by the values of fields.
func (q *Engine) Facets(ctx context.Context, in FacetQuery) (Facets, error) {
	if len(in.Fields) == 0 {
		in.Fields = defaultFacets()
	}
	if len(in.Fields) > MaxFacetFields {
		return Facets{}, &Error{Invalid, "there are too many fields", fmt.Sprintf("name at most %d, separated by commas", MaxFacetFields)}
	}
	if in.Limit < 1 || in.Limit > MaxFacetValues {
		return Facets{}, &Error{Invalid, "limit is out of range", fmt.Sprintf("limit must be 1 to %d", MaxFacetValues)}
	}
	fields := make([]store.Field, len(in.Fields))
	for i, name := range in.Fields {
		var err error
		if fields[i], err = facet("a name in fields", name); err != nil {
			return Facets{}, err
		}
	}
	f, within, err := q.summed(in.Selection, ofRequests())
	if err != nil {
		return Facets{}, err
	}
	found, err := q.reader.Facets(ctx, f, fields, in.Limit+1)
	if err != nil {
		return Facets{}, fmt.Errorf("counting by fields: %w", err)
	}
	return Facets{within.from, within.to, shown(found, func(f *store.Facet) Facet {
		kept := f.Values[:min(len(f.Values), in.Limit)]
		return Facet{string(f.Field), shown(kept, func(v *store.FacetValue) FacetValue { return FacetValue(*v) }), len(f.Values) > in.Limit}
	})}, nil
}

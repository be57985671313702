package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var filterTests = []testCase{
	{"each field of a request is found by its value", testRequestFields},
	{"each field of a page load is found by its value", testNavigationFields},
	{"each field of an error is found by its value", testErrorFields},
	{"numbers compare as numbers", testNumberTerms},
	{"terms combine", testTerms},
	{"the endpoint is the route, else the pattern", testEndpointField},
	{"filters that are not well-formed are refused", testRefusedFilters},
}

// checkTerms asks for each field of one event whose fields are all set, beside a bare one.
func checkTerms(t *testing.T, has func(store.Field) bool, text func(store.Field) string, find func(store.Filter) []int) {
	t.Helper()
	for _, f := range store.Fields() {
		if !has(f) {
			continue
		}
		ask := func(op store.Op, not bool, values ...string) []int {
			return find(store.Filter{Terms: []store.Term{{Field: f, Op: op, Values: values, Not: not}}})
		}
		v := text(f)
		if got := ask(store.Equal, false, v); !slices.Equal(got, []int{1}) {
			t.Errorf("%s = %q: %v, want 1", f, v, got)
		}
		if got := ask(store.Equal, true, v); !slices.Equal(got, []int{2}) {
			t.Errorf("%s != %q: %v, want 2", f, v, got)
		}
		if f.IsNumber() || f == store.FieldTrace {
			continue
		}
		if got := ask(store.Equal, false, "other", v, "another"); !slices.Equal(got, []int{1}) {
			t.Errorf("%s of several, one of them %q: %v, want 1", f, v, got)
		}
		if got := ask(store.Equal, false, strings.ToUpper(v)); len(got) != 0 {
			t.Errorf("%s = %q, in upper case: %v, want none", f, strings.ToUpper(v), got)
		}
		if got := ask(store.Contains, false, "no", strings.ToUpper(v[1:])); !slices.Equal(got, []int{1}) {
			t.Errorf("%s contains %q: %v, want 1", f, strings.ToUpper(v[1:]), got)
		}
		if f != store.FieldStatus { // which a request always has
			if got := ask(store.Equal, false, ""); !slices.Equal(got, []int{2}) {
				t.Errorf("without %s: %v, want 2", f, got)
			}
		}
	}
}

func testRequestFields(t *testing.T, st Store) {
	e, l := filled[model.RequestEvent](field), filled[model.Link](field)
	e.ID, l.RequestID, l.Row = eventID(1), eventID(1), 0
	l.Entry.Route = "" // see testEndpointField
	write(t, st, store.Batch{Requests: []model.RequestEvent{e, {ID: eventID(2), Start: epoch}}})
	putLinks(t, st, 0, l)
	text := func(f store.Field) string {
		switch f {
		case store.FieldTrace:
			return e.Answer.TraceID.String()
		case store.FieldDuration:
			return formatNumber(store.Milliseconds(e.Duration))
		default:
			return requestFields{&model.LinkedRequest{RequestEvent: e, Link: l}}.text(f)
		}
	}
	checkTerms(t, store.Field.OfRequest, text, func(f store.Filter) []int {
		got, err := st.Requests(t.Context(), f, store.Page{Limit: 10})
		if err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		return ids(got)
	})
}

func testNavigationFields(t *testing.T, st Store) {
	e := filled[model.NavigationEvent](field)
	e.ID = eventID(1)
	write(t, st, store.Batch{Navigations: []model.NavigationEvent{e, {ID: eventID(2), Start: epoch}}})
	text := func(f store.Field) string {
		if f == store.FieldDuration {
			return formatNumber(store.Milliseconds(e.Duration))
		}
		return navigationFields{&e}.text(f)
	}
	checkTerms(t, store.Field.OfNavigation, text, func(f store.Filter) []int {
		got, err := st.PageLoads(t.Context(), f, store.Page{Limit: 10})
		if err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		var n []int
		for _, e := range got {
			n = append(n, number(e.ID))
		}
		return n
	})
}

func testErrorFields(t *testing.T, st Store) {
	e := filled[model.ErrorEvent](field)
	e.ID = eventID(1)
	write(t, st, store.Batch{Errors: []model.ErrorEvent{e, {ID: eventID(2), Time: epoch}}})
	checkTerms(t, store.Field.OfError, errorFields{&e}.text, func(f store.Filter) []int {
		got, err := st.ErrorGroups(t.Context(), f, 10)
		if err != nil {
			t.Errorf("%+v: %v", f, err)
		}
		var n []int
		for _, g := range got {
			n = append(n, number(g.Latest.ID))
		}
		return n
	})
}

func testNumberTerms(t *testing.T, st Store) {
	var b store.Batch
	for n, e := range []struct {
		status int
		d      time.Duration
	}{
		{0, 0}, {99, 1}, {200, 1_500_000}, {1000, 2 * time.Millisecond}, {404, time.Hour},
	} {
		r := request(n + 1)
		r.StatusCode, r.Duration = e.status, e.d
		b.Requests = append(b.Requests, r)
	}
	write(t, st, b)
	for _, tc := range []struct {
		term store.Term
		want []int
	}{
		{store.Term{Field: store.FieldStatusCode, Values: []string{"200"}}, []int{3}},
		{store.Term{Field: store.FieldStatusCode, Values: []string{"2e2", "0.0"}}, []int{3, 1}},
		{store.Term{Field: store.FieldStatusCode, Values: []string{"-0"}}, []int{1}},
		{store.Term{Field: store.FieldStatusCode, Values: []string{"200.5"}}, nil},
		{store.Term{Field: store.FieldStatusCode, Op: store.Greater, Values: []string{"99"}}, []int{5, 4, 3}},
		{store.Term{Field: store.FieldStatusCode, Op: store.Greater, Values: []string{"98.5"}}, []int{5, 4, 3, 2}},
		{store.Term{Field: store.FieldStatusCode, Op: store.Less, Values: []string{"404"}}, []int{3, 2, 1}},
		{store.Term{Field: store.FieldStatusCode, Op: store.Less, Values: []string{"404"}, Not: true}, []int{5, 4}},
		{store.Term{Field: store.FieldStatusCode, Op: store.Less, Values: []string{"1e300"}}, []int{5, 4, 3, 2, 1}},
		{store.Term{Field: store.FieldDuration, Values: []string{"1.5"}}, []int{3}},
		{store.Term{Field: store.FieldDuration, Values: []string{"0.000001"}}, []int{2}},
		{store.Term{Field: store.FieldDuration, Op: store.Greater, Values: []string{"1.5"}}, []int{5, 4}},
		{store.Term{Field: store.FieldDuration, Op: store.Greater, Values: []string{"1.499999"}}, []int{5, 4, 3}},
		{store.Term{Field: store.FieldDuration, Op: store.Less, Values: []string{"2"}}, []int{3, 2, 1}},
	} {
		got, err := st.Requests(t.Context(), store.Filter{Terms: []store.Term{tc.term}}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), tc.want) {
			t.Errorf("%+v: requests %v, want %v", tc.term, ids(got), tc.want)
		}
	}
}

func testTerms(t *testing.T, st Store) {
	var b store.Batch
	for n := 1; n <= 8; n++ {
		e := request(n)
		e.URL = "https://shop.example/" + []string{"a", "ab", "abc", "b"}[n%4]
		e.Method = []string{"GET", "POST"}[n%2]
		b.Requests = append(b.Requests, e)
	}
	write(t, st, b)
	contains := func(part string) store.Term {
		return store.Term{Field: store.FieldURL, Op: store.Contains, Values: []string{"/" + part}}
	}
	not := func(t store.Term) store.Term { t.Not = true; return t }
	for _, tc := range []struct {
		name  string
		terms []store.Term
		want  []int
	}{
		{"none", nil, []int{8, 7, 6, 5, 4, 3, 2, 1}},
		{"two of one field", []store.Term{contains("a"), contains("ab")}, []int{6, 5, 2, 1}},
		{"one of one field, and another not", []store.Term{contains("a"), not(contains("ab"))}, []int{8, 4}},
		{"of two fields", []store.Term{contains("ab"), {Field: store.FieldMethod, Values: []string{"GET"}}}, []int{6, 2}},
		{"none of two values", []store.Term{{Field: store.FieldMethod, Values: []string{"GET", "POST"}, Not: true}}, nil},
		{"both a term and its contrary", []store.Term{contains("a"), not(contains("a"))}, nil},
	} {
		got, err := st.Requests(t.Context(), store.Filter{Terms: tc.terms}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), tc.want) {
			t.Errorf("%s: requests %v, want %v", tc.name, ids(got), tc.want)
		}
	}
}

func testEndpointField(t *testing.T, st Store) {
	both, pattern := request(1), request(2)
	both.URLPattern, pattern.URLPattern = "/pattern", "/pattern"
	write(t, st, store.Batch{Requests: []model.RequestEvent{both, pattern, request(3)}})
	putLinks(t, st, 0, model.Link{RequestID: both.ID, JudgedAt: epoch, Entry: model.EntryFacts{Route: "/route"}})
	for value, want := range map[string][]int{"/route": {1}, "/pattern": {2}, "": {3}} {
		got, err := st.Requests(t.Context(), where(store.FieldEndpoint, value), store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids(got), want) {
			t.Errorf("endpoint %q: requests %v, want %v", value, ids(got), want)
		}
	}
}

func testRefusedFilters(t *testing.T, st Store) {
	term := func(f store.Field, op store.Op, values ...string) store.Term {
		return store.Term{Field: f, Op: op, Values: values}
	}
	for _, terms := range [][]store.Term{
		{term("color", store.Equal, "red")},
		{term(store.FieldErrorType, store.Equal, "TypeError")}, // of errors alone
		{term(store.FieldURL, store.Equal)},
		{term(store.FieldURL, store.Equal, make([]string, store.MaxValues+1)...)},
		{term(store.FieldURL, store.Equal, strings.Repeat("x", store.MaxValueBytes+1))},
		slices.Repeat([]store.Term{term(store.FieldURL, store.Equal, "x")}, store.MaxTerms+1),
		{term(store.FieldURL, store.Greater, "1")},
		{term(store.FieldURL, 4, "x")},
		{term(store.FieldURL, -1, "x")},
		{term(store.FieldStatusCode, store.Equal, "")},
		{term(store.FieldStatusCode, store.Equal, "OK")},
		{term(store.FieldStatusCode, store.Less, "NaN")},
		{term(store.FieldStatusCode, store.Less, "Inf")},
		{term(store.FieldStatusCode, store.Less, "0x10")},
		{term(store.FieldStatusCode, store.Less, "1e999")},
		{term(store.FieldStatusCode, store.Contains, "2")},
		{term(store.FieldDuration, store.Less, "1", "2")},
		{term(store.FieldTrace, store.Equal, "")},
		{term(store.FieldTrace, store.Equal, traceID(1).String(), traceID(2).String())},
		{term(store.FieldTrace, store.Contains, "2fdc")},
	} {
		f := store.Filter{Terms: terms}
		for name, ask := range map[string]func() error{
			"Requests": func() error { _, err := st.Requests(t.Context(), f, store.Page{Limit: 1}); return err },
			"Tail":     func() error { _, _, err := st.Tail(t.Context(), 0, f, 1); return err },
			"Facets": func() error {
				_, err := st.Facets(t.Context(), f, []store.Field{store.FieldHost}, 1)
				return err
			},
			"Coverage":  func() error { _, err := st.Coverage(t.Context(), store.CoverageQuery{Filter: f}); return err },
			"Endpoints": func() error { _, err := st.Endpoints(t.Context(), f, 1); return err },
			"Sessions":  func() error { _, err := st.Sessions(t.Context(), f, 1); return err },
			"PageLoads": func() error { _, err := st.PageLoads(t.Context(), f, store.Page{Limit: 1}); return err },
		} {
			if ask() == nil {
				t.Errorf("%s takes %.200v", name, terms)
			}
		}
	}
	for _, f := range []store.Field{store.FieldHost, store.FieldErrorType} {
		if _, err := st.PageLoads(t.Context(), where(f, "x"), store.Page{Limit: 1}); err == nil {
			t.Errorf("PageLoads takes %s", f)
		}
	}
	for _, f := range []store.Field{store.FieldHost, store.FieldDuration} {
		if _, err := st.ErrorGroups(t.Context(), where(f, "1"), 1); err == nil {
			t.Errorf("ErrorGroups takes %s", f)
		}
	}
}

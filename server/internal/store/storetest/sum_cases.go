package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var sumTests = []testCase{
	{"facets count the most frequent values", testFacets},
	{"facets of what is none are refused", testRefusedFacets},
	{"coverage divides by time and verdict", testCoverage},
	{"coverage divides by value, and the rare ones stand together", testCoverageByValue},
	{"endpoints are summed up", testEndpoints},
	{"the quantiles of an endpoint are of ranks", testQuantiles},
	{"the time of an endpoint adds up", testEndpointTime},
	{"an endpoint's errors are answers and failures", testEndpointErrors},
	{"sessions are of what is selected", testSessions},
	{"sessions are ordered and bounded", testSessionsOrder},
	{"errors are grouped by fingerprint", testErrorGroups},
}

// requestsWith returns requests 1 to n, each changed by set.
func requestsWith(n int, set func(n int, e *model.RequestEvent)) []model.RequestEvent {
	all := make([]model.RequestEvent, n)
	for i := range all {
		all[i] = request(i + 1)
		set(i+1, &all[i])
	}
	return all
}

// judged returns the link with which a request is stored that has a status alone.
func judged(n int, status model.LinkStatus) model.Link {
	return model.Link{RequestID: eventID(n), JudgedAt: epoch, Verdict: model.Verdict{Status: status}}
}

func testFacets(t *testing.T, st Store) {
	hosts := []string{"b", "b", "a", "a", "", "B", "é", "z"}
	write(t, st, store.Batch{Requests: requestsWith(len(hosts), func(n int, e *model.RequestEvent) {
		e.Host, e.StatusCode = hosts[n-1], []int{0, 200, 1000}[n%3]
	})})
	putLinks(t, st, 0, judged(1, model.Linked), judged(2, model.Linked), judged(3, model.Pending))
	fields := []store.Field{store.FieldStatus, store.FieldHost, store.FieldStatusCode, store.FieldService, store.FieldHost}
	host := store.Facet{Field: store.FieldHost, Values: []store.FacetValue{
		{Value: "a", Count: 2}, {Value: "b", Count: 2}, {Value: "", Count: 1}, {Value: "B", Count: 1}, {Value: "z", Count: 1}, {Value: "é", Count: 1},
	}}
	want := []store.Facet{
		{Field: store.FieldStatus, Values: []store.FacetValue{{Value: "pending", Count: 6}, {Value: "linked", Count: 2}}},
		host,
		{Field: store.FieldStatusCode, Values: []store.FacetValue{{Value: "1000", Count: 3}, {Value: "200", Count: 3}, {Value: "0", Count: 2}}},
		{Field: store.FieldService, Values: []store.FacetValue{{Value: "", Count: 8}}},
		host,
	}
	for _, limit := range []int{1, 3, 6, store.MaxLimit} {
		short := slices.Clone(want)
		for i := range short {
			short[i].Values = short[i].Values[:min(limit, len(short[i].Values))]
		}
		got := must[[]store.Facet](t)(st.Facets(t.Context(), store.Filter{}, fields, limit))
		diff(t, fmt.Sprintf("limit %d", limit), short, got)
	}
	got := must[[]store.Facet](t)(st.Facets(t.Context(), where(store.FieldHost, "a"), fields[:1], 5))
	diff(t, "of a filter", []store.Facet{{Field: store.FieldStatus, Values: []store.FacetValue{{Value: "pending", Count: 2}}}}, got)
	if got := must[[]store.Facet](t)(st.Facets(t.Context(), store.Filter{}, nil, 5)); len(got) != 0 {
		t.Errorf("no fields have %d facets", len(got))
	}
	for _, f := range store.Fields() {
		if f.IsFacet() {
			got := must[[]store.Facet](t)(st.Facets(t.Context(), store.Filter{}, []store.Field{f}, 5))
			if len(got) != 1 || len(got[0].Values) == 0 {
				t.Errorf("the facet %s: %+v", f, got)
			}
		}
	}
}

func testRefusedFacets(t *testing.T, st Store) {
	for _, f := range []store.Field{"", "color", store.FieldURL, store.FieldDuration, store.FieldErrorType} {
		if _, err := st.Facets(t.Context(), store.Filter{}, []store.Field{store.FieldHost, f}, 5); err == nil {
			t.Errorf("Facets takes %q", f)
		}
		if f == "" {
			continue
		}
		if _, err := st.Coverage(t.Context(), store.CoverageQuery{By: f}); err == nil {
			t.Errorf("Coverage takes %q", f)
		}
	}
	if _, err := st.Coverage(t.Context(), store.CoverageQuery{Step: -1}); err == nil {
		t.Error("a negative step is taken")
	}
}

func testCoverage(t *testing.T, st Store) {
	starts := []time.Time{
		time.Unix(120, 0), time.Unix(119, 999_999_999), time.Unix(60, 0), time.Unix(179, 0), time.Unix(125, 5), time.Unix(-1, 0), time.Unix(-60, 0),
	}
	write(t, st, store.Batch{Requests: requestsWith(len(starts), func(n int, e *model.RequestEvent) { e.Start = starts[n-1] })})
	putLinks(t, st, 0, judged(1, model.Unlinked), judged(3, model.Linked), judged(4, model.Unlinked), judged(7, model.Partial))
	for _, tc := range []struct {
		q    store.CoverageQuery
		want []store.CoverageCount
	}{
		{store.CoverageQuery{}, []store.CoverageCount{
			{Status: model.Linked, Count: 1}, {Status: model.Partial, Count: 1}, {Status: model.Pending, Count: 3}, {Status: model.Unlinked, Count: 2},
		}},
		{store.CoverageQuery{Step: time.Minute}, []store.CoverageCount{
			{Start: time.Unix(-60, 0), Status: model.Partial, Count: 1}, {Start: time.Unix(-60, 0), Status: model.Pending, Count: 1},
			{Start: time.Unix(60, 0), Status: model.Linked, Count: 1}, {Start: time.Unix(60, 0), Status: model.Pending, Count: 1},
			{Start: time.Unix(120, 0), Status: model.Pending, Count: 1}, {Start: time.Unix(120, 0), Status: model.Unlinked, Count: 2},
		}},
		{store.CoverageQuery{Step: time.Hour, Filter: store.Filter{From: time.Unix(0, 0), To: time.Unix(125, 5)}}, []store.CoverageCount{
			{Start: time.Unix(0, 0), Status: model.Linked, Count: 1}, {Start: time.Unix(0, 0), Status: model.Pending, Count: 1},
			{Start: time.Unix(0, 0), Status: model.Unlinked, Count: 1},
		}},
		{store.CoverageQuery{Filter: where(store.FieldStatus, "linked"), Step: 7 * time.Second}, []store.CoverageCount{
			{Start: time.Unix(56, 0), Status: model.Linked, Count: 1},
		}},
		{store.CoverageQuery{Filter: where(store.FieldStatus, "none"), Step: time.Second}, nil},
	} {
		diff(t, fmt.Sprintf("%+v", tc.q), tc.want, must[[]store.CoverageCount](t)(st.Coverage(t.Context(), tc.q)))
	}
}

func testCoverageByValue(t *testing.T, st Store) {
	// Host h00 has 30 requests and each next one fewer, but h19 to h22 have 11 each.
	var b store.Batch
	n := 0
	for h := range 23 {
		for range max(30-h, 11) {
			n++
			e := request(n)
			e.Host = fmt.Sprintf("h%02d", h)
			b.Requests = append(b.Requests, e)
		}
	}
	write(t, st, b)
	putLinks(t, st, 0, judged(1, model.Linked), judged(n, model.Linked))
	want := []store.CoverageCount{{Value: "h00", Status: model.Linked, Count: 1}, {Value: "h00", Status: model.Pending, Count: 29}}
	for h := 1; h < store.MaxCoverageValues; h++ {
		want = append(want, store.CoverageCount{Value: fmt.Sprintf("h%02d", h), Status: model.Pending, Count: int64(max(30-h, 11))})
	}
	want = append(want,
		store.CoverageCount{Value: store.Other, Status: model.Linked, Count: 1},
		store.CoverageCount{Value: store.Other, Status: model.Pending, Count: 32})
	q := store.CoverageQuery{By: store.FieldHost}
	diff(t, "by host", want, must[[]store.CoverageCount](t)(st.Coverage(t.Context(), q)))

	q.Terms = []store.Term{{Field: store.FieldHost, Values: []string{"h05", "h22"}}}
	diff(t, "by two hosts", []store.CoverageCount{
		{Value: "h05", Status: model.Pending, Count: 25}, {Value: "h22", Status: model.Linked, Count: 1}, {Value: "h22", Status: model.Pending, Count: 10},
	}, must[[]store.CoverageCount](t)(st.Coverage(t.Context(), q)))

	q = store.CoverageQuery{By: store.FieldStatusCode}
	diff(t, "by a number", []store.CoverageCount{
		{Value: "200", Status: model.Linked, Count: 2}, {Value: "200", Status: model.Pending, Count: int64(n - 2)},
	}, must[[]store.CoverageCount](t)(st.Coverage(t.Context(), q)))
}

func testEndpoints(t *testing.T, st Store) {
	places := []store.Endpoint{
		{Host: "b", Method: "GET", Endpoint: "/x"}, {Host: "b", Method: "GET", Endpoint: "/x"}, {Host: "b", Method: "GET", Endpoint: "/a"},
		{Host: "a", Method: "POST", Endpoint: "/x"}, {Host: "a", Method: "GET", Endpoint: "/z"}, {Host: "a", Method: "GET", Endpoint: ""},
		{Host: "b", Method: "GET", Endpoint: "/x"},
	}
	write(t, st, store.Batch{Requests: requestsWith(len(places), func(n int, e *model.RequestEvent) {
		e.Host, e.Method, e.URLPattern, e.Duration = places[n-1].Host, places[n-1].Method, places[n-1].Endpoint, 0
	})})
	moved := judged(7, model.Partial)
	moved.Entry.Route = "/a"
	putLinks(t, st, 0, judged(1, model.Linked), judged(2, model.Unlinked), judged(3, model.NotApplicable), moved)
	want := []store.Endpoint{
		{Host: "b", Method: "GET", Endpoint: "/a", Count: 2, Partial: 1},
		{Host: "b", Method: "GET", Endpoint: "/x", Count: 2, Linked: 1, Unlinked: 1},
		{Host: "a", Method: "GET", Endpoint: "", Count: 1},
		{Host: "a", Method: "GET", Endpoint: "/z", Count: 1},
		{Host: "a", Method: "POST", Endpoint: "/x", Count: 1},
	}
	for _, limit := range []int{1, 2, 5, store.MaxLimit} {
		got := must[[]store.Endpoint](t)(st.Endpoints(t.Context(), store.Filter{}, limit))
		diff(t, fmt.Sprintf("limit %d", limit), want[:min(limit, 5)], got)
	}
	diff(t, "of a filter", want[4:], must[[]store.Endpoint](t)(st.Endpoints(t.Context(), where(store.FieldMethod, "POST"), 5)))
}

func testQuantiles(t *testing.T, st Store) {
	for _, count := range []int{1, 2, 3, 4, 20, 21, 100} {
		host := fmt.Sprintf("host-%d", count)
		var b store.Batch
		for i := range count {
			e := request(1000*count + i)
			e.Host, e.Duration = host, time.Duration(count-i)*time.Millisecond
			b.Requests = append(b.Requests, e)
		}
		write(t, st, b)
		got := must[[]store.Endpoint](t)(st.Endpoints(t.Context(), where(store.FieldHost, host), 5))
		// The duration of rank r is r ms.
		of := func(rank int) time.Duration {
			return model.BucketDuration(model.DurationBucket(time.Duration(rank) * time.Millisecond))
		}
		want := [3]time.Duration{of((count*50 + 99) / 100), of((count*75 + 99) / 100), of((count*95 + 99) / 100)}
		if len(got) != 1 || want != [3]time.Duration{got[0].P50, got[0].P75, got[0].P95} {
			t.Errorf("of %d: %+v, want %v", count, got, want)
		}
	}
	var b store.Batch
	for n, d := range []time.Duration{0, 1, 999, 0, 999, 1 << 62} {
		e := request(n + 1)
		e.Host, e.Duration = "extremes", d
		b.Requests = append(b.Requests, e)
	}
	write(t, st, b)
	got := must[[]store.Endpoint](t)(st.Endpoints(t.Context(), where(store.FieldHost, "extremes"), 5))
	if got[0].P50 != 0 || got[0].P95 != model.BucketDuration(model.MaxDurationBucket) {
		t.Errorf("of extremes: %v and %v", got[0].P50, got[0].P95)
	}
}

func testEndpointTime(t *testing.T, st Store) {
	const ms = time.Millisecond
	whole := model.ResourceTiming{RequestStart: 30 * ms, ResponseStart: 80 * ms}
	with := func(set func(t *model.ResourceTiming)) model.ResourceTiming {
		t := whole
		set(&t)
		return t
	}
	entry := model.EntryFacts{Start: epoch, Duration: 40 * ms}
	cases := []struct {
		name     string
		duration time.Duration
		timing   model.ResourceTiming
		entry    model.EntryFacts
		want     store.Parts // all zero: not timed
	}{
		{"a connection at hand", 100 * ms, whole, entry, store.Parts{Frontend: 30 * ms, Network: 30 * ms, Backend: 40 * ms}},
		{"DNS", 100 * ms, with(func(t *model.ResourceTiming) {
			t.DomainLookupStart, t.DomainLookupEnd, t.ConnectStart, t.ConnectEnd = 10*ms, 15*ms, 15*ms, 20*ms
		}), entry,
			store.Parts{Frontend: 10 * ms, Network: 50 * ms, Backend: 40 * ms}},
		{"connecting alone", 100 * ms, with(func(t *model.ResourceTiming) {
			t.DomainLookupStart, t.DomainLookupEnd, t.ConnectStart, t.ConnectEnd = 5*ms, 5*ms, 15*ms, 20*ms
		}), entry,
			store.Parts{Frontend: 15 * ms, Network: 45 * ms, Backend: 40 * ms}},
		{"a redirect", 100 * ms, with(func(t *model.ResourceTiming) { t.RedirectStart, t.RedirectEnd = 5*ms, 25*ms }), entry,
			store.Parts{Frontend: 10 * ms, Network: 50 * ms, Backend: 40 * ms}},
		{"a redirect beyond the queueing", 100 * ms, with(func(t *model.ResourceTiming) { t.RedirectStart, t.RedirectEnd = 5*ms, 45*ms }), entry,
			store.Parts{Network: 60 * ms, Backend: 40 * ms}},
		{"a backend that goes on after the answer", 100 * ms, whole, model.EntryFacts{Start: epoch, Duration: time.Hour}, store.Parts{Backend: 100 * ms}},
		{"a backend that leaves little", 60 * ms, whole, entry, store.Parts{Frontend: 20 * ms, Backend: 40 * ms}},
		{"no time in the backend", 100 * ms, whole, model.EntryFacts{Start: epoch}, store.Parts{Frontend: 30 * ms, Network: 70 * ms}},
		{"no entry span", 100 * ms, whole, model.EntryFacts{Service: "s", Duration: 40 * ms}, store.Parts{}},
		{"no start", 100 * ms, with(func(t *model.ResourceTiming) { t.RequestStart = 0 }), entry, store.Parts{}},
		{"no answer", 100 * ms, with(func(t *model.ResourceTiming) { t.ResponseStart = 0 }), entry, store.Parts{}},
		{"no duration", 0, whole, entry, store.Parts{}},
	}
	var all store.Parts
	var timed int64
	for i, tc := range cases {
		e := request(i + 1)
		e.Duration, e.Timing, e.URLPattern = tc.duration, tc.timing, tc.name
		write(t, st, store.Batch{Requests: []model.RequestEvent{e}})
		l := judged(i+1, model.Linked)
		l.Entry = tc.entry
		putLinks(t, st, 0, l)
		got := must[[]store.Endpoint](t)(st.Endpoints(t.Context(), where(store.FieldEndpoint, tc.name), 5))
		if parts := (store.Parts{Frontend: got[0].Frontend, Network: got[0].Network, Backend: got[0].Backend}); parts != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, parts, tc.want)
		}
		if want := tc.want != (store.Parts{}); want != (got[0].Timed == 1) {
			t.Errorf("%s: timed %d", tc.name, got[0].Timed)
		}
		all.Frontend, all.Network, all.Backend = all.Frontend+tc.want.Frontend, all.Network+tc.want.Network, all.Backend+tc.want.Backend
		timed += got[0].Timed
	}
	write(t, st, store.Batch{Requests: []model.RequestEvent{{ID: eventID(99), Start: epoch, Host: "none"}}})
	var sum store.Parts
	var count int64
	for _, e := range must[[]store.Endpoint](t)(st.Endpoints(t.Context(), store.Filter{}, 50)) {
		sum.Frontend, sum.Network, sum.Backend = sum.Frontend+e.Frontend, sum.Network+e.Network, sum.Backend+e.Backend
		count += e.Timed
	}
	if sum != all || count != timed {
		t.Errorf("all together: %+v of %d, want %+v of %d", sum, count, all, timed)
	}
}

func testEndpointErrors(t *testing.T, st Store) {
	cases := []struct {
		reason model.ErrorReason
		status int
		fails  bool
	}{
		{"", 0, false}, {"", 200, false}, {"", 399, false}, {"", 400, true}, {"", 599, true},
		{model.ErrorUnknownReason, 0, true}, {"timeout", 200, true}, {model.ErrorAbortUnsent, 0, false}, {model.ErrorOffline, 0, false},
		{model.ErrorBlocked, 0, false}, {model.ErrorInvalidCall, 0, false}, {model.ErrorOffline, 503, true},
	}
	write(t, st, store.Batch{Requests: requestsWith(len(cases), func(n int, e *model.RequestEvent) {
		e.Error, e.StatusCode, e.SessionID = cases[n-1].reason, cases[n-1].status, strconv.Itoa(n)
		e.URLPattern = fmt.Sprintf("/%02d", n)
	})})
	for i, e := range must[[]store.Endpoint](t)(st.Endpoints(t.Context(), store.Filter{}, 50)) {
		if tc := cases[i]; (e.Errors == 1) != tc.fails {
			t.Errorf("%q, status %d: %d errors", tc.reason, tc.status, e.Errors)
		}
	}
	for i, s := range must[[]store.Session](t)(st.Sessions(t.Context(), store.Filter{}, 50)) {
		if tc := cases[len(cases)-1-i]; (s.Failed == 1) != tc.fails {
			t.Errorf("%q, status %d: %d failed in the session", tc.reason, tc.status, s.Failed)
		}
	}
}

func testSessions(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: requestsWith(8, func(n int, e *model.RequestEvent) {
		e.SessionID = []string{"s", "t", "s", "", "s", "s", "s", "t"}[n-1]
		e.ApplicationID, e.InstanceID = fmt.Sprintf("app %d", n), fmt.Sprintf("instance %d", n)
		e.Client.Browser, e.Client.Address = fmt.Sprintf("browser %d", n), "192.0.2.0/24"
		e.Start = epoch.Add(time.Duration(n/6) * time.Second) // 1 to 5 have equal starts, and so have 6 to 8
		if n%2 == 1 {
			e.Kind = model.KindDocument
		}
		if n == 3 {
			e.StatusCode = 500
		}
	})})
	putLinks(t, st, 0, judged(1, model.Linked), judged(3, model.Linked), judged(5, model.Unlinked), judged(6, model.Partial))
	session := func(id string, last int, first time.Duration, s store.Session) store.Session {
		s.ID, s.ApplicationID, s.InstanceID = id, fmt.Sprintf("app %d", last), fmt.Sprintf("instance %d", last)
		s.Client = model.Client{Browser: fmt.Sprintf("browser %d", last), Address: "192.0.2.0/24"}
		s.Start, s.End = epoch.Add(first), epoch.Add(time.Duration(last/6)*time.Second)
		return s
	}
	for _, tc := range []struct {
		name string
		f    store.Filter
		want []store.Session
	}{
		{"all", store.Filter{}, []store.Session{
			session("t", 8, 0, store.Session{Requests: 2}),
			session("s", 7, 0, store.Session{Requests: 5, PageLoads: 4, Failed: 1, Linked: 2, Partial: 1, Unlinked: 1}),
		}},
		{"to a time", store.Filter{To: epoch.Add(time.Second)}, []store.Session{
			session("t", 2, 0, store.Session{Requests: 1}),
			session("s", 5, 0, store.Session{Requests: 3, PageLoads: 3, Failed: 1, Linked: 2, Unlinked: 1}),
		}},
		{"from a time", store.Filter{From: epoch.Add(1)}, []store.Session{
			session("t", 8, time.Second, store.Session{Requests: 1}),
			session("s", 7, time.Second, store.Session{Requests: 2, PageLoads: 1, Partial: 1}),
		}},
		{"by status", where(store.FieldStatus, "unlinked"), []store.Session{
			session("s", 5, 0, store.Session{Requests: 1, PageLoads: 1, Unlinked: 1}),
		}},
		{"none", where(store.FieldSession, ""), nil},
	} {
		diff(t, tc.name, tc.want, must[[]store.Session](t)(st.Sessions(t.Context(), tc.f, 10)))
	}
}

func testSessionsOrder(t *testing.T, st Store) {
	write(t, st, store.Batch{Requests: requestsWith(30, func(n int, e *model.RequestEvent) {
		e.SessionID = fmt.Sprintf("s%02d", 31-n)
		e.Start = epoch.Add(time.Duration(n / 4))
	})})
	var want []string
	for n := 30; n > 0; n-- {
		want = append(want, fmt.Sprintf("s%02d", 31-n))
	}
	slices.SortStableFunc(want, func(a, b string) int {
		at := func(s string) int { var n int; fmt.Sscanf(s, "s%d", &n); return (31 - n) / 4 }
		if c := at(b) - at(a); c != 0 {
			return c
		}
		return cmp.Compare(b, a)
	})
	for _, limit := range []int{1, 5, 30, store.MaxLimit} {
		var got []string
		for _, s := range must[[]store.Session](t)(st.Sessions(t.Context(), store.Filter{}, limit)) {
			got = append(got, s.ID)
		}
		diff(t, fmt.Sprintf("limit %d", limit), want[:min(limit, 30)], got)
	}
}

func testErrorGroups(t *testing.T, st Store) {
	var b store.Batch
	for i, e := range []struct {
		fingerprint byte
		session     string
		at          time.Duration
	}{
		{2, "s", 5}, {0xff, "s", 1}, {2, "t", 3}, {2, "s", 5}, {0xff, "", 1}, {7, "", 9}, {1, "s", 2}, {0xff, "u", 0},
	} {
		b.Errors = append(b.Errors, model.ErrorEvent{
			ID: eventID(i + 1), Time: epoch.Add(e.at), Fingerprint: [8]byte{e.fingerprint}, Message: strconv.Itoa(i + 1),
			Frontend: model.Frontend{SessionID: e.session},
		})
	}
	write(t, st, b)
	group := func(fingerprint byte, count, sessions int64, first, last time.Duration, latest int) store.ErrorGroup {
		return store.ErrorGroup{
			Fingerprint: [8]byte{fingerprint}, Count: count, Sessions: sessions, First: epoch.Add(first), Last: epoch.Add(last), Latest: b.Errors[latest-1],
		}
	}
	want := []store.ErrorGroup{group(2, 3, 2, 3, 5, 4), group(0xff, 3, 2, 0, 1, 5), group(1, 1, 1, 2, 2, 7), group(7, 1, 0, 9, 9, 6)}
	for _, limit := range []int{1, 3, store.MaxLimit} {
		got := must[[]store.ErrorGroup](t)(st.ErrorGroups(t.Context(), store.Filter{}, limit))
		diff(t, fmt.Sprintf("limit %d", limit), want[:min(limit, 4)], got)
	}
	got := must[[]store.ErrorGroup](t)(st.ErrorGroups(t.Context(), store.Filter{From: epoch.Add(1), To: epoch.Add(5)}, 10))
	diff(t, "of a range", []store.ErrorGroup{group(0xff, 2, 1, 1, 1, 5), group(1, 1, 1, 2, 2, 7), group(2, 1, 1, 3, 3, 3)}, got)
	got = must[[]store.ErrorGroup](t)(st.ErrorGroups(t.Context(), where(store.FieldSession, "s"), 10))
	diff(t, "of a session", []store.ErrorGroup{group(2, 2, 1, 5, 5, 4), group(1, 1, 1, 2, 2, 7), group(0xff, 1, 1, 1, 1, 2)}, got)
}

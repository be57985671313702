package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// question draws a question to the Reader, the Janitor or the Writer.
func (w *world) question() question {
	kinds := []func() question{
		w.askRequests, w.askRequests, w.askRequest, w.askTail, w.askTrace, w.askTraceRequests, w.askTraceRequests, w.askTraces, w.askTraces, w.askEvidence, w.askEvidence,
		w.askFacets, w.askCoverage, w.askCoverage, w.askEndpoints, w.askServiceMap, w.askServices, w.askSessions, w.askEvents, w.askPageLoads,
		w.askErrorGroups, w.askErrors, w.askAnnotations, w.askUsage, w.askPosition,
	}
	return pick(w, kinds...)()
}

// limit is mostly of use, now and then at or beyond the bounds.
func (w *world) limit() int {
	return pick(w, 1+w.IntN(5), 1+w.IntN(50), store.MaxLimit, pick(w, 1, 10, -1, 0, store.MaxLimit+1))
}

func (w *world) page() store.Page {
	p := store.Page{Limit: w.limit()}
	if w.IntN(2) == 0 {
		p.Before = &store.Place{Start: w.moment(), ID: w.id()}
		if r := w.stored(); r != nil && w.IntN(3) > 0 {
			*p.Before = placeOf(r)
		}
	}
	return p
}

// moment is a bound of a range: often just where a request starts.
func (w *world) moment() time.Time {
	if r := w.stored(); r != nil && w.IntN(2) == 0 {
		return r.Start.Add(time.Duration(w.IntN(3)-1) * pick(w, 0, 1, time.Second))
	}
	return w.time()
}

// window is a range, often without bounds and now and then empty.
func (w *world) window() (from, to time.Time) {
	if w.IntN(3) == 0 {
		from = w.moment()
	}
	if w.IntN(3) == 0 {
		to = w.moment()
	}
	return from, to
}

// stored returns any request that is there; nil where there is none.
func (w *world) stored() *model.LinkedRequest {
	if len(w.memory.requests) == 0 {
		return nil
	}
	return &pick(w, w.memory.requests...).LinkedRequest
}

func (w *world) filter(has func(store.Field) bool) store.Filter {
	var f store.Filter
	f.From, f.To = w.window()
	for range pick(w, 0, 0, 1, 1, 2, 3) {
		field := pick(w, store.Fields()...)
		for !has(field) && w.IntN(60) > 0 { // one that is not had is refused
			field = pick(w, store.Fields()...)
		}
		f.Terms = append(f.Terms, w.term(field))
	}
	return f
}

func (w *world) term(field store.Field) store.Term {
	t := store.Term{Field: field, Not: w.IntN(4) == 0}
	switch {
	case field == store.FieldTrace:
		t.Values = []string{w.traceID().String()}
	case field.IsNumber():
		t.Op = pick(w, store.Equal, store.Greater, store.Less)
	default:
		t.Op = pick(w, store.Equal, store.Equal, store.Contains)
	}
	if w.IntN(60) == 0 {
		t.Op = store.Op(w.IntN(6) - 1)
	}
	for range pick(w, 1, 1, 1, 2, 4) {
		if field != store.FieldTrace && (len(t.Values) == 0 || t.Op == store.Equal || t.Op == store.Contains) {
			t.Values = append(t.Values, w.value(&t))
		}
	}
	return t
}

// value is one that a stored event has, or any other.
func (w *world) value(t *store.Term) string {
	r := w.stored()
	switch {
	case t.Field == store.FieldDuration:
		d := w.duration()
		if r != nil {
			d = pick(w, d, r.Duration)
		}
		return formatNumber(store.Milliseconds(d))
	case t.Field.IsNumber():
		return pick(w, strconv.Itoa(pick(w, statuses...)), "200.0", "2e2", "-1", "199.5", "1e300", "x", "NaN")
	case r == nil || !t.Field.OfRequest() || w.IntN(6) == 0:
		return pick(w, pick(w, texts...), "exception", "TypeError", "csp", "")
	}
	v := requestFields{r}.text(t.Field)
	if t.Op == store.Contains {
		runes := []rune(v)
		from := w.IntN(len(runes) + 1)
		v = string(runes[from : from+w.IntN(len(runes)-from+1)])
		if w.IntN(3) == 0 {
			v = pick(w, "SHOP", "Cart", "ä", "Щ", "%", "_", `\`)
		}
	}
	return v
}

func asking(name string, args any, ask func(ctx context.Context, st Store) (any, error)) question {
	return question{text: fmt.Sprintf("%s %+v", name, args), ask: func(ctx context.Context, s *side) (any, error) { return ask(ctx, s.st) }}
}

func (w *world) askRequests() question {
	f, p := w.filter(store.Field.OfRequest), w.page()
	return asking("Requests", []any{f, show(p)}, func(ctx context.Context, st Store) (any, error) { return st.Requests(ctx, f, p) })
}

// show is a page as it is read in a report.
func show(p store.Page) string {
	if p.Before == nil {
		return fmt.Sprintf("limit %d", p.Limit)
	}
	return fmt.Sprintf("limit %d before %v %v", p.Limit, p.Before.Start, p.Before.ID)
}

func (w *world) askRequest() question {
	id := w.id()
	if r := w.stored(); r != nil && w.IntN(2) == 0 {
		id = r.ID
	}
	return asking("Request", id, func(ctx context.Context, st Store) (any, error) { return st.Request(ctx, id) })
}

// askTail walks from the end of a write to the end of all. Places and the order within
// a write are each engine's own.
func (w *world) askTail() question {
	f, limit, write := w.filter(store.Field.OfRequest), 1+w.IntN(30), w.IntN(w.writes+1)
	text := fmt.Sprintf("Tail of %+v after write %d in steps of %d", f, write, limit)
	return question{text: text, ask: func(ctx context.Context, s *side) (any, error) {
		var after uint64
		if write > 0 && write <= len(s.bookmarks) {
			after = s.bookmarks[write-1]
		}
		var all []model.LinkedRequest
		for range maxPortions {
			found, next, err := s.st.Tail(ctx, after, f, limit)
			if err != nil {
				return nil, err
			}
			if len(found) > limit || next < after {
				return nil, fmt.Errorf("%d found for the limit %d, and the place went from %d to %d", len(found), limit, after, next)
			}
			all, after = append(all, found...), next
			if len(found) < limit {
				break
			}
		}
		slices.SortFunc(all, func(a, b model.LinkedRequest) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		_, end, err := s.st.Tail(ctx, 0, f, 0)
		if after < end { // when what was last has gone, the end may be before it
			return nil, fmt.Errorf("the walk ends at %d, and the end is %d", after, end)
		}
		return all, err
	}}
}

func (w *world) askTrace() question {
	id, limit := w.traceID(), pick(w, 0, 1, w.IntN(20), 10_000, -1)
	return asking("Trace", []any{id, limit}, func(ctx context.Context, st Store) (any, error) { return st.Trace(ctx, id, limit) })
}

func (w *world) askTraceRequests() question {
	id, limit := w.traceID(), w.limit()
	return asking("TraceRequests", []any{id, limit}, func(ctx context.Context, st Store) (any, error) { return st.TraceRequests(ctx, id, limit) })
}

func (w *world) askTraces() question {
	q := store.TraceQuery{Error: w.IntN(4) == 0, Limit: w.limit()}
	q.From, q.To = w.window()
	if len(w.memory.spans) > 0 {
		s := pick(w, w.memory.spans...)
		q.Service, q.Name = often(w, 2, s.Service), often(w, 2, pick(w, s.Name, s.Route, "CART", "a"))
		if w.IntN(2) == 0 {
			q.MinDuration = s.Duration + pick[time.Duration](w, 0, 0, 1, -1)
		}
		if w.IntN(3) == 0 {
			q.Before = &store.TracePlace{Start: s.Start, ID: s.TraceID}
		}
	}
	text := fmt.Sprintf("%+v, before %+v", q, q.Before)
	return asking("Traces", text, func(ctx context.Context, st Store) (any, error) { return st.Traces(ctx, q) })
}

func (w *world) askEvidence() question {
	id, maxSpans := w.id(), pick(w, 0, 1, w.IntN(20), 5000, -1)
	if r := w.stored(); r != nil && w.IntN(4) > 0 {
		id = r.ID
	}
	return asking("Evidence", []any{id, maxSpans}, func(ctx context.Context, st Store) (any, error) { return st.Evidence(ctx, id, maxSpans) })
}

func (w *world) askFacets() question {
	f, limit := w.filter(store.Field.OfRequest), w.limit()
	var fields []store.Field
	for range w.IntN(8) {
		if field := pick(w, store.Fields()...); field.IsFacet() || w.IntN(30) == 0 {
			fields = append(fields, field)
		}
	}
	return asking("Facets", []any{f, fields, limit}, func(ctx context.Context, st Store) (any, error) { return st.Facets(ctx, f, fields, limit) })
}

func (w *world) askCoverage() question {
	q := store.CoverageQuery{
		Filter: w.filter(store.Field.OfRequest),
		Step:   pick(w, 0, 0, 0, time.Second, 7*time.Second, time.Minute, time.Hour, 24*time.Hour, 1, -time.Duration(w.IntN(2))),
		By:     pick(w, "", "", store.FieldAgent, store.FieldHost, store.FieldStatusCode, store.FieldDetail, store.FieldEndpoint, store.FieldService, store.FieldAgent, store.FieldAgent, store.FieldURL),
	}
	return asking("Coverage", q, func(ctx context.Context, st Store) (any, error) { return st.Coverage(ctx, q) })
}

func (w *world) askEndpoints() question {
	f, limit := w.filter(store.Field.OfRequest), w.limit()
	return asking("Endpoints", []any{f, limit}, func(ctx context.Context, st Store) (any, error) { return st.Endpoints(ctx, f, limit) })
}

func (w *world) askServiceMap() question {
	q := store.ServiceMapQuery{ApplicationID: pick(w, applications...), MaxSpans: pick(w, 1, 1+w.IntN(100), store.MaxServiceMapSpans, 0, store.MaxServiceMapSpans+1)}
	q.From, q.To = w.window()
	return asking("ServiceMap", q, func(ctx context.Context, st Store) (any, error) { return st.ServiceMap(ctx, q) })
}

func (w *world) askServices() question {
	limit := w.limit()
	return asking("Services", limit, func(ctx context.Context, st Store) (any, error) { return st.Services(ctx, limit) })
}

func (w *world) askSessions() question {
	f, limit := w.filter(store.Field.OfRequest), w.limit()
	return asking("Sessions", []any{f, limit}, func(ctx context.Context, st Store) (any, error) { return st.Sessions(ctx, f, limit) })
}

func (w *world) askEvents() question {
	k, limit := store.EventsKey{SessionID: pick(w, sessions...)}, pick(w, 0, w.IntN(20), 10_000)
	if w.IntN(2) == 0 {
		k = store.EventsKey{PageID: pick(w, pages...), SessionID: often(w, 2, k.SessionID)}
		if w.IntN(8) > 0 {
			k.SessionID = ""
		}
	}
	return asking("Events", []any{k, limit}, func(ctx context.Context, st Store) (any, error) { return st.Events(ctx, k, limit) })
}

func (w *world) askPageLoads() question {
	f, p := w.filter(store.Field.OfNavigation), w.page()
	return asking("PageLoads", []any{f, show(p)}, func(ctx context.Context, st Store) (any, error) { return st.PageLoads(ctx, f, p) })
}

func (w *world) askErrorGroups() question {
	f, limit := w.filter(store.Field.OfError), w.limit()
	return asking("ErrorGroups", []any{f, limit}, func(ctx context.Context, st Store) (any, error) { return st.ErrorGroups(ctx, f, limit) })
}

func (w *world) askErrors() question {
	fingerprint, p := w.fingerprint(), w.page()
	return asking("Errors", []any{fingerprint, show(p)}, func(ctx context.Context, st Store) (any, error) { return st.Errors(ctx, fingerprint, p) })
}

func (w *world) askAnnotations() question {
	from, to := w.window()
	limit := w.limit()
	return asking("Annotations", []any{from, to, limit}, func(ctx context.Context, st Store) (any, error) { return st.Annotations(ctx, from, to, limit) })
}

func (w *world) askUsage() question {
	return asking("Usage", "", func(ctx context.Context, st Store) (any, error) {
		u, err := st.Usage(ctx)
		u.Bytes = 0 // each engine's own
		return u, err
	})
}

func (w *world) askPosition() question {
	return asking("Position", "", func(ctx context.Context, st Store) (any, error) { return st.Position(ctx) })
}

package store

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// What sums up over requests is written down here once, in whole numbers, so that an
// engine may do it in SQL and give the same answer.

// Failed reports whether a request counts as an error: it has no answer although it was
// sent, or a status of 400 and more.
func Failed(r *model.RequestEvent) bool {
	return r.Error != "" && !r.Error.NeverSent() || r.StatusCode >= 400
}

// EndpointOf returns the value of FieldEndpoint: the entry span's route, else the URL's pattern.
func EndpointOf(r *model.LinkedRequest) string {
	if r.Link.Entry.Route != "" {
		return r.Link.Entry.Route
	}
	return r.URLPattern
}

// Milliseconds returns the value of FieldDuration: nanoseconds as a float64, divided by 1e6.
func Milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// Parts is where the time of a request went; the three add up to its duration.
type Parts struct {
	Frontend time.Duration // the request waited in the browser: queueing, a service worker
	Network  time.Duration // the rest: redirects, DNS, connecting, both ways
	Backend  time.Duration // the entry span, as far as the request lasted
}

// PartsOf divides a request's duration; ok is false where it is not known: no entry span is
// stored, RequestStart, ResponseStart or the duration is not positive.
//
//	Backend  = Entry.Duration, within 0 and Duration
//	Frontend = (DomainLookupStart where DomainLookupEnd > DomainLookupStart,
//	            else ConnectStart where ConnectEnd > ConnectStart, else RequestStart)
//	           less the redirects (RedirectEnd - RedirectStart, where positive), within 0 and Duration - Backend
//	Network  = Duration - Backend - Frontend
func PartsOf(r *model.LinkedRequest) (p Parts, ok bool) {
	t, e := &r.Timing, &r.Link.Entry
	if e.Start.IsZero() || t.RequestStart <= 0 || t.ResponseStart <= 0 || r.Duration <= 0 {
		return Parts{}, false
	}
	p.Backend = max(0, min(e.Duration, r.Duration))
	p.Frontend = t.RequestStart
	switch {
	case t.DomainLookupEnd > t.DomainLookupStart:
		p.Frontend = t.DomainLookupStart
	case t.ConnectEnd > t.ConnectStart:
		p.Frontend = t.ConnectStart
	}
	p.Frontend -= max(0, t.RedirectEnd-t.RedirectStart)
	p.Frontend = max(0, min(p.Frontend, r.Duration-p.Backend))
	p.Network = r.Duration - p.Backend - p.Frontend
	return p, true
}

// Buckets counts durations by model.DurationBucket.
type Buckets map[int16]int64

// Quantile returns the middle of the bucket that holds the duration of rank
// ceil(count*percent/100); zero where there are none.
func (b Buckets) Quantile(percent int64) time.Duration {
	var count, upTo int64
	for _, n := range b {
		count += n
	}
	rank := (count*percent + 99) / 100
	for i := int16(0); i <= model.MaxDurationBucket; i++ {
		if upTo += b[i]; upTo >= rank && upTo > 0 {
			return model.BucketDuration(i)
		}
	}
	return 0
}

// StepStart returns the start of the step that a time lies in: the last multiple of step
// since 1970 that is not after it, also before 1970.
func StepStart(t time.Time, step time.Duration) time.Time {
	n, s := t.UnixNano(), int64(step)
	r := n % s
	if r < 0 {
		r += s
	}
	return time.Unix(0, n-r).UTC()
}

// ContainsFold reports whether a text contains a part, both in lower case rune by rune
// (unicode.ToLower, so ß is no ss); an empty part stands in all.
func ContainsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// CheckLimit reports a limit that is not 1 to MaxLimit.
func CheckLimit(limit int) error {
	if limit < 1 || limit > MaxLimit {
		return fmt.Errorf("store: the limit %d is not in 1 to %d", limit, MaxLimit)
	}
	return nil
}

// CheckAtLeast reports a limit under the least that makes sense.
func CheckAtLeast(limit, least int) error {
	if limit < least {
		return fmt.Errorf("store: the limit %d is less than %d", limit, least)
	}
	return nil
}

// Check reports the first fault of the query.
func (q *CoverageQuery) Check() error {
	if q.Step < 0 {
		return fmt.Errorf("store: the step %v is negative", q.Step)
	}
	if q.By != "" && !q.By.IsFacet() {
		return fmt.Errorf("store: requests are not counted by %q", q.By)
	}
	return q.Filter.Check(Field.OfRequest)
}

// CheckFacets reports the first fault of what Facets is asked for.
func CheckFacets(f *Filter, fields []Field, limit int) error {
	if len(fields) > len(Fields()) {
		return fmt.Errorf("store: facets of %d fields, and there are %d", len(fields), len(Fields()))
	}
	for _, field := range fields {
		if !field.IsFacet() {
			return fmt.Errorf("store: requests are not counted by %q", field)
		}
	}
	if err := CheckLimit(limit); err != nil {
		return err
	}
	return f.Check(Field.OfRequest)
}

// Check reports the first fault of the query.
func (q *TraceQuery) Check() error {
	if len(q.Name) > MaxValueBytes || len(q.Service) > MaxValueBytes {
		return fmt.Errorf("store: the name of a service or a span is longer than %d bytes", MaxValueBytes)
	}
	return CheckLimit(q.Limit)
}

// MaxServiceMapSpans bounds ServiceMapQuery.MaxSpans.
const MaxServiceMapSpans = 200_000

// Check reports the first fault of the query.
func (q *ServiceMapQuery) Check() error {
	if q.MaxSpans < 1 || q.MaxSpans > MaxServiceMapSpans {
		return fmt.Errorf("store: a map of %d spans; 1 to %d are allowed", q.MaxSpans, MaxServiceMapSpans)
	}
	return nil
}

// Check reports a key that names not just one of both.
func (k EventsKey) Check() error {
	if (k.SessionID == "") == (k.PageID == "") {
		return fmt.Errorf("store: events of a session or of a page are asked for; %q and %q name not just one", k.SessionID, k.PageID)
	}
	return nil
}

// Number returns a value of a term on a number field, which Check has seen.
func (t *Term) Number(i int) float64 {
	n, err := parseNumber(t.Values[i])
	if err != nil {
		return math.NaN()
	}
	return n
}

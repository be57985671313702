package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/query"
)

// Events is what the server knows of a visit beside its requests.
type Events struct {
	SoftNavigations int            `json:"soft_navigations"`
	WebVitals       map[string]int `json:"web_vitals"` // their number by name
	// PlantedError is the error that the visit meets on purpose; nil where it is not known.
	PlantedError *PlantedError `json:"planted_error"`
}

// PlantedError leads from the error that the page threw to the span that caused it. Its names are the API's.
type PlantedError struct {
	Message string `json:"exception.message"`
	// Request is the one that the error names; its ID is empty where the error names none.
	Request SummaryRow `json:"request"`
	// Span is the name of the span that failed in the trace of that request, and Service whose it is; empty where the
	// trace has no such span.
	Span    string `json:"span.name"`
	Service string `json:"service.name"`
}

// visitVitals are the web vitals that every visit has.
var visitVitals = []string{"CLS", "FCP", "INP", "LCP", "TTFB"}

// maxTimeline is the most that the API gives of a session, of each type.
const maxTimeline = 999

// WaitForEvents reads the timelines of the sessions that the requests are of, until they hold every soft navigation of
// the visit, each web vital, and the planted error with the request that failed, its trace and the span that failed in
// it, and a further look finds no more. Like WaitForVerdicts, it returns what it has with an error that says what is missing when the time is up.
func WaitForEvents(ctx context.Context, cfg VerdictsConfig, requests []query.Request) (Events, error) {
	var last Events
	before := -1
	err := cfg.wait(ctx, "the events", func(ctx context.Context) (missing, err error) {
		events, entries, err := readEvents(ctx, cfg, requests)
		if err != nil {
			return nil, err
		}
		if missing = events.missing(cfg.Visit); missing == nil && entries != before {
			missing = errGrowing
		}
		last, before = events, entries
		return missing, nil
	})
	return last, err
}

// readEvents returns the events, and how many entries the timelines have.
func readEvents(ctx context.Context, cfg VerdictsConfig, requests []query.Request) (events Events, entries int, err error) {
	events.WebVitals = map[string]int{}
	sessions := map[string]bool{}
	for _, r := range requests {
		if r.SessionID == "" || sessions[r.SessionID] {
			continue
		}
		sessions[r.SessionID] = true
		var timeline query.Timeline
		if err := cfg.read(ctx, fmt.Sprintf("sessions/%s/timeline?limit=%d", url.PathEscape(r.SessionID), maxTimeline), &timeline); err != nil {
			return events, 0, err
		}
		entries += len(timeline.Entries)
		for _, e := range timeline.Entries {
			switch {
			case e.PageLoad != nil && e.PageLoad.Type == "soft":
				events.SoftNavigations++
			case e.WebVital != nil:
				events.WebVitals[e.WebVital.Name]++
			case e.Error != nil && e.Error.Message == plantedError:
				planted, err := follow(ctx, cfg, e.Error)
				if err != nil {
					return events, 0, err
				}
				events.PlantedError = planted
			}
		}
	}
	return events, entries, nil
}

// follow goes from an error to its request, and from there to the span that failed.
func follow(ctx context.Context, cfg VerdictsConfig, e *query.ErrorEvent) (*PlantedError, error) {
	planted := &PlantedError{Message: e.Message}
	if e.RequestID == "" {
		return planted, nil
	}
	var detail query.RequestDetail
	if err := cfg.read(ctx, "requests/"+url.PathEscape(e.RequestID), &detail); err != nil {
		return planted, err
	}
	planted.Request = rowOf(&detail.Request)
	failed := func(r query.Row) bool { return r.Name == failingSpan && r.Error != "" }
	if i := slices.IndexFunc(detail.Trace.Rows, failed); i >= 0 {
		planted.Span, planted.Service = detail.Trace.Rows[i].Name, detail.Trace.Rows[i].Service
	}
	return planted, nil
}

// missing says what the server does not know of a visit; nil where it knows all of it.
func (e *Events) missing(v Visit) error {
	var errs []error
	if e.SoftNavigations != v.SoftNavigations {
		errs = append(errs, fmt.Errorf("%d soft navigations, the browser made %d", e.SoftNavigations, v.SoftNavigations))
	}
	for _, name := range visitVitals {
		if e.WebVitals[name] == 0 {
			errs = append(errs, fmt.Errorf("no %s", name))
		}
	}
	switch p := e.PlantedError; {
	case p == nil:
		errs = append(errs, fmt.Errorf("no error %q", plantedError))
	case p.Request.ID == "":
		errs = append(errs, errors.New("the planted error names no request"))
	case p.Request.Status != "linked":
		errs = append(errs, fmt.Errorf("the request of the planted error is %s", p.Request.Status))
	case p.Span == "":
		errs = append(errs, fmt.Errorf("the trace %s of the planted error has no failing span %q", p.Request.TraceID, failingSpan))
	}
	return errors.Join(errs...)
}

// write tells the events to people.
func (e *Events) write(w io.Writer) error {
	planted := "none"
	if p := e.PlantedError; p != nil {
		planted = fmt.Sprintf("%q of %s %s (%s), for which %q of %s failed in trace %s", p.Message, p.Request.Method, p.Request.URL,
			strings.Trim(p.Request.Status+"/"+p.Request.Reason, "/"), p.Span, cmp.Or(p.Service, "nobody"), cmp.Or(p.Request.TraceID, "none"))
	}
	_, err := fmt.Fprintf(w, "soft navigations: %d\nweb vitals: %s\nplanted error: %s\n", e.SoftNavigations, counts(e.WebVitals), printable(planted))
	return err
}

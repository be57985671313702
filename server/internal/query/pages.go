package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// PageLoad is one load of a page, or one view within it (W3C Navigation Timing 2).
type PageLoad struct {
	ID         string    `json:"id" doc:"Event id"`
	StartTime  time.Time `json:"start_time"`
	DurationMs float64   `json:"duration_ms,omitempty" doc:"To the end of the load event; left out where the page was left before"`
	Source
	URL                string     `json:"url.full"`
	URLPattern         string     `json:"url.template,omitempty" doc:"The path with what varies replaced"`
	Referrer           string     `json:"document.referrer,omitempty"`
	Title              string     `json:"document.title,omitempty"`
	Type               string     `json:"navigation.type,omitempty" doc:"navigate, reload, back_forward, prerender; of a view within the page: soft, bfcache"`
	ActivationStartMs  float64    `json:"performance.activation_start_ms,omitempty" doc:"After the start, like the next ones; left out where not reached"`
	DOMInteractiveMs   float64    `json:"performance.dom_interactive_ms,omitempty"`
	DOMContentLoadedMs float64    `json:"performance.dom_content_loaded_event_end_ms,omitempty"`
	DOMCompleteMs      float64    `json:"performance.dom_complete_ms,omitempty"`
	LoadEventStartMs   float64    `json:"performance.load_event_start_ms,omitempty"`
	LoadEventEndMs     float64    `json:"performance.load_event_end_ms,omitempty"`
	Attributes         Attributes `json:"attributes,omitempty"`
}

func newPageLoad(n *model.NavigationEvent) PageLoad {
	return PageLoad{
		ID: n.ID.String(), StartTime: n.Start.UTC(), DurationMs: milliseconds(n.Duration), Source: newSource(&n.Frontend),
		URL: n.URL, URLPattern: n.URLPattern, Referrer: n.Referrer, Title: n.Title, Type: n.Type,
		ActivationStartMs: milliseconds(n.ActivationStart), DOMInteractiveMs: milliseconds(n.DOMInteractive),
		DOMContentLoadedMs: milliseconds(n.DOMContentLoadedEventEnd), DOMCompleteMs: milliseconds(n.DOMComplete),
		LoadEventStartMs: milliseconds(n.LoadEventStart), LoadEventEndMs: milliseconds(n.LoadEventEnd), Attributes: Attributes(n.Attributes),
	}
}

// WebVital is one measurement of a Core Web Vital or a related metric.
type WebVital struct {
	ID     string    `json:"id" doc:"Event id"`
	Time   time.Time `json:"time"`
	Name   string    `json:"name" doc:"LCP, INP, CLS, FCP, TTFB"`
	Value  float64   `json:"value" doc:"Milliseconds; a score for CLS"`
	Rating string    `json:"rating,omitempty" doc:"good, needs-improvement, poor"`
	URL    string    `json:"url.full,omitempty" doc:"Of the page"`
	PageID string    `json:"page.instance_id,omitempty"`
	ViewID string    `json:"view.instance_id,omitempty"`

	Attributes Attributes `json:"attributes,omitempty" doc:"To what the value is put down, such as web_vital.target"`
}

func newWebVital(v *model.WebVital) WebVital {
	return WebVital{v.ID.String(), v.Time.UTC(), v.Name, v.Value, v.Rating, v.URL, v.PageID, v.ViewID, Attributes(v.Attributes)}
}

// Action is something that the user did.
type Action struct {
	ID         string     `json:"id" doc:"Event id, which is action.id of what belongs to it"`
	StartTime  time.Time  `json:"start_time"`
	DurationMs float64    `json:"duration_ms,omitempty" doc:"Until what it caused had settled"`
	Kind       string     `json:"action.type" doc:"click, tap, key, scroll, custom, ..."`
	Name       string     `json:"action.name,omitempty" doc:"What was acted upon"`
	URL        string     `json:"url.full,omitempty" doc:"Of the page"`
	PageID     string     `json:"page.instance_id,omitempty"`
	ViewID     string     `json:"view.instance_id,omitempty"`
	Attributes Attributes `json:"attributes,omitempty"`
}

func newAction(a *model.ActionEvent) Action {
	return Action{a.ID.String(), a.Start.UTC(), milliseconds(a.Duration), a.Kind, a.Name, a.URL, a.PageID, a.ViewID, Attributes(a.Attributes)}
}

// PageEvent is something else that happened in a page.
type PageEvent struct {
	ID         string     `json:"id" doc:"Event id"`
	StartTime  time.Time  `json:"start_time"`
	DurationMs float64    `json:"duration_ms,omitempty"`
	Type       string     `json:"type" enum:"custom,long_frame,visibility" doc:"custom: reported by the application; long_frame: the page could not answer meanwhile; visibility: it changed"`
	Name       string     `json:"name" doc:"The application's; animation_frame or task; visible or hidden"`
	URL        string     `json:"url.full,omitempty" doc:"Of the page"`
	PageID     string     `json:"page.instance_id,omitempty"`
	ViewID     string     `json:"view.instance_id,omitempty"`
	ActionID   string     `json:"action.id,omitempty"`
	Attributes Attributes `json:"attributes,omitempty"`
}

func newPageEvent(e *model.PageEvent) PageEvent {
	return PageEvent{
		e.ID.String(), e.Start.UTC(), milliseconds(e.Duration), e.Type, e.Name, e.URL, e.PageID, e.ViewID, e.ActionID, Attributes(e.Attributes),
	}
}

// PageLoadPage is one page of a listing of page loads.
type PageLoadPage struct {
	PageLoads  []PageLoad `json:"page_loads" nullable:"false"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Pass as cursor for the next page; left out on the last one"`
}

// PageLoads lists page loads, newest first.
func (q *Engine) PageLoads(ctx context.Context, in RequestQuery) (PageLoadPage, error) {
	f, err := q.listed(in.Selection, ofPageLoads())
	if err != nil {
		return PageLoadPage{}, err
	}
	p, err := pageLoadListing.page(in.Limit, in.Cursor)
	if err != nil {
		return PageLoadPage{}, err
	}
	found, err := q.reader.PageLoads(ctx, f, p)
	if err != nil {
		return PageLoadPage{}, fmt.Errorf("listing page loads: %w", err)
	}
	found, next := cut(pageLoadListing, found, in.Limit, func(n *model.NavigationEvent) cursor { return cursorAt(n.Start, n.ID[:]) })
	return PageLoadPage{shown(found, newPageLoad), next}, nil
}

// PageDetail is everything that one page load holds.
type PageDetail struct {
	PageID     string       `json:"page.instance_id"`
	PageLoad   *PageLoad    `json:"page_load,omitempty" doc:"Left out where its event has not arrived"`
	Views      []PageLoad   `json:"views" nullable:"false" doc:"Of views within the page, by time"`
	Document   *Request     `json:"document,omitempty" doc:"The request that loaded it"`
	Requests   []Request    `json:"requests" nullable:"false" doc:"All others, by time"`
	WebVitals  []WebVital   `json:"web_vitals" nullable:"false"`
	Errors     []ErrorEvent `json:"errors" nullable:"false"`
	Actions    []Action     `json:"actions" nullable:"false"`
	PageEvents []PageEvent  `json:"page_events" nullable:"false" doc:"The application's own events, long frames and changes of visibility"`
	Truncated  bool         `json:"truncated,omitempty" doc:"Of some kind there are more than the limit"`
}

// Page returns one page load with all that it holds; limit bounds each kind.
func (q *Engine) Page(ctx context.Context, id string, limit int) (PageDetail, error) {
	if err := checkLimit(limit); err != nil {
		return PageDetail{}, err
	}
	found, err := q.reader.Events(ctx, store.EventsKey{PageID: id}, limit)
	if err != nil {
		return PageDetail{}, fmt.Errorf("reading the events of a page: %w", err)
	}
	if len(found.Requests)+len(found.Navigations)+len(found.WebVitals)+len(found.Errors)+len(found.Actions)+len(found.PageEvents) == 0 {
		return PageDetail{}, &Error{NotFound, "no event has this page id", "copy page.instance_id as a request shows it; its events may not have arrived yet, or are past their retention"}
	}
	out := PageDetail{
		PageID: id, Views: []PageLoad{}, Requests: shown(found.Requests, newRequest), WebVitals: shown(found.WebVitals, newWebVital),
		Errors: shown(found.Errors, newErrorEvent), Actions: shown(found.Actions, newAction), PageEvents: shown(found.PageEvents, newPageEvent),
		Truncated: found.Truncated,
	}
	for i := range found.Navigations {
		n := newPageLoad(&found.Navigations[i])
		if within := n.Type == "soft" || n.Type == "bfcache"; !within && out.PageLoad == nil {
			out.PageLoad = &n
		} else {
			out.Views = append(out.Views, n)
		}
	}
	isDocument := func(r Request) bool { return r.Kind == string(model.KindDocument) }
	if i := slices.IndexFunc(out.Requests, isDocument); i >= 0 {
		document := out.Requests[i]
		out.Document = &document
		out.Requests = slices.Delete(out.Requests, i, i+1)
	}
	return out, nil
}

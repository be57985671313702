package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// SessionList is sessions with a request that is selected.
type SessionList struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Sessions  []Session `json:"sessions" nullable:"false" doc:"By their last request, newest first"`
	Truncated bool      `json:"truncated,omitempty" doc:"There are more"`
}

// Session sums up what is selected of one session.
type Session struct {
	ID            string    `json:"session.id"`
	ApplicationID string    `json:"rum.application.id,omitempty"`
	InstanceID    string    `json:"rum.instance.id,omitempty"`
	StartTime     time.Time `json:"start_time" doc:"Of the first request; where there is none, of the first event"`
	EndTime       time.Time `json:"end_time" doc:"The start of the last request; where there is none, of the last event"`
	Client
	Requests    int64    `json:"requests"`
	PageLoads   int64    `json:"page_loads" doc:"Requests for documents"`
	Errors      int64    `json:"errors" doc:"Requests that were sent and have no answer, or one with a status of 400 and more"`
	Linked      int64    `json:"linked"`
	Partial     int64    `json:"partial"`
	Unlinked    int64    `json:"unlinked"`
	LinkedShare *float64 `json:"linked_share,omitempty" doc:"Linked among linked, partial and unlinked; left out where there is none of these"`
}

func newSession(s *store.Session) Session {
	return Session{
		ID: s.ID, ApplicationID: s.ApplicationID, InstanceID: s.InstanceID, StartTime: s.Start.UTC(), EndTime: s.End.UTC(),
		Client: newClient(&s.Client), Requests: s.Requests, PageLoads: s.PageLoads, Errors: s.Failed, Linked: s.Linked, Partial: s.Partial, Unlinked: s.Unlinked,
		LinkedShare: share(s.Linked, s.Linked+s.Partial+s.Unlinked),
	}
}

// Sessions lists sessions that have a request which is selected.
func (q *Engine) Sessions(ctx context.Context, in LimitedQuery) (SessionList, error) {
	if err := checkLimit(in.Limit); err != nil {
		return SessionList{}, err
	}
	f, within, err := q.summed(in.Selection, ofRequests())
	if err != nil {
		return SessionList{}, err
	}
	found, err := q.reader.Sessions(ctx, f, in.Limit+1)
	if err != nil {
		return SessionList{}, fmt.Errorf("listing sessions: %w", err)
	}
	return SessionList{within.from, within.to, shown(found[:min(len(found), in.Limit)], newSession), len(found) > in.Limit}, nil
}

// SessionDetail is one session with its page loads.
type SessionDetail struct {
	Session   Session    `json:"session"`
	PageLoads []PageLoad `json:"page_loads" nullable:"false" doc:"Newest first, at most 100"`
	Truncated bool       `json:"truncated,omitempty" doc:"There are more page loads"`
}

// maxSessionPages bounds the page loads that are shown of a session.
const maxSessionPages = 100

// Session returns one session.
func (q *Engine) Session(ctx context.Context, id string) (SessionDetail, error) {
	only := store.Filter{Terms: []store.Term{equal(store.FieldSession, id)}}
	found, err := q.reader.Sessions(ctx, only, 1)
	if err != nil {
		return SessionDetail{}, fmt.Errorf("reading a session: %w", err)
	}
	pages, err := q.reader.PageLoads(ctx, only, store.Page{Limit: maxSessionPages + 1})
	if err != nil {
		return SessionDetail{}, fmt.Errorf("reading the page loads of a session: %w", err)
	}
	out := SessionDetail{PageLoads: shown(pages[:min(len(pages), maxSessionPages)], newPageLoad), Truncated: len(pages) > maxSessionPages}
	if len(found) > 0 {
		out.Session = newSession(&found[0])
		return out, nil
	}
	out.Session, err = q.sessionWithoutRequests(ctx, id)
	return out, err
}

// sessionWithoutRequests tells a session by its other events: a page that called nothing has errors all the same.
func (q *Engine) sessionWithoutRequests(ctx context.Context, id string) (Session, error) {
	found, err := q.reader.Events(ctx, store.EventsKey{SessionID: id}, MaxLimit)
	if err != nil {
		return Session{}, fmt.Errorf("reading the events of a session: %w", err)
	}
	all := entries(&found)
	if len(all) == 0 {
		return Session{}, errNoSession()
	}
	first, last := all[0].Time, all[len(all)-1]
	who := frontendOf(&found, last.Type)
	return Session{
		ID: id, ApplicationID: who.ApplicationID, InstanceID: who.InstanceID, Client: newClient(&who.Client), StartTime: first, EndTime: last.Time,
	}, nil
}

// frontendOf returns who saw the last event of a type, of which there is one.
func frontendOf(e *store.Events, kind string) *model.Frontend {
	switch kind {
	case "page_load":
		return &e.Navigations[len(e.Navigations)-1].Frontend
	case "web_vital":
		return &e.WebVitals[len(e.WebVitals)-1].Frontend
	case "error":
		return &e.Errors[len(e.Errors)-1].Frontend
	case "action":
		return &e.Actions[len(e.Actions)-1].Frontend
	case "page_event":
		return &e.PageEvents[len(e.PageEvents)-1].Frontend
	default: // came in after the requests were asked for
		return &e.Requests[len(e.Requests)-1].Frontend
	}
}

func errNoSession() error {
	return &Error{NotFound, "no event has this session id", "copy session.id as a request shows it; its events may not have arrived yet, or are past their retention"}
}

// Timeline is everything that happened in a session, in one list by time.
type Timeline struct {
	SessionID string          `json:"session.id"`
	StartTime time.Time       `json:"start_time" doc:"Of the first entry"`
	Entries   []TimelineEntry `json:"entries" nullable:"false" doc:"By ascending time"`
	Truncated bool            `json:"truncated,omitempty" doc:"Of some type there are more than the limit"`
}

// TimelineEntry is one thing that happened; just the field of its type is set.
type TimelineEntry struct {
	Type       string      `json:"type" enum:"page_load,request,web_vital,error,action,page_event"`
	ID         string      `json:"id" doc:"Event id"`
	Time       time.Time   `json:"time" doc:"Its start"`
	OffsetMs   float64     `json:"offset_ms" doc:"After the start of the first entry"`
	DurationMs float64     `json:"duration_ms,omitempty"`
	PageLoad   *PageLoad   `json:"page_load,omitempty"`
	Request    *Request    `json:"request,omitempty"`
	WebVital   *WebVital   `json:"web_vital,omitempty"`
	Error      *ErrorEvent `json:"error,omitempty"`
	Action     *Action     `json:"action,omitempty"`
	PageEvent  *PageEvent  `json:"page_event,omitempty"`
}

// Timeline merges the events of a session; limit bounds each type.
func (q *Engine) Timeline(ctx context.Context, id string, limit int) (Timeline, error) {
	if err := checkLimit(limit); err != nil {
		return Timeline{}, err
	}
	found, err := q.reader.Events(ctx, store.EventsKey{SessionID: id}, limit)
	if err != nil {
		return Timeline{}, fmt.Errorf("reading the events of a session: %w", err)
	}
	t := Timeline{SessionID: id, Entries: entries(&found), Truncated: found.Truncated}
	if len(t.Entries) == 0 {
		return Timeline{}, errNoSession()
	}
	t.StartTime = t.Entries[0].Time
	for i := range t.Entries {
		t.Entries[i].OffsetMs = milliseconds(t.Entries[i].Time.Sub(t.StartTime))
	}
	return t, nil
}

func entries(e *store.Events) []TimelineEntry {
	all := make([]TimelineEntry, 0, len(e.Navigations)+len(e.Requests)+len(e.WebVitals)+len(e.Errors)+len(e.Actions)+len(e.PageEvents))
	add := func(kind string, id model.EventID, at time.Time, d time.Duration) *TimelineEntry {
		all = append(all, TimelineEntry{Type: kind, ID: id.String(), Time: at.UTC(), DurationMs: milliseconds(d)})
		return &all[len(all)-1]
	}
	for i := range e.Navigations {
		n := &e.Navigations[i]
		v := newPageLoad(n)
		add("page_load", n.ID, n.Start, n.Duration).PageLoad = &v
	}
	for i := range e.Requests {
		r := &e.Requests[i]
		v := newRequest(r)
		add("request", r.ID, r.Start, r.Duration).Request = &v
	}
	for i := range e.WebVitals {
		w := &e.WebVitals[i]
		v := newWebVital(w)
		add("web_vital", w.ID, w.Time, 0).WebVital = &v
	}
	for i := range e.Errors {
		x := &e.Errors[i]
		v := newErrorEvent(x)
		add("error", x.ID, x.Time, 0).Error = &v
	}
	for i := range e.Actions {
		a := &e.Actions[i]
		v := newAction(a)
		add("action", a.ID, a.Start, a.Duration).Action = &v
	}
	for i := range e.PageEvents {
		p := &e.PageEvents[i]
		v := newPageEvent(p)
		add("page_event", p.ID, p.Start, p.Duration).PageEvent = &v
	}
	slices.SortStableFunc(all, func(a, b TimelineEntry) int { // equal times in the order above: the page before what it loads
		return a.Time.Compare(b.Time)
	})
	return all
}

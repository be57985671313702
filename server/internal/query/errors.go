package query

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// ErrorEvent is something that went wrong in the page or app.
type ErrorEvent struct {
	ID   string    `json:"id" doc:"Event id"`
	Time time.Time `json:"time"`
	Source
	URL         string     `json:"url.full,omitempty" doc:"Of the page"`
	From        string     `json:"error.source" doc:"exception, unhandled_rejection, resource, csp, reported"`
	Type        string     `json:"exception.type,omitempty"`
	Message     string     `json:"exception.message,omitempty"`
	Stack       string     `json:"exception.stacktrace,omitempty"`
	Handled     bool       `json:"error.handled" doc:"The application caught it and reported it itself"`
	RequestID   string     `json:"request.id,omitempty" doc:"The request that failed"`
	Fingerprint string     `json:"error.fingerprint" doc:"Equal for errors of one cause"`
	Attributes  Attributes `json:"attributes,omitempty"`
}

func newErrorEvent(e *model.ErrorEvent) ErrorEvent {
	out := ErrorEvent{
		ID: e.ID.String(), Time: e.Time.UTC(), Source: newSource(&e.Frontend), URL: e.URL, From: e.Source, Type: e.Type, Message: e.Message,
		Stack: e.Stack, Handled: e.Handled, Fingerprint: hex.EncodeToString(e.Fingerprint[:]), Attributes: Attributes(e.Attributes),
	}
	if !e.RequestID.IsZero() {
		out.RequestID = e.RequestID.String()
	}
	return out
}

// ErrorGroupList is errors by their cause.
type ErrorGroupList struct {
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Groups    []ErrorGroup `json:"groups" nullable:"false" doc:"The most frequent first"`
	Truncated bool         `json:"truncated,omitempty" doc:"There are more"`
}

// ErrorGroup is the errors of one fingerprint.
type ErrorGroup struct {
	Fingerprint string     `json:"error.fingerprint"`
	Count       int64      `json:"count"`
	Sessions    int64      `json:"sessions" doc:"In how many sessions"`
	FirstSeen   time.Time  `json:"first_seen" doc:"Within the range"`
	LastSeen    time.Time  `json:"last_seen"`
	Latest      ErrorEvent `json:"latest"`
}

// ErrorGroups sums errors up by fingerprint.
func (q *Engine) ErrorGroups(ctx context.Context, in LimitedQuery) (ErrorGroupList, error) {
	if err := checkLimit(in.Limit); err != nil {
		return ErrorGroupList{}, err
	}
	f, within, err := q.summed(in.Selection, ofErrors())
	if err != nil {
		return ErrorGroupList{}, err
	}
	found, err := q.reader.ErrorGroups(ctx, f, in.Limit+1)
	if err != nil {
		return ErrorGroupList{}, fmt.Errorf("summing up errors: %w", err)
	}
	return ErrorGroupList{within.from, within.to, shown(found[:min(len(found), in.Limit)], func(g *store.ErrorGroup) ErrorGroup {
		return ErrorGroup{hex.EncodeToString(g.Fingerprint[:]), g.Count, g.Sessions, g.First.UTC(), g.Last.UTC(), newErrorEvent(&g.Latest)}
	}), len(found) > in.Limit}, nil
}

// ErrorPage is one page of the errors of one fingerprint.
type ErrorPage struct {
	Errors     []ErrorEvent `json:"errors" nullable:"false" doc:"Newest first"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Pass as cursor for the next page; left out on the last one"`
}

// Errors lists the errors of one fingerprint, newest first.
func (q *Engine) Errors(ctx context.Context, fingerprint [8]byte, limit int, after string) (ErrorPage, error) {
	p, err := errorListing.page(limit, after)
	if err != nil {
		return ErrorPage{}, err
	}
	found, err := q.reader.Errors(ctx, fingerprint, p)
	if err != nil {
		return ErrorPage{}, fmt.Errorf("listing errors: %w", err)
	}
	if len(found) == 0 && after == "" {
		return ErrorPage{}, &Error{NotFound, "no error has this fingerprint", "copy error.fingerprint as the list of errors shows it; its errors may be past their retention"}
	}
	found, next := cut(errorListing, found, limit, func(e *model.ErrorEvent) cursor { return cursorAt(e.Time, e.ID[:]) })
	return ErrorPage{shown(found, newErrorEvent), next}, nil
}

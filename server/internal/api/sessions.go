package api

import (
	"context"
	"encoding/hex"

	"github.com/throughline-rum/throughline/server/internal/query"
)

type sessionInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9_-]{1,128}$" doc:"session.id"`
}

type timelineInput struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9_-]{1,128}$" doc:"session.id"`
	LongLimit
}

type pageListInput struct {
	Selection
	Cursor
	Limit
}

type pageInput struct {
	ID string `path:"id" pattern:"^[0-9a-f]{16}$" doc:"page.instance_id"`
	LongLimit
}

type errorsInput struct {
	Fingerprint string `path:"fingerprint" pattern:"^[0-9a-f]{16}$" doc:"error.fingerprint"`
	Cursor
	Limit
}

func routeSessions(o operations) {
	q := o.c.Query
	get(o, "sessions", "list-sessions", "Sessions that have a request which is selected, by its start, newest first",
		func(ctx context.Context, in *limitedInput) (query.SessionList, error) {
			return q.Sessions(ctx, in.limited())
		})
	get(o, "sessions/{id}", "get-session", "One session and its page loads",
		func(ctx context.Context, in *sessionInput) (query.SessionDetail, error) { return q.Session(ctx, in.ID) })
	get(o, "sessions/{id}/timeline", "get-session-timeline", "Everything that happened in a session, in one list by time",
		func(ctx context.Context, in *timelineInput) (query.Timeline, error) {
			return q.Timeline(ctx, in.ID, in.Limit)
		})
	get(o, "pages", "list-pages", "Page loads, newest first",
		func(ctx context.Context, in *pageListInput) (query.PageLoadPage, error) {
			return q.PageLoads(ctx, query.RequestQuery{Selection: in.selection(), Cursor: in.Cursor.Cursor, Limit: in.Limit.Limit})
		})
	get(o, "pages/{id}", "get-page", "One page load with its requests, web vitals, errors, actions and other events",
		func(ctx context.Context, in *pageInput) (query.PageDetail, error) {
			return q.Page(ctx, in.ID, in.Limit)
		})
	get(o, "errors", "list-errors", "Errors of frontends, summed up by their cause",
		func(ctx context.Context, in *limitedInput) (query.ErrorGroupList, error) {
			return q.ErrorGroups(ctx, in.limited())
		})
	get(o, "errors/{fingerprint}", "list-errors-of-one-cause", "The errors of one cause, newest first",
		func(ctx context.Context, in *errorsInput) (query.ErrorPage, error) {
			var fingerprint [8]byte
			if _, err := hex.Decode(fingerprint[:], []byte(in.Fingerprint)); err != nil {
				return query.ErrorPage{}, invalidID(err)
			}
			return q.Errors(ctx, fingerprint, in.Limit.Limit, in.Cursor.Cursor)
		})
}

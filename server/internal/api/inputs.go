package api

import (
	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/query"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Range is the time range of a question.
type Range struct {
	From string `query:"from" maxLength:"64" doc:"Start of the range: RFC 3339, now, or a time before now such as -24h. Sums begin a day before to where it is left out, lists at the oldest" example:"-24h"`
	To   string `query:"to" maxLength:"64" doc:"End of the range, which it does not include. Now where it is left out; lists are then open" example:"now"`
}

func (r *Range) rangeOf() query.Range { return query.Range{From: r.From, To: r.To} }

// Selection is the range and the filter of a question.
type Selection struct {
	Range
	Filter string `query:"filter" maxLength:"4096" doc:"Terms that must all hold, as docs/filters.md describes them: status:unlinked host:api.example -kind:resource" example:"status:unlinked duration:>500"`
}

func (s *Selection) selection() query.Selection {
	return query.Selection{Range: s.rangeOf(), Filter: s.Filter}
}

// Cursor continues a listing.
type Cursor struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before"`
}

// Limit bounds a listing.
type Limit struct {
	Limit int `query:"limit" minimum:"1" maximum:"999" default:"50" doc:"Entries of the answer"`
}

// LongLimit bounds a listing that is mostly wanted whole.
type LongLimit struct {
	Limit int `query:"limit" minimum:"1" maximum:"999" default:"500" doc:"Entries of each kind"`
}

type eventInput struct {
	ID string `path:"id" pattern:"^[0-9a-f]{16}$" doc:"Event id"`
}

type traceInput struct {
	ID string `path:"id" pattern:"^[0-9a-f]{32}$" doc:"Trace id"`
}

type spanInput struct {
	Trace string `path:"trace" pattern:"^[0-9a-f]{32}$" doc:"Trace id"`
	Span  string `path:"span" pattern:"^[0-9a-f]{16}$" doc:"Span id"`
}

type noInput struct{}

func eventID(text string) (model.EventID, error) {
	id, err := model.ParseEventID(text)
	return id, invalidID(err)
}

func traceID(text string) (tracecontext.TraceID, error) {
	id, err := tracecontext.ParseTraceID(text)
	return id, invalidID(err)
}

// invalidID says what to do about an id that is all zero.
func invalidID(err error) error {
	if err == nil {
		return nil
	}
	return &query.Error{Kind: query.Invalid, Message: err.Error(), Hint: "copy the id as a list of the API shows it"}
}

package query

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// A cursor names a place in a listing. To callers it is opaque: base64url of a version byte,
// the listing, a number (the start in ns since 1970, or the place in the order of writing) and the id.
const cursorVersion = 2

// listing says which listing a cursor is of.
type listing byte

const (
	requestListing listing = iota + 1
	pageLoadListing
	errorListing
	traceListing
	tailListing
)

// idBytes returns the length of the ids in a listing.
func (l listing) idBytes() int {
	switch l {
	case requestListing, pageLoadListing, errorListing:
		return len(model.EventID{})
	case traceListing:
		return len(tracecontext.TraceID{})
	default:
		return 0
	}
}

// cursor is a place in a listing, as its number and id.
type cursor struct {
	number uint64
	id     [16]byte // the first idBytes of it
}

func (l listing) format(c cursor) string {
	b := []byte{cursorVersion, byte(l)}
	b = binary.BigEndian.AppendUint64(b, c.number)
	b = append(b, c.id[:l.idBytes()]...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (l listing) parse(s string) (cursor, error) {
	const head = 2 + 8
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	breaks := strings.ContainsAny(s, "\r\n") // which the decoder would pass over
	if err != nil || breaks || len(b) != head+l.idBytes() || b[0] != cursorVersion || b[1] != byte(l) {
		return cursor{}, &Error{Invalid, "cursor is not one of this listing", "pass next_cursor of the page before as it was, or leave cursor out"}
	}
	c := cursor{number: binary.BigEndian.Uint64(b[2:])}
	copy(c.id[:], b[head:])
	return c, nil
}

func (c cursor) start() time.Time {
	return time.Unix(0, int64(c.number)).UTC() //nolint:gosec // written from an int64
}

func cursorAt(start time.Time, id []byte) cursor {
	c := cursor{number: uint64(start.UnixNano())}
	copy(c.id[:], id)
	return c
}

// page reads the limit and cursor of a listing of events. It asks the store for one more
// than the limit, which tells whether there is a next page.
func (l listing) page(limit int, after string) (store.Page, error) {
	if err := checkLimit(limit); err != nil {
		return store.Page{}, err
	}
	p := store.Page{Limit: limit + 1}
	if after != "" {
		c, err := l.parse(after)
		if err != nil {
			return store.Page{}, err
		}
		p.Before = &store.Place{Start: c.start(), ID: model.EventID(c.id[:8])}
	}
	return p, nil
}

// cut takes the entry beyond the limit off, and returns the cursor of the next page, if there is one.
func cut[T any](l listing, found []T, limit int, at func(*T) cursor) (kept []T, next string) {
	if len(found) <= limit {
		return found, ""
	}
	return found[:limit], l.format(at(&found[limit-1]))
}

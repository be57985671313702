package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/throughline-rum/throughline/server/internal/query"
)

const eventStream = "text/event-stream"

// The times of a live tail.
const (
	tailHeartbeat    = 15 * time.Second // a comment, so that proxies keep the connection
	tailWriteTimeout = 10 * time.Second // for a client that takes nothing
	tailRetry        = "retry: 2000\n\n"
)

type tailInput struct {
	Filter      string `query:"filter" maxLength:"4096" doc:"As of the list of requests" example:"host:api.example"`
	After       string `query:"after" maxLength:"64" doc:"The id of the last event that was received; the header Last-Event-ID, which browsers send, goes before"`
	LastEventID string `header:"Last-Event-ID" maxLength:"64"`
}

const tailDescription = `Server-sent events (WHATWG HTML, section 9.2), looked for once a second:

- ` + "`request`" + `: one request, as the list of requests shows it. After a resumption one may come a second time.
- ` + "`skipped`" + `: more came in than is shown; some requests are left out here.
- ` + "`closed`" + `: the server ends the stream, its data is an error with a hint. Clients that read too slowly get it.

A comment comes every 15 seconds. Where the filter asks for verdicts (status, reason, detail, service, endpoint), requests come five seconds after they arrived, so that the verdict is there. At most 50 clients follow at once.`

func routeTail(o operations) {
	op := o.operation(http.MethodGet, "tail", "tail-requests", "Follow requests as they come in")
	op.Description = tailDescription
	op.Responses["200"] = &huma.Response{
		Description: "A stream that ends when the client goes or reads too slowly",
		Content:     map[string]*huma.MediaType{eventStream: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	huma.Register(o.api, op, func(ctx context.Context, in *tailInput) (*huma.StreamResponse, error) {
		after := in.LastEventID
		if after == "" {
			after = in.After
		}
		ask := query.TailQuery{Filter: in.Filter, After: after}
		f, err := bounded(ctx, o.c, &ask, func(ctx context.Context, ask *query.TailQuery) (*query.Follower, error) {
			return o.c.Query.Follow(ctx, *ask)
		})
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer f.Close()
			_, w := humago.Unwrap(hc)
			o.c.stream(hc.Context(), w, f)
		}}, nil
	})
}

// stream tells a client what its follower receives, until one of them ends.
func (c *Config) stream(ctx context.Context, w http.ResponseWriter, f *query.Follower) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Stopping != nil {
		go func() {
			select {
			case <-c.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx holds answers back otherwise
	w.WriteHeader(http.StatusOK)
	s := events{w: w, control: http.NewResponseController(w)}
	_ = s.control.SetReadDeadline(time.Time{}) // the server's own would end the stream; where there is none, nothing does
	s.write([]byte(tailRetry))
	for s.flush() {
		u, err := next(ctx, f)
		switch {
		case err == nil:
			s.update(u)
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			s.write([]byte(": nothing new\n\n"))
		case ctx.Err() != nil:
			return
		default:
			s.closed(c.answer(ctx, err))
			return
		}
	}
}

// next waits for an update, at most until the next heartbeat.
func next(ctx context.Context, f *query.Follower) (query.TailUpdate, error) {
	ctx, cancel := context.WithTimeout(ctx, tailHeartbeat)
	defer cancel()
	return f.Next(ctx)
}

// events writes server-sent events; after an error it writes no more.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (s *events) write(b []byte) {
	if s.err != nil {
		return
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(tailWriteTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.err = err
		return
	}
	_, s.err = s.w.Write(b)
}

// flush sends what was written, and reports whether the client is still there.
func (s *events) flush() bool {
	if s.err == nil {
		s.err = s.control.Flush()
	}
	return s.err == nil
}

func (s *events) event(name string, data any) {
	b, err := json.Marshal(data) // one line: JSON has no line breaks of its own
	if err != nil {
		s.err = err
		return
	}
	s.write(append(append([]byte("event: "+name+"\ndata: "), b...), "\n\n"...))
}

func (s *events) update(u query.TailUpdate) {
	if u.Skipped {
		s.event("skipped", struct{}{})
	}
	for i := range u.Requests {
		s.event("request", &u.Requests[i])
	}
	s.write([]byte("id: " + u.Cursor + "\n\n")) // an id without data is remembered, and is no event
}

func (s *events) closed(why error) {
	s.event("closed", why)
	s.flush()
}

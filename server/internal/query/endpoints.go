package query

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// EndpointList is what requests to each place have in common.
type EndpointList struct {
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Endpoints []Endpoint `json:"endpoints" nullable:"false" doc:"The most frequent first"`
	Truncated bool       `json:"truncated,omitempty" doc:"There are more"`
}

// Endpoint sums up the requests to one place.
type Endpoint struct {
	Host        string    `json:"server.address"`
	Method      string    `json:"http.request.method"`
	Endpoint    string    `json:"endpoint" doc:"The entry span's route, else the URL's pattern"`
	Requests    int64     `json:"requests"`
	PerMinute   float64   `json:"per_minute" doc:"Requests in a minute, over the whole range"`
	Errors      int64     `json:"errors" doc:"Sent and without an answer, or answered with a status of 400 and more"`
	ErrorShare  float64   `json:"error_share" doc:"0 to 1"`
	P50Ms       float64   `json:"p50_ms" doc:"Half of the requests took at most so long; to 1 %"`
	P75Ms       float64   `json:"p75_ms"`
	P95Ms       float64   `json:"p95_ms"`
	Linked      int64     `json:"linked"`
	Partial     int64     `json:"partial"`
	Unlinked    int64     `json:"unlinked"`
	LinkedShare *float64  `json:"linked_share,omitempty" doc:"Linked among linked, partial and unlinked; left out where there is none of these"`
	Time        *TimeMean `json:"time,omitempty" doc:"Where the time of its requests went; left out where it is known of none"`
}

// TimeMean is where the time of requests went, on average.
type TimeMean struct {
	Requests   int64   `json:"requests" doc:"Those of which it is known: the entry span is stored, and the browser tells request and response times"`
	FrontendMs float64 `json:"frontend_ms" doc:"In the browser: queueing, a service worker"`
	NetworkMs  float64 `json:"network_ms" doc:"The rest: redirects, DNS, connecting, both ways"`
	BackendMs  float64 `json:"backend_ms" doc:"In the entry span"`
}

// LimitedQuery asks for sums of what is selected, the first of them.
type LimitedQuery struct {
	Selection
	Limit int
}

// Endpoints sums requests up by host, method and endpoint.
func (q *Engine) Endpoints(ctx context.Context, in LimitedQuery) (EndpointList, error) {
	if err := checkLimit(in.Limit); err != nil {
		return EndpointList{}, err
	}
	f, within, err := q.summed(in.Selection, ofRequests())
	if err != nil {
		return EndpointList{}, err
	}
	found, err := q.reader.Endpoints(ctx, f, in.Limit+1)
	if err != nil {
		return EndpointList{}, fmt.Errorf("summing up endpoints: %w", err)
	}
	kept := found[:min(len(found), in.Limit)]
	return EndpointList{within.from, within.to, shown(kept, func(e *store.Endpoint) Endpoint {
		return newEndpoint(e, within.length())
	}), len(found) > in.Limit}, nil
}

func newEndpoint(e *store.Endpoint, length time.Duration) Endpoint {
	out := Endpoint{
		Host: e.Host, Method: e.Method, Endpoint: e.Endpoint, Requests: e.Count, Errors: e.Errors,
		PerMinute: hundredths(float64(e.Count) / length.Minutes()),
		P50Ms:     milliseconds(e.P50), P75Ms: milliseconds(e.P75), P95Ms: milliseconds(e.P95),
		Linked: e.Linked, Partial: e.Partial, Unlinked: e.Unlinked, LinkedShare: share(e.Linked, e.Linked+e.Partial+e.Unlinked),
	}
	if s := share(e.Errors, e.Count); s != nil {
		out.ErrorShare = *s
	}
	if n := time.Duration(e.Timed); n > 0 {
		out.Time = &TimeMean{e.Timed, milliseconds(e.Frontend / n), milliseconds(e.Network / n), milliseconds(e.Backend / n)}
	}
	return out
}

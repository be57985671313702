package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-rum/throughline/server/internal/store"
)

// ServiceList is the services that ever sent spans.
type ServiceList struct {
	Services  []Service `json:"services" nullable:"false" doc:"By name"`
	Truncated bool      `json:"truncated,omitempty" doc:"There are more"`
}

// Service is a service that ever sent spans.
type Service struct {
	Name      string    `json:"service.name"`
	Hosts     []string  `json:"hosts" nullable:"false" doc:"That its entry spans answered for, at most 16"`
	FirstSeen time.Time `json:"first_seen"`
}

// Services lists the services that ever sent spans.
func (q *Engine) Services(ctx context.Context, limit int) (ServiceList, error) {
	if err := checkLimit(limit); err != nil {
		return ServiceList{}, err
	}
	found, err := q.reader.Services(ctx, limit+1)
	if err != nil {
		return ServiceList{}, fmt.Errorf("listing services: %w", err)
	}
	return ServiceList{shown(found[:min(len(found), limit)], func(s *store.Service) Service {
		return Service{s.Name, notNil(s.Hosts), s.FirstSeen.UTC()}
	}), len(found) > limit}, nil
}

// ServiceMap says who called whom, from the frontends on.
type ServiceMap struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Nodes   []ServiceNode `json:"nodes" nullable:"false" doc:"Applications, then services, by name"`
	Edges   []ServiceEdge `json:"edges" nullable:"false"`
	Sampled bool          `json:"sampled,omitempty" doc:"There was too much in the range, so that only the newest part of it was counted"`
}

// ServiceNode is an application or a service.
type ServiceNode struct {
	ID   string `json:"id" doc:"Its type, and the application's id or the service's name, joined by a colon"`
	Type string `json:"type" enum:"application,service"`
	Name string `json:"name" doc:"Of an application as the server's settings have it, else its id"`
}

// ServiceEdge counts the calls from one node to another.
type ServiceEdge struct {
	From       string  `json:"from" doc:"Id of a node"`
	To         string  `json:"to" doc:"Id of a node"`
	Calls      int64   `json:"calls"`
	PerMinute  float64 `json:"per_minute" doc:"Calls in a minute, over the whole range"`
	Errors     int64   `json:"errors"`
	ErrorShare float64 `json:"error_share" doc:"0 to 1"`
	MeanMs     float64 `json:"mean_ms" doc:"Their average duration"`
}

// maxMapSpans bounds what a map is made of.
const maxMapSpans = 100_000

// ServiceMapQuery asks for the map of a stretch of time.
type ServiceMapQuery struct {
	Range
	Application string // empty: all
}

// ServiceMap counts who called whom.
func (q *Engine) ServiceMap(ctx context.Context, in ServiceMapQuery) (ServiceMap, error) {
	within, err := q.closed(in.Range)
	if err != nil {
		return ServiceMap{}, err
	}
	found, err := q.reader.ServiceMap(ctx, store.ServiceMapQuery{From: within.from, To: within.to, ApplicationID: in.Application, MaxSpans: maxMapSpans})
	if err != nil {
		return ServiceMap{}, fmt.Errorf("making the service map: %w", err)
	}
	out := ServiceMap{From: within.from, To: within.to, Nodes: []ServiceNode{}, Sampled: found.Sampled}
	node := func(kind, id, name string) string {
		n := ServiceNode{kind + ":" + id, kind, cmp.Or(name, id)}
		if !slices.Contains(out.Nodes, n) {
			out.Nodes = append(out.Nodes, n)
		}
		return n.ID
	}
	out.Edges = shown(found.Edges, func(e *store.ServiceEdge) ServiceEdge {
		edge := ServiceEdge{Calls: e.Count, Errors: e.Errors, PerMinute: hundredths(float64(e.Count) / within.length().Minutes())}
		if e.FromApplication != "" {
			edge.From = node("application", e.FromApplication, q.names[e.FromApplication])
		} else {
			edge.From = node("service", e.FromService, "")
		}
		edge.To = node("service", e.ToService, "")
		if e.Count > 0 {
			edge.ErrorShare, edge.MeanMs = *share(e.Errors, e.Count), milliseconds(e.Duration/time.Duration(e.Count))
		}
		return edge
	})
	slices.SortFunc(out.Nodes, func(a, b ServiceNode) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

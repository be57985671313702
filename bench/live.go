package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/load"
	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/bench/internal/traffic"
)

// live is a load at a fixed rate, of what happens now.
type live struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done is closed
	sender *load.Sender
	began  time.Time
	once   sync.Once
	took   time.Duration
}

// The rate is reached in steps of so much time.
const liveStep = 100 * time.Millisecond

// startLive begins to send sessions that begin now, at b.rate events and spans a second.
func (b *bench) startLive(ctx context.Context, r *subject.Running) (*live, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &live{cancel: cancel, done: make(chan struct{}), sender: load.NewSender(b.connections), began: time.Now()}
	bodies := make(chan load.Body, 1024)
	go func() {
		defer close(bodies)
		b.makeLive(ctx, r, bodies)
	}()
	go func() {
		defer close(l.done)
		l.err = l.sender.All(ctx, b.connections, func() (load.Body, bool) {
			body, ok := <-bodies
			return body, ok
		})
	}()
	warm := time.NewTimer(2 * time.Second)
	defer warm.Stop()
	select {
	case <-warm.C:
		return l, nil
	case <-l.done:
		cancel()
		return nil, l.failed()
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
}

// makeLive makes sessions as their time comes, until ctx ends.
func (b *bench) makeLive(ctx context.Context, r *subject.Running, to chan<- load.Body) {
	began := time.Now()
	shape := traffic.Shape{
		Seed: uint64(began.UnixNano()), // ids that no earlier run has sent
		From: began.Add(-time.Minute), Over: time.Hour, Sessions: 1 << 20,
		Requests: requestsOfVisit, Pages: pagesOfVisit, MinSpans: 1, MaxSpans: 4,
	}
	ticker := time.NewTicker(liveStep)
	defer ticker.Stop()
	packer := traffic.NewPacker(spansPerExport)
	made, session := 0, 0
	send := func(body load.Body) error {
		made += body.Items
		select {
		case to <- body:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		for made < int(float64(b.rate)*time.Since(began).Seconds()) {
			shape.From = time.Now().Add(-time.Minute) // a session begins a minute before it is sent
			v := shape.Session(session)
			session++
			for _, beacon := range v.Beacons() {
				if send(load.Body{URL: r.EventURL, Type: load.Text, Bytes: beacon.Body, Items: beacon.Events, Client: beacon.Client}) != nil {
					return
				}
			}
			if packer.Add(v, func(e traffic.Export) error {
				return send(load.Body{URL: r.TraceURL, Type: load.Protobuf, Bytes: e.Body, Items: e.Spans})
			}) != nil {
				return
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// failed returns why the load ended; nil where it goes on.
func (l *live) failed() error {
	select {
	case <-l.done:
		if l.err == nil {
			return errors.New("it ended")
		}
		return l.err
	default:
		return nil
	}
}

// stop ends the load and returns what was taken, and how much of it a second. It may be called twice.
func (l *live) stop() (sent int64, rate float64, err error) {
	l.once.Do(func() {
		err = l.failed()
		l.took = time.Since(l.began)
		l.cancel()
		<-l.done
		l.sender.Close()
	})
	return l.sender.Sent(), float64(l.sender.Sent()) / l.took.Seconds(), err
}

// The probes of how long a verdict takes.
const (
	probes       = 60
	verdictAfter = 30 * time.Second
	probeEvery   = 50 * time.Millisecond
)

// errNotLinked is what a request that is not linked after verdictAfter ends with.
var errNotLinked = errors.New("the request was not linked in time")

// measureVerdicts sends requests and then the spans that answer them, and measures from the
// spans' answer until the request is called linked. One is under way at a time.
func (b *bench) measureVerdicts(ctx context.Context, t *table.Table, r *subject.Running, l *live) error {
	b.progress.say("waiting for verdicts")
	shape := traffic.Shape{
		Seed:     uint64(time.Now().UnixNano()) + 1, // ids that no earlier run has sent
		Sessions: probes, Requests: 1, Pages: 1, MinSpans: 4, MaxSpans: 8, Linkable: true,
	}
	sender := load.NewSender(1)
	defer sender.Close()
	var took table.Samples
	late := 0
	end := time.Now().Add(4 * b.perMetric)
	for k := 0; k < probes && time.Now().Before(end); k++ {
		if err := l.failed(); err != nil {
			return fmt.Errorf("the load: %w", err)
		}
		shape.From = time.Now().Add(-time.Second)
		wait, err := b.probe(ctx, r, sender, shape.Session(k))
		if errors.Is(err, errNotLinked) { // it counts as the longest wait
			late++
			wait, err = verdictAfter, nil
		}
		if err != nil {
			return fmt.Errorf("verdict: %w", err)
		}
		took = append(took, wait)
	}
	what := fmt.Sprintf("%d asked", len(took))
	if late > 0 {
		what += fmt.Sprintf(", %d not linked within %v", late, verdictAfter)
	}
	const judge = 95
	t.Add("span's arrival until the verdict", fmt.Sprintf("p50 %s, p%d %s (%s)", table.Time(took.Percentile(50)), judge, table.Time(took.Percentile(judge)), what),
		fmt.Sprintf("p%d %s", judge, table.Time(targetVerdict)), table.Mark(took.Percentile(judge) <= targetVerdict))
	return nil
}

func (b *bench) probe(ctx context.Context, r *subject.Running, sender *load.Sender, v *traffic.Session) (time.Duration, error) {
	for _, beacon := range v.Beacons() {
		if err := sender.Send(ctx, load.Body{URL: r.EventURL, Type: load.Text, Bytes: beacon.Body, Items: beacon.Events, Client: beacon.Client}); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	packer := traffic.NewPacker(1)
	if err := packer.Add(v, func(e traffic.Export) error {
		return sender.Send(ctx, load.Body{URL: r.TraceURL, Type: load.Protobuf, Bytes: e.Body, Items: e.Spans})
	}); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, verdictAfter, errNotLinked)
	defer cancel()
	id := v.Pages[0].Requests[0].ID.String()
	err := subject.Poll(ctx, probeEvery, func() (bool, error) {
		var answer struct {
			Request struct {
				Status string `json:"link.status"`
			} `json:"request"`
		}
		status, body, err := r.Get(ctx, r.QueryURL+"/api/v1/requests/"+id)
		if err != nil || status == http.StatusNotFound {
			return false, err
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return false, err
		}
		return answer.Request.Status == "linked", nil
	})
	if err != nil && context.Cause(ctx) != nil {
		return 0, context.Cause(ctx)
	}
	return time.Since(began), err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/load"
	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/bench/internal/traffic"
)

// The targets of a full store.
const (
	targetStart     = 3 * time.Second
	targetTrace     = 25 * time.Millisecond
	targetSession   = 50 * time.Millisecond
	targetLastDay   = 200 * time.Millisecond
	targetAll       = 1500 * time.Millisecond
	targetVerdict   = 3 * time.Second
	targetDisk      = 120     // bytes an event
	targetMemory    = 3 << 29 // 1.5 GiB
	judgedAfter     = time.Hour
	storeDays       = 6 // beacons older than seven days are refused
	requestsOfVisit = 40
	pagesOfVisit    = 2
	fillConnections = 64
)

// stock is what a filled store holds. It is kept beside it, so that a later run can ask for what is in it.
type stock struct {
	Seed                   uint64
	From                   time.Time
	Sessions               int
	Requests, Other, Spans int64 // rows by kind; Other: navigations and web vitals
	LoadedIn               time.Duration
	Waits                  int64 // how often the server asked to wait
	LoadCPU                time.Duration
	Disk                   int64  // bytes, once the server had stopped
	Revision               string // of the server that filled it
}

func (s *stock) rows() int64 { return s.Requests + s.Other + s.Spans }

func (s *stock) shape() traffic.Shape {
	return traffic.Shape{
		Seed: s.Seed, From: s.From, Over: storeDays * 24 * time.Hour, Sessions: s.Sessions,
		Requests: requestsOfVisit, Pages: pagesOfVisit, MinSpans: 1, MaxSpans: 4,
	}
}

// measureStore fills a store, or takes one that was filled before, and asks it while more comes in.
func (b *bench) measureStore(ctx context.Context) (*table.Table, error) {
	folder := b.data
	if folder == "" {
		var err error
		if folder, err = b.folder("store"); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	s, err := b.filled(ctx, folder)
	if err != nil {
		return nil, err
	}
	r, err := b.ours.Start(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	t := &table.Table{
		Title: "A filled store",
		Notes: []string{fmt.Sprintf("%s request events, %s navigations and web vitals, %s spans over %d days: sessions of %d requests to 120 URL patterns. Filled in %v with %v of processor time "+
			"by build %s, which asked to wait %s times. The questions are asked one after another while %s events and spans a second come in; each is a whole HTTP request.",
			table.Count(float64(s.Requests)), table.Count(float64(s.Other)), table.Count(float64(s.Spans)), storeDays, requestsOfVisit,
			s.LoadedIn.Round(time.Second), s.LoadCPU.Round(time.Second), s.Revision, table.Count(float64(s.Waits)), table.Count(float64(b.rate)))},
		Head: []string{"what", "value", "target", "met"},
	}
	perRow := float64(s.Disk) / float64(s.rows())
	t.Add("disk per event or span", fmt.Sprintf("%.0f B", perRow), fmt.Sprintf("%d B", targetDisk), table.Mark(perRow <= targetDisk))
	addTime(t, "start until ready", r.StartTime, targetStart)

	live, err := b.startLive(ctx, r)
	if err != nil {
		return nil, err
	}
	defer live.stop() //nolint:errcheck // it is stopped below, and asked
	for _, q := range b.questions(r, s) {
		if err := b.ask(ctx, t, r, live, q); err != nil {
			return t, err
		}
	}
	if err := b.measureVerdicts(ctx, t, r, live); err != nil {
		return t, err
	}
	sent, rate, err := live.stop()
	if err != nil {
		return t, fmt.Errorf("the load: %w", err)
	}
	_, peak, err := r.Memory()
	if err != nil {
		return nil, err
	}
	t.Add("peak memory", table.MiB(peak), table.MiB(targetMemory), table.Mark(peak <= targetMemory))
	if b.rate == 0 {
		_, err = r.Stop()
		return t, err
	}
	t.Add("came in meanwhile", fmt.Sprintf("%s events and spans, %s a second", table.Count(float64(sent)), table.Count(rate)),
		table.Count(float64(b.rate))+" a second", table.Mark(rate >= 0.97*float64(b.rate)))
	_, err = r.Stop()
	return t, err
}

func addTime(t *table.Table, what string, value, target time.Duration) {
	t.Add(what, table.Time(value), table.Time(target), table.Mark(value <= target))
}

// filled returns what the store in folder holds; an empty one is filled first.
func (b *bench) filled(ctx context.Context, folder string) (*stock, error) {
	note := filepath.Join(folder, "stock.json")
	text, err := os.ReadFile(note)
	if err == nil {
		s := &stock{}
		return s, json.Unmarshal(text, s)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s := &stock{
		Seed: 5, From: b.began.Add(-storeDays * 24 * time.Hour).Truncate(time.Second), Sessions: b.rows / requestsOfVisit, Revision: b.ours.Version,
	}
	if err := b.fill(ctx, folder, s); err != nil {
		return nil, fmt.Errorf("filling the store: %w", err)
	}
	if s.Disk, err = process.DiskUse(filepath.Join(folder, "data"), journalFolder); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(s); err != nil {
		return nil, err
	}
	return s, os.WriteFile(note, text, 0o600)
}

// fill sends the stock through the server, as fast as it takes it, waits until every
// request is judged, and stops the server cleanly.
func (b *bench) fill(ctx context.Context, folder string, s *stock) error {
	server := *b.ours
	server.Extra = []string{"--link-wait", "10s"} // spans that never come are not to be waited for
	r, err := server.Start(ctx, folder)
	if err != nil {
		return err
	}
	defer r.Kill()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bodies := make(chan load.Body, 2*fillConnections)
	made := make(chan error, 1)
	var ends []traffic.Export // read once made has an answer
	go func() {
		defer close(bodies)
		var err error
		ends, err = s.make(ctx, r, bodies)
		made <- err
	}()
	sender := load.NewSender(fillConnections)
	defer sender.Close()
	began := time.Now()
	if err := sender.All(ctx, fillConnections, func() (load.Body, bool) {
		body, ok := <-bodies
		b.progress.sometimes("filling the store: %d of about %d rows, %.0f a second", sender.Sent(), 2*b.rows, float64(sender.Sent())/time.Since(began).Seconds())
		return body, ok
	}); err != nil {
		return fmt.Errorf("%w; it printed: %s", err, r.LogTail())
	}
	if err := <-made; err != nil {
		return err
	}
	b.progress.say("waiting until all can be asked for; it was answered in %v", time.Since(began).Round(time.Second))
	if err := b.awaitAll(ctx, intake{all: make([]load.Body, len(ends)), ends: len(ends), has: func(ctx context.Context, i int) (bool, error) {
		b.progress.sometimes("waiting until all can be asked for since %v", time.Since(began).Round(time.Second))
		n, err := r.Spans(ctx, ends[i].Last)
		return n >= ends[i].LastSpans, err
	}}, func() error { return nil }); err != nil {
		return err
	}
	s.LoadedIn, s.Waits = time.Since(began), sender.Waits()
	if err := b.awaitJudged(ctx, r); err != nil {
		return err
	}
	s.LoadCPU, err = r.Stop()
	return err
}

// make makes the bodies of the stock's sessions, each session's beacons and then its spans, and
// counts their rows. The beacons were queued until now, some of them for days: it is what an honest clock
// can say of old events, and a server corrects any other. It returns the exports that were made last.
func (s *stock) make(ctx context.Context, r *subject.Running, to chan<- load.Body) (ends []traffic.Export, err error) {
	send := func(body load.Body) error {
		select {
		case to <- body:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	packer := traffic.NewPacker(spansPerExport)
	export := func(e traffic.Export) error {
		s.Spans += int64(e.Spans)
		ends = append(ends[max(0, len(ends)-2*fillConnections):], e)
		return send(load.Body{URL: r.TraceURL, Type: load.Protobuf, Bytes: e.Body, Items: e.Spans})
	}
	shape := s.shape()
	for k := range shape.Sessions {
		v := shape.Session(k)
		for _, beacon := range v.Queued(time.Now()) {
			if err := send(load.Body{URL: r.EventURL, Type: load.Text, Bytes: beacon.Body, Items: beacon.Events, Client: beacon.Client}); err != nil {
				return nil, err
			}
		}
		s.Requests += int64(shape.Requests)
		s.Other += int64(3 * shape.Pages)
		if err := packer.Add(v, export); err != nil {
			return nil, err
		}
	}
	err = packer.Flush(export)
	return ends, err
}

// awaitJudged waits until no request is pending. Those whose spans never come are so for a while.
func (b *bench) awaitJudged(ctx context.Context, r *subject.Running) error {
	ctx, cancel := context.WithTimeoutCause(ctx, judgedAfter, fmt.Errorf("not every request had a verdict within %v", judgedAfter))
	defer cancel()
	began := time.Now()
	err := subject.Poll(ctx, 2*time.Second, func() (bool, error) {
		b.progress.sometimes("waiting for every request's verdict since %v", time.Since(began).Round(time.Second))
		var page struct {
			Requests []struct{} `json:"requests"`
		}
		status, body, err := r.Get(ctx, r.QueryURL+"/api/v1/requests?status=pending&limit=1")
		if err != nil || status != http.StatusOK {
			return false, nil //nolint:nilerr // a busy server; it is asked again until the deadline
		}
		return json.Unmarshal(body, &page) == nil && len(page.Requests) == 0, nil
	})
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// random returns a request that spans answer, of a session of the stock, and that session's id.
func (s *stock) random(rnd *rand.Rand) (*traffic.Request, string) {
	const tries = 100 // nearly every session has some
	for range tries {
		v := s.shape().Session(rnd.IntN(s.Sessions))
		page := &v.Pages[rnd.IntN(len(v.Pages))]
		if r := &page.Requests[rnd.IntN(len(page.Requests))]; r.Spans > 0 {
			return r, v.SessionID
		}
	}
	return &traffic.Request{}, ""
}

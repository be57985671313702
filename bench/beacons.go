package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/load"
	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/bench/internal/traffic"
)

// beaconsTarget is how many times the events per CPU-second of the best rival.
const beaconsTarget = 5

// beacons are the same sessions in the forms of both agents.
type beacons struct {
	ours, faro []traffic.Beacon
	last       []string // the id of a request in each
}

// makeBeacons makes n beacons of 20 events: 17 requests, a navigation, two web vitals.
func (b *bench) makeBeacons(n int, seed uint64) (all beacons) {
	shape := traffic.Shape{
		Seed: seed, From: b.began.Add(-10 * time.Minute), Over: 5 * time.Minute, Sessions: (n + 1) / 2, Requests: 34, Pages: 2, MinSpans: 1, MaxSpans: 4,
	}
	for k := range shape.Sessions {
		v := shape.Session(k)
		all.ours = append(all.ours, v.Beacons()...)
		all.faro = append(all.faro, v.FaroPayloads()...)
		for i := range v.Pages {
			requests := v.Pages[i].Requests
			all.last = append(all.last, requests[len(requests)-1].ID.String())
		}
	}
	return all
}

// measureBeacons lets every server that takes beacons take in the same sessions.
func (b *bench) measureBeacons(ctx context.Context) (*table.Table, error) {
	rivals, err := b.rivalsFor(ctx, true)
	if err != nil {
		return nil, err
	}
	b.progress.say("making %d beacons", b.beacons)
	all, first := b.makeBeacons(b.beacons, 3), b.makeBeacons(warmUp, 4)
	t := &table.Table{
		Title: "Beacons taken in",
		Notes: []string{fmt.Sprintf("%s beacons of %d events (17 requests, a navigation, two web vitals), %d bytes each; in Faro's form %d bytes. %d connections. Processor time as above.",
			table.Count(float64(len(all.ours))), traffic.EventsPerBeacon, mean(all.ours), mean(all.faro), b.connections)},
		Head: []string{"server", "version", "an answer means", "events per CPU-second", "until stopped", "events/s", "peak memory", "disk per event", "target", "met"},
	}
	ours, err := b.takeIn(ctx, b.ours, func(r *subject.Running) intake {
		return intake{
			first: beaconBodies(first.ours, r.EventURL, load.Text), all: beaconBodies(all.ours, r.EventURL, load.Text),
			has: func(ctx context.Context, i int) (bool, error) {
				status, _, err := r.Get(ctx, r.QueryURL+"/api/v1/requests/"+all.last[i])
				return status == http.StatusOK, err
			},
		}
	})
	if err != nil {
		return nil, err
	}
	target, met := "no rival was measured", ""
	var rows [][]string
	for i := range rivals {
		r := &rivals[i]
		if r.Missing != "" {
			rows = append(rows, []string{r.Name, "-", r.Missing})
			continue
		}
		c, err := b.takeIn(ctx, &r.Server, func(r *subject.Running) intake {
			return intake{first: beaconBodies(first.faro, r.EventURL, load.JSON), all: beaconBodies(all.faro, r.EventURL, load.JSON)}
		})
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			rows = append(rows, []string{r.Name, r.Version, "failed: " + err.Error()})
			continue
		}
		target = fmt.Sprintf("%d times %s; is %.2f times", beaconsTarget, r.Name, ours.perCPU()/c.perCPU())
		met = table.Mark(ours.perCPU() >= beaconsTarget*c.perCPU())
		rows = append(rows, spansRow(&r.Server, c))
	}
	t.Add(append(spansRow(b.ours, ours), target, met)...)
	for _, row := range rows {
		t.Add(row...)
	}
	return t, nil
}

func beaconBodies(all []traffic.Beacon, url, mediaType string) []load.Body {
	list := make([]load.Body, len(all))
	for i, body := range all {
		list[i] = load.Body{URL: url, Type: mediaType, Bytes: body.Body, Items: body.Events}
	}
	return list
}

func mean(all []traffic.Beacon) int {
	total := 0
	for _, body := range all {
		total += len(body.Body)
	}
	return total / max(1, len(all))
}

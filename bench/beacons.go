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

// faroReference stands for a rival that could not be had: the most events per CPU-second that
// the collector's faro receiver (or Grafana Alloy's) reached, keeping nothing, when it was measured
// once, on a processor of 2.5 GHz.
const faroReference = 9_200

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
	ours, theirs, err := b.inTurns(ctx, rivals,
		func() (cost, error) {
			return b.takeIn(ctx, b.ours, func(r *subject.Running) intake {
				return intake{
					first: beaconBodies(first.ours, r.EventURL, load.Text), all: beaconBodies(all.ours, r.EventURL, load.Text),
					has: func(ctx context.Context, i int) (bool, error) {
						status, _, err := r.Get(ctx, r.QueryURL+"/api/v1/requests/"+all.last[i])
						return status == http.StatusOK, err
					},
				}
			})
		},
		func(r *subject.Rival) (cost, error) {
			return b.takeIn(ctx, &r.Server, func(r *subject.Running) intake {
				return intake{first: beaconBodies(first.faro, r.EventURL, load.JSON), all: beaconBodies(all.faro, r.EventURL, load.JSON)}
			})
		})
	if err != nil {
		return nil, err
	}
	best, name := float64(faroReference), "the faro receiver's best of an earlier measurement"
	for i := range rivals {
		if theirs[i].items > 0 {
			best, name = theirs[i].perCPU(), rivals[i].Name
		}
	}
	t.Add(append(costRow(b.ours, &ours), fmt.Sprintf("%d times %s, %s; is %.2f times", beaconsTarget, table.Count(best), name, ours.perCPU()/best),
		table.Mark(ours.perCPU() >= beaconsTarget*best))...)
	addRivals(t, rivals, theirs)
	return t, nil
}

func beaconBodies(all []traffic.Beacon, url, mediaType string) []load.Body {
	list := make([]load.Body, len(all))
	for i, body := range all {
		list[i] = load.Body{URL: url, Type: mediaType, Bytes: body.Body, Items: body.Events, Client: body.Client}
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

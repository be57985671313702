package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/load"
	"github.com/throughline-rum/throughline/bench/internal/process"
	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
	"github.com/throughline-rum/throughline/bench/internal/traffic"
)

// The load of taking in spans.
const (
	spansPerExport = 200
	warmUp         = 10 // bodies before the measurement begins
	spansTarget    = 2  // times the best durable rival
	queryableAfter = 30 * time.Minute
	askEvery       = 200 * time.Millisecond
)

// cost is what taking in a load cost a server.
type cost struct {
	items          int
	cpu, cpuAtEnd  time.Duration // until everything was queryable; until it was stopped
	wall, answered time.Duration // until everything was queryable; until the last was answered
	peak, disk     int64
	waits          int64
}

func (c *cost) perCPU() float64 { return float64(c.items) / c.cpu.Seconds() }

// exports makes the exports of about n spans, all in memory, so that making them costs no server anything.
func exports(n int, from time.Time, seed uint64) ([]traffic.Export, error) {
	const perRequest = 6 // spans of a trace of 4 to 8
	shape := traffic.Shape{
		Seed: seed, From: from, Over: 5 * time.Minute, Requests: 34, Pages: 2, MinSpans: 4, MaxSpans: 8, Linkable: true,
	}
	shape.Sessions = n/(shape.Requests*perRequest) + 1
	var all []traffic.Export
	total := 0
	keep := func(e traffic.Export) error {
		if total < n {
			all = append(all, e)
			total += e.Spans
		}
		return nil
	}
	packer := traffic.NewPacker(spansPerExport)
	for k := range shape.Sessions {
		if err := packer.Add(shape.Session(k), keep); err != nil {
			return nil, err
		}
	}
	return all, packer.Flush(keep)
}

// measureSpans lets every server take in the same spans.
func (b *bench) measureSpans(ctx context.Context) (*table.Table, error) {
	rivals, err := b.rivalsFor(ctx, false)
	if err != nil {
		return nil, err
	}
	b.progress.say("making %d spans", b.spans)
	from := b.began.Add(-10 * time.Minute).Truncate(time.Second)
	all, err := exports(b.spans, from, 1)
	if err != nil {
		return nil, err
	}
	first, err := exports(warmUp*spansPerExport, from, 2)
	if err != nil {
		return nil, err
	}
	total, bytes := 0, 0
	for i := range all {
		total += all[i].Spans
		bytes += len(all[i].Body)
	}
	t := &table.Table{
		Title: "Spans taken in",
		Notes: []string{fmt.Sprintf("OTLP/HTTP, protobuf, not compressed: %s spans of %d bytes (the resource, which all spans of a service in an export share, not counted again) in "+
			"exports of %d, traces of 4 to 8 spans over three services, %d connections. Processor time of the server's process, from the first byte until every span could be asked for by "+
			"its trace id (where it can), and until it had stopped cleanly. Disk: after that; a journal, which is of one size however much went through it, is not counted.", table.Count(float64(total)), bytes/total, spansPerExport, b.connections)},
		Head: []string{"server", "version", "an answer means", "spans per CPU-second", "until stopped", "spans/s", "peak memory", "disk per span", "target", "met"},
	}
	ours, theirs, err := b.inTurns(ctx, rivals,
		func() (cost, error) { return b.takeSpans(ctx, b.ours, first, all) },
		func(r *subject.Rival) (cost, error) { return b.takeSpans(ctx, &r.Server, first, all) })
	if err != nil {
		return nil, err
	}
	best, bestName := 0.0, ""
	for i := range rivals {
		if r := &rivals[i]; r.Durable && theirs[i].items > 0 && theirs[i].perCPU() > best {
			best, bestName = theirs[i].perCPU(), r.Name
		}
	}
	target, met := "no durable rival was measured", ""
	if best > 0 {
		target = fmt.Sprintf("%d times %s; is %.2f times", spansTarget, bestName, ours.perCPU()/best)
		met = table.Mark(ours.perCPU() >= spansTarget*best)
	}
	t.Add(append(costRow(b.ours, &ours), target, met)...)
	addRivals(t, rivals, theirs)
	return t, nil
}

// inTurns measures all servers, one after another, -count times, and returns the median
// of each. A rival that fails says so in Missing, and its cost is zero.
func (b *bench) inTurns(ctx context.Context, rivals []subject.Rival, ours func() (cost, error), theirs func(*subject.Rival) (cost, error)) (cost, []cost, error) {
	ofOurs, ofTheirs := []cost{}, make([][]cost, len(rivals))
	for range b.count {
		c, err := ours()
		if err != nil {
			return cost{}, nil, err
		}
		ofOurs = append(ofOurs, c)
		for i := range rivals {
			r := &rivals[i]
			if r.Missing != "" {
				continue
			}
			c, err := theirs(r)
			if ctx.Err() != nil {
				return cost{}, nil, err
			}
			if err != nil {
				r.Missing = "failed: " + err.Error()
				continue
			}
			ofTheirs[i] = append(ofTheirs[i], c)
		}
	}
	medians := make([]cost, len(rivals))
	for i := range rivals {
		if rivals[i].Missing == "" {
			medians[i] = median(ofTheirs[i])
		}
	}
	return median(ofOurs), medians, nil
}

// median returns the run whose processor time is in the middle; of an even number the worse.
func median(runs []cost) cost {
	sorted := slices.SortedFunc(slices.Values(runs), func(x, y cost) int { return cmp.Compare(x.perCPU(), y.perCPU()) })
	return sorted[(len(sorted)-1)/2]
}

func addRivals(t *table.Table, rivals []subject.Rival, costs []cost) {
	for i := range rivals {
		r := &rivals[i]
		if r.Missing != "" {
			t.Add(r.Name, "-", r.Missing)
			continue
		}
		t.Add(costRow(&r.Server, &costs[i])...)
	}
}

func costRow(s *subject.Server, c *cost) []string {
	disk := "-"
	if c.disk > 0 {
		disk = table.Count(float64(c.disk)/float64(c.items)) + " B"
	}
	return []string{
		s.Name, s.Version, s.Durability, table.Count(c.perCPU()), table.Count(float64(c.items) / c.cpuAtEnd.Seconds()),
		table.Count(float64(c.items) / c.wall.Seconds()), table.MiB(c.peak), disk,
	}
}

// takeSpans starts a server anew and lets it take in exports.
func (b *bench) takeSpans(ctx context.Context, s *subject.Server, first, all []traffic.Export) (cost, error) {
	return b.takeIn(ctx, s, func(r *subject.Running) intake {
		return intake{
			first: spanBodies(first, r.TraceURL), all: spanBodies(all, r.TraceURL),
			has: func(ctx context.Context, i int) (bool, error) {
				n, err := r.Spans(ctx, all[i].Last)
				return n >= all[i].LastSpans, err
			},
		}
	})
}

// intake is a load and how to see that it has arrived.
type intake struct {
	first, all []load.Body
	// has reports whether the end of body i can be asked for; nil where nothing can.
	has func(ctx context.Context, i int) (bool, error)
	// ends is how many of the last bodies were under way at once, where more than -connections.
	ends int
}

// takeIn starts a server on an empty folder, sends it a load and measures what that costs it.
func (b *bench) takeIn(ctx context.Context, s *subject.Server, loadFor func(*subject.Running) intake) (c cost, err error) {
	folder, err := b.folder(s.Name)
	if err != nil {
		return c, err
	}
	b.progress.say("%s takes in its load", s.Name)
	r, err := s.Start(ctx, folder)
	if err != nil {
		return c, err
	}
	defer r.Kill()
	in := loadFor(r)
	sender := load.NewSender(b.connections)
	defer sender.Close()
	if err := sender.All(ctx, b.connections, queue(in.first, nil)); err != nil {
		return c, err
	}
	before, err := r.CPU()
	if err != nil {
		return c, err
	}
	warm, began := sender.Sent(), time.Now()
	if err := sender.All(ctx, b.connections, queue(in.all, func(i int) {
		b.progress.sometimes("%s: %d of %d bodies sent", s.Name, i, len(in.all))
	})); err != nil {
		return c, fmt.Errorf("%w; it printed: %s", err, r.LogTail())
	}
	c.items, c.waits, c.answered = int(sender.Sent()-warm), sender.Waits(), time.Since(began)
	after := time.Duration(0)
	if err := b.awaitAll(ctx, in, func() (err error) {
		c.wall = time.Since(began)
		after, err = r.CPU()
		return err
	}); err != nil {
		return c, err
	}
	c.cpu = after - before
	if _, c.peak, err = r.Memory(); err != nil {
		return c, err
	}
	life, err := r.Stop()
	if err != nil {
		return c, err
	}
	c.cpuAtEnd = life - before
	c.disk, err = process.DiskUse(r.Folder, journalFolder)
	return c, err
}

// awaitAll waits until the ends of the load can be asked for: of the last body, then
// of those that were under way with it. It calls taken when that was so.
func (b *bench) awaitAll(ctx context.Context, in intake, taken func() error) error {
	if in.has == nil {
		return taken()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, queryableAfter, fmt.Errorf("what was sent could not be asked for within %v", queryableAfter))
	defer cancel()
	last := len(in.all) - 1
	check, early := last, false
	err := subject.Poll(ctx, askEvery, func() (bool, error) {
		for ; check >= max(0, len(in.all)-max(b.connections, in.ends)); check-- {
			if ok, err := in.has(ctx, check); !ok || err != nil {
				early = early || check < last
				return false, err
			}
			if check == last {
				if err := taken(); err != nil { // before the questions that follow, which cost the server, too
					return false, err
				}
			}
		}
		return true, nil
	})
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err == nil && early:
		return taken()
	default:
		return err
	}
}

// folder makes a folder for a server's data.
func (b *bench) folder(name string) (string, error) {
	name = strings.Map(func(r rune) rune {
		if r == ' ' || r == ',' || r == '/' {
			return '-'
		}
		return r
	}, name)
	return os.MkdirTemp(b.temp, name+"-")
}

// queue returns a function that hands out bodies, and tells of each.
func queue(all []load.Body, tell func(i int)) func() (load.Body, bool) {
	i := 0
	return func() (load.Body, bool) {
		if i == len(all) {
			return load.Body{}, false
		}
		if tell != nil {
			tell(i)
		}
		i++
		return all[i-1], true
	}
}

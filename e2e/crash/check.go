package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The limits of a look at the server.
const (
	askTimeout  = 40 * time.Second // the server's own bound is 30 s
	askers      = 4                // questions at a time
	maxPages    = 100_000          // of one listing
	maxExamples = 5                // of one kind of finding, told in words
	lookPause   = 200 * time.Millisecond
)

// spanKey is what makes a span one.
type spanKey struct {
	trace tracecontext.TraceID
	id    string
}

// seenRequest is a request event as the server shows it.
type seenRequest struct {
	times             int
	status, reason    string
	linkTrace, linkID string
}

// snapshot is what a server shows through its API.
type snapshot struct {
	requests map[string]seenRequest
	spans    map[spanKey]int // how many times each is shown; nil: not looked at
}

// findings are the differences between what was sent and what is there, by number.
type findings struct {
	lost, doubled int // events and spans
	torn          int // payloads never acknowledged, of which a part is there
	strangers     int // events and spans that nobody sent
	pending       int // requests without a verdict
	notLinked     int // requests with their entry span there, and another verdict
	present       int // events and spans that are there

	examples []string
}

// settled reports whether waiting longer could change nothing for the better.
func (f *findings) settled() bool { return f.lost+f.torn+f.pending+f.notLinked == 0 }

func (f *findings) note(kind *int, format string, args ...any) {
	if *kind++; *kind <= maxExamples {
		f.examples = append(f.examples, fmt.Sprintf(format, args...))
	}
}

// compare holds what a server shows against what was sent to it.
func compare(entries []entry, seen snapshot) findings {
	var f findings
	unknownRequests, unknownSpans := maps.Clone(seen.requests), maps.Clone(seen.spans)
	for _, e := range entries {
		there := 0
		tell := func(what string, times int) {
			switch {
			case times == 0 && e.acked:
				f.note(&f.lost, "lost: %s of trace %s was acknowledged and is not there", what, e.trace)
			case times > 1:
				f.note(&f.doubled, "doubled: %s of trace %s is there %d times", what, e.trace, times)
			}
			there += min(times, 1)
		}
		for _, ev := range e.events {
			r := seen.requests[ev.id]
			delete(unknownRequests, ev.id)
			tell("request "+ev.id, r.times)
			if r.times > 0 {
				f.verdict(e.trace, ev, r, seen)
			}
		}
		if seen.spans != nil {
			for _, s := range e.spans {
				key := spanKey{e.trace, s.id.String()}
				delete(unknownSpans, key)
				tell("span "+key.id, seen.spans[key])
			}
		}
		f.present += there
		if !e.acked && there > 0 && there < e.len() {
			f.note(&f.torn, "torn: of a payload of trace %s that was not acknowledged %d of %d items are there", e.trace, there, e.len())
		}
	}
	for id := range unknownRequests {
		f.note(&f.strangers, "stranger: request %s is there, and nobody sent it", id)
	}
	for key := range unknownSpans {
		f.note(&f.strangers, "stranger: span %s of trace %s is there, and nobody sent it", key.id, key.trace)
	}
	return f
}

// verdict checks the verdict on a request that is there.
func (f *findings) verdict(trace tracecontext.TraceID, ev event, r seenRequest, seen snapshot) {
	if r.status == "pending" || r.status == "" {
		f.note(&f.pending, "pending: request %s of trace %s has no verdict", ev.id, trace)
		return
	}
	if ev.entry.IsZero() || seen.spans[spanKey{trace, ev.entry.String()}] == 0 {
		if r.status == "linked" {
			f.note(&f.notLinked, "verdict: request %s of trace %s is linked (%s), and its entry span is not there", ev.id, trace, r.reason)
		}
		return
	}
	if r.status != "linked" || r.linkTrace != trace.String() || r.linkID != ev.entry.String() {
		f.note(&f.notLinked, "verdict: request %s of trace %s is %s/%s, joined to %s/%s, and its entry span %s is there",
			ev.id, trace, r.status, r.reason, r.linkTrace, r.linkID, ev.entry)
	}
}

// checker reads a server through its public API.
type checker struct {
	api   string // its URL
	http  *http.Client
	rng   *rand.Rand
	limit func() int // rows of a listing's page
}

func newChecker(api string, rng *rand.Rand) *checker {
	return &checker{
		api: api, rng: rng,
		http:  &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: askers}},
		limit: func() int { return 200 + rng.IntN(800) },
	}
}

var errNotFound = errors.New("not found")

// ask reads one answer of the API.
func (c *checker) ask(ctx context.Context, path string, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.api+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", path, err)
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: status %d: %.300s", path, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

type requestPage struct {
	Requests []struct {
		ID         string `json:"id"`
		LinkStatus string `json:"link.status"`
		LinkReason string `json:"link.reason"`
		LinkTrace  string `json:"link.trace_id"`
		LinkSpan   string `json:"link.span_id"`
	} `json:"requests"`
	NextCursor string `json:"next_cursor"`
}

// list reads all requests, page by page, in two ranges of time that meet at a
// random moment; pages have a random length, so that a row that is there twice
// does not hide behind the same border in every look.
func (c *checker) list(ctx context.Context, now time.Time) (map[string]seenRequest, error) {
	seen := map[string]seenRequest{}
	first, last := now.Add(-24*time.Hour), now.Add(time.Hour)
	meet := now.Add(-time.Duration(c.rng.Int64N(int64(15 * time.Minute))))
	for _, r := range [][2]time.Time{{first, meet}, {meet, last}} {
		limit := strconv.Itoa(c.limit())
		for cursor, pages := "", 0; ; pages++ {
			if pages == maxPages {
				return nil, fmt.Errorf("the listing of requests has no end after %d pages", maxPages)
			}
			query := url.Values{"from": {r[0].UTC().Format(time.RFC3339Nano)}, "to": {r[1].UTC().Format(time.RFC3339Nano)}, "limit": {limit}}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			var page requestPage
			if err := c.ask(ctx, "/api/v1/requests", query, &page); err != nil {
				return nil, err
			}
			for _, q := range page.Requests {
				seen[q.ID] = seenRequest{seen[q.ID].times + 1, q.LinkStatus, q.LinkReason, q.LinkTrace, q.LinkSpan}
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
	}
	return seen, nil
}

// rows counts the rows of one trace: its spans, and the requests above them.
func (c *checker) rows(ctx context.Context, id tracecontext.TraceID) (spans, requests map[string]int, err error) {
	var trace struct {
		Truncated bool `json:"truncated"`
		Rows      []struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"rows"`
	}
	spans, requests = map[string]int{}, map[string]int{}
	err = c.ask(ctx, "/api/v1/traces/"+id.String(), nil, &trace)
	if errors.Is(err, errNotFound) {
		return spans, requests, nil
	}
	if err == nil && trace.Truncated {
		err = fmt.Errorf("trace %s is shown in part, so that its spans cannot be counted", id)
	}
	for _, r := range trace.Rows {
		if r.Type == "span" {
			spans[r.ID]++
		} else {
			requests[r.ID]++
		}
	}
	return spans, requests, err
}

// look reads everything that concerns the entries.
func (c *checker) look(ctx context.Context, entries []entry, requests map[string]seenRequest) (snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := snapshot{requests, map[spanKey]int{}}
	ids := map[tracecontext.TraceID]bool{}
	for _, e := range entries {
		ids[e.trace] = true
	}
	queue := make(chan tracecontext.TraceID)
	var mu sync.Mutex
	var failure error
	var workers sync.WaitGroup
	for range askers {
		workers.Go(func() {
			for id := range queue {
				spans, above, err := c.rows(ctx, id)
				mu.Lock()
				if err != nil && failure == nil {
					failure = err
					cancel()
				}
				for span, times := range spans {
					seen.spans[spanKey{id, span}] = times
				}
				for request, times := range above { // a row that the listing's pages hid
					if r := seen.requests[request]; times > r.times {
						r.times = times
						seen.requests[request] = r
					}
				}
				mu.Unlock()
			}
		})
	}
	for id := range ids {
		queue <- id
	}
	close(queue)
	workers.Wait()
	return seen, failure
}

// await looks until everything that was acknowledged is there and has its verdict,
// or patience ends. The findings are those of the last look.
func (c *checker) await(ctx context.Context, l *ledger, patience time.Duration) (findings, error) {
	defer c.http.CloseIdleConnections()
	entries := l.entries()
	deadline := time.Now().Add(patience)
	for {
		requests, err := c.list(ctx, time.Now())
		if err != nil {
			return findings{}, err
		}
		last := time.Now().After(deadline)
		early := compare(entries, snapshot{requests: requests})
		if last || early.lost+early.pending == 0 { // else the traces are not worth the time
			seen, err := c.look(ctx, entries, requests)
			if err != nil {
				return findings{}, err
			}
			if f := compare(entries, seen); last || f.settled() {
				return f, nil
			}
		}
		if !rest(ctx, lookPause) {
			return findings{}, ctx.Err()
		}
	}
}

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/server/internal/query"
)

const (
	verdictsTimeout  = time.Minute
	verdictsInterval = 100 * time.Millisecond

	maxAPIAnswer = 16 << 20
	maxAPIPages  = 1000
)

// VerdictsConfig says what to wait for, and where.
type VerdictsConfig struct {
	// APIURL is the server whose API is read, without a path.
	APIURL string
	// Client reads it; nil: http.DefaultClient.
	Client *http.Client
	// Visit is what the browser did, all of which the server is to know.
	Visit Visit
	// Timeout bounds the wait, Interval is the pause between two looks. Zero: one
	// minute and 100 ms.
	Timeout, Interval time.Duration
}

// WaitForVerdicts reads the requests that the server knows of since the visit
// began until they hold every request of the visit, none is pending, and a
// further look finds no more of them. What goes to the server itself is left
// out. Requests of other visitors in that time are included, so it is meant for a
// server that has none. When the time is up, it returns the requests that it has
// with an error that says what is missing.
func WaitForVerdicts(ctx context.Context, cfg VerdictsConfig) ([]query.Request, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = verdictsTimeout
	}
	if cfg.Interval == 0 {
		cfg.Interval = verdictsInterval
	}
	if cfg.Client == nil {
		cfg.Client = http.DefaultClient
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	ticker := time.NewTicker(cfg.Interval)
	defer ticker.Stop()

	var last []query.Request
	var missing error // what the last look did not find
	for before := -1; ; {
		requests, err := listRequests(ctx, cfg)
		if err != nil {
			return last, fmt.Errorf("demo: read the verdicts: %w", errors.Join(err, missing))
		}
		last, missing = requests, unsettled(cfg.Visit.Seen, requests)
		if missing == nil && len(requests) == before {
			return requests, nil
		}
		before = len(requests)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return last, fmt.Errorf("demo: wait for the verdicts: %w", errors.Join(ctx.Err(), missing))
		}
	}
}

// unsettled says what is still to come; nil where nothing is.
func unsettled(seen []SeenRequest, stored []query.Request) error {
	var errs []error
	if missing := Compare(seen, stored).Missing; len(missing) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d requests have not arrived, such as %v", len(missing), len(seen), missing[0]))
	}
	pending := 0
	for _, r := range stored {
		if r.LinkStatus == "pending" {
			pending++
		}
	}
	if pending > 0 {
		errs = append(errs, fmt.Errorf("%d requests are pending", pending))
	}
	return errors.Join(errs...)
}

// Comparison is how what the server knows differs from what the browser did.
type Comparison struct {
	Missing    []SeenRequest // the browser sent it, the server does not know of it
	Unexpected []SeenRequest // the server knows of it, the browser did not send it
}

// Compare matches requests by kind, method and URL, one by one: of a request
// that was sent twice and is known once, one is missing.
func Compare(seen []SeenRequest, stored []query.Request) Comparison {
	var c Comparison
	left := make(map[SeenRequest]int)
	for _, r := range stored {
		left[seenOf(r)]++
	}
	for _, r := range seen {
		if left[r]--; left[r] < 0 {
			c.Missing = append(c.Missing, r)
		}
	}
	for _, r := range stored {
		if k := seenOf(r); left[k] > 0 {
			left[k]--
			c.Unexpected = append(c.Unexpected, k)
		}
	}
	return c
}

func seenOf(r query.Request) SeenRequest {
	return SeenRequest{Kind: r.Kind, Method: r.Method, URL: r.URL}
}

// listRequests reads all pages of GET /api/v1/requests.
func listRequests(ctx context.Context, cfg VerdictsConfig) ([]query.Request, error) {
	own := strings.TrimSuffix(cfg.APIURL, "/") + "/"
	var requests []query.Request
	cursor := ""
	for range maxAPIPages {
		q := url.Values{"from": {cfg.Visit.Started.UTC().Format(time.RFC3339Nano)}, "limit": {"500"}}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		var p query.RequestPage
		if err := getJSON(ctx, cfg.Client, own+"api/v1/requests?"+q.Encode(), &p); err != nil {
			return nil, err
		}
		for _, r := range p.Requests {
			if !strings.HasPrefix(r.URL, own) {
				requests = append(requests, r)
			}
		}
		if cursor = p.NextCursor; cursor == "" {
			return requests, nil
		}
	}
	return nil, fmt.Errorf("the listing has more than %d pages", maxAPIPages)
}

func getJSON(ctx context.Context, client *http.Client, target string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAPIAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answered %s: %.200s", target, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", target, err)
	}
	return nil
}

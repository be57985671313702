package demo

import (
	"cmp"
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

// VerdictsConfig says what WaitForVerdicts and WaitForEvents wait for, and where.
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
	var last []query.Request
	before := -1
	err := cfg.wait(ctx, "the verdicts", func(ctx context.Context) (missing, err error) {
		requests, err := listRequests(ctx, cfg)
		if err != nil {
			return nil, err
		}
		if missing = unsettled(cfg.Visit.Seen, requests); missing == nil && len(requests) != before {
			missing = errGrowing
		}
		last, before = requests, len(requests)
		return missing, nil
	})
	return last, err
}

// errGrowing is what is missing where only a further look can tell whether there is more.
var errGrowing = errors.New("the list is still growing")

// wait looks until nothing is missing any more, the time is up, or a look fails. Its error says what the last look
// did not find.
func (c *VerdictsConfig) wait(ctx context.Context, what string, look func(context.Context) (missing, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, verdictsTimeout))
	defer cancel()
	ticker := time.NewTicker(cmp.Or(c.Interval, verdictsInterval))
	defer ticker.Stop()
	var missing error
	for {
		now, err := look(ctx)
		if err != nil {
			return fmt.Errorf("demo: read %s: %w", what, errors.Join(err, missing))
		}
		if missing = now; missing == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("demo: wait for %s: %w", what, errors.Join(ctx.Err(), missing))
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
		if err := cfg.read(ctx, "requests?"+q.Encode(), &p); err != nil {
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

// read gets an answer of the API.
func (c *VerdictsConfig) read(ctx context.Context, path string, into any) error {
	target := strings.TrimSuffix(c.APIURL, "/") + "/api/v1/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := cmp.Or(c.Client, http.DefaultClient).Do(req)
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

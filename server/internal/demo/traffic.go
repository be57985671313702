package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// The kinds of requests, as the API names them.
const (
	kindDocument = "document"
	kindResource = "resource"
	kindFetch    = "fetch"
	kindXHR      = "xhr"
)

// SeenRequest is a request that the browser sent for a page.
type SeenRequest struct {
	Kind   string // request.kind: document, resource, fetch or xhr
	Method string
	URL    string
}

// String returns the request as "kind METHOD URL".
func (r SeenRequest) String() string { return fmt.Sprintf("%s %s %s", r.Kind, r.Method, r.URL) }

// traffic follows the requests of a tab through the DevTools protocol.
type traffic struct {
	skip string // prefix of the URLs that are not the page's own

	mu      sync.Mutex
	seen    []SeenRequest
	soft    int                          // changes of the address within a page
	open    map[network.RequestID]string // URL of each request that has not ended
	changed chan struct{}                // closed when open changes
}

func newTraffic(serverURL string) *traffic {
	return &traffic{
		skip:    strings.TrimSuffix(serverURL, "/") + "/",
		open:    make(map[network.RequestID]string),
		changed: make(chan struct{}),
	}
}

// observe takes an event of the tab. It never blocks.
func (t *traffic) observe(ev any) {
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		kind, ok := kindOf(ev)
		if !ok || strings.HasPrefix(ev.Request.URL, t.skip) {
			return
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if ev.RedirectResponse == nil { // a redirect goes on with the same request
			t.seen = append(t.seen, SeenRequest{Kind: kind, Method: ev.Request.Method, URL: ev.Request.URL})
		}
		t.open[ev.RequestID] = ev.Request.URL
		t.change()
	case *page.EventNavigatedWithinDocument:
		t.mu.Lock()
		defer t.mu.Unlock()
		t.soft++
	case *network.EventLoadingFinished:
		t.end(ev.RequestID)
	case *network.EventLoadingFailed:
		t.end(ev.RequestID)
	}
}

func (t *traffic) end(id network.RequestID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, id)
	t.change()
}

func (t *traffic) change() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// requests returns what was seen so far, and the number of soft navigations.
func (t *traffic) requests() ([]SeenRequest, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.seen), t.soft
}

// wait returns when no request is under way.
func (t *traffic) wait(ctx context.Context) error {
	for {
		t.mu.Lock()
		open, changed := len(t.open), t.changed
		t.mu.Unlock()
		if open == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d requests have not ended: %w", open, ctx.Err())
		}
	}
}

// kindOf says what kind of request event the agent is to report for a request.
// ok is false where pages do not learn of it (preflights) or it is none
// (beacons, other schemes).
func kindOf(ev *network.EventRequestWillBeSent) (kind string, ok bool) {
	if !strings.HasPrefix(ev.Request.URL, "http:") && !strings.HasPrefix(ev.Request.URL, "https:") {
		return "", false
	}
	if ev.Initiator != nil && ev.Initiator.Type == network.InitiatorTypePreflight {
		return "", false
	}
	switch ev.Type {
	case network.ResourceTypeDocument:
		return kindDocument, true
	case network.ResourceTypeFetch:
		return kindFetch, true
	case network.ResourceTypeXHR:
		return kindXHR, true
	case network.ResourceTypeStylesheet, network.ResourceTypeScript, network.ResourceTypeImage,
		network.ResourceTypeFont, network.ResourceTypeMedia, network.ResourceTypeTextTrack,
		network.ResourceTypeManifest, network.ResourceTypeOther:
		return kindResource, true
	default:
		return "", false
	}
}

// maxComplaints bounds what is kept of a page that does not stop complaining.
const maxComplaints = 20

// complaints collects what is wrong with a page: uncaught exceptions and
// violations of its content security policy. The planted error is none of them.
type complaints struct {
	mu   sync.Mutex
	errs []error
}

// observe takes an event of the tab. It never blocks.
func (c *complaints) observe(ev any) {
	var text string
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text = ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text = e.Description
		}
	case *log.EventEntryAdded:
		if ev.Entry.Source != log.EntrySourceSecurity || ev.Entry.Level != log.EntryLevelError {
			return
		}
		text = ev.Entry.Text
	default:
		return
	}
	if strings.Contains(text, plantedError) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) < maxComplaints {
		c.errs = append(c.errs, fmt.Errorf("the page complains: %s", text))
	}
}

func (c *complaints) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

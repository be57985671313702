package backends

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserPatience bounds one visit.
const browserPatience = 40 * time.Second

// visit is a tab of a fresh headless Chromium, and what its network layer told of
// one origin: another witness than the agent in the page.
type visit struct {
	ctx    context.Context
	origin string

	mu         sync.Mutex
	requests   map[network.RequestID]*seen
	open       map[network.RequestID]bool // those that have not ended
	changed    chan struct{}              // closed when open or frames change
	frames     []string                   // texts that came by WebSocket
	complaints []string
}

// seen is a request as the browser sent it.
type seen struct {
	kind, url string
	cached    bool // no backend took part
}

func newVisit(t *testing.T, origin string) *visit {
	t.Helper()
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		t.Fatal("CHROMIUM does not name a browser; run: make e2e")
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserPatience)
	t.Cleanup(cancel)
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // containers seldom allow one, and the pages are of this machine
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.WindowSize(1440, 1080),
	)
	ctx, endBrowser := chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(endBrowser)
	ctx, endTab := chromedp.NewContext(ctx)
	t.Cleanup(endTab)
	v := &visit{ctx: ctx, origin: origin, requests: map[network.RequestID]*seen{}, open: map[network.RequestID]bool{}, changed: make(chan struct{})}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, v.observe); err != nil {
		t.Fatal(err)
	}
	return v
}

// do takes one step, and fails the test where it cannot be done or the page complains.
func (v *visit) do(t *testing.T, step string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(v.ctx, actions...); err != nil {
		t.Fatalf("step %q: %v\n%s", step, err, strings.Join(v.complained(), "\n"))
	}
	if said := v.complained(); len(said) > 0 {
		t.Fatalf("step %q: the page complains:\n%s", step, strings.Join(said, "\n"))
	}
}

// leaving does what ends a page, once all of the page's requests have ended so that none
// is cut off, and returns when the next page has loaded.
func (v *visit) leaving(a chromedp.Action[chromedp.Void]) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		if err := v.settled(ctx); err != nil {
			return chromedp.Void{}, err
		}
		_, err := chromedp.WaitEvent(page.LoadEventFired, nil, a)(ctx, t)
		return chromedp.Void{}, err
	}
}

// leave sends the agent's last beacon.
func (v *visit) leave(t *testing.T) {
	t.Helper()
	v.do(t, "leave", v.leaving(chromedp.Navigate("about:blank")))
}

func (v *visit) observe(ev any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		kind := kindOf(ev)
		if kind == "" || !strings.HasPrefix(ev.Request.URL, v.origin+"/") || strings.HasPrefix(ev.Request.URL, v.origin+firstParty) {
			return
		}
		if known := v.requests[ev.RequestID]; known != nil { // a redirect goes on with the same request
			if kind == "document" {
				known.url = told(ev.Request.URL) // a page knows where it came to, and not from where
			}
			return
		}
		v.requests[ev.RequestID] = &seen{kind: kind, url: told(ev.Request.URL)}
		v.open[ev.RequestID] = true
		v.change()
	case *network.EventRequestServedFromCache:
		v.cached(ev.RequestID)
	case *network.EventResponseReceived:
		if ev.Response.FromDiskCache {
			v.cached(ev.RequestID)
		}
	case *network.EventLoadingFinished:
		delete(v.open, ev.RequestID)
		v.change()
	case *network.EventLoadingFailed:
		delete(v.open, ev.RequestID)
		v.change()
	case *network.EventWebSocketFrameReceived:
		v.frames = append(v.frames, string(ev.Response.PayloadData))
		v.change()
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text = e.Description
		}
		v.complaints = append(v.complaints, text)
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			v.complaints = append(v.complaints, ev.Entry.Text+" "+ev.Entry.URL)
		}
	}
}

func (v *visit) cached(id network.RequestID) {
	if r := v.requests[id]; r != nil {
		r.cached = true
	}
}

func (v *visit) change() {
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *visit) complained() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.complaints...)
}

// wait returns when something holds, asked after each change.
func (v *visit) wait(ctx context.Context, holds func() bool) error {
	for {
		v.mu.Lock()
		done, changed := holds(), v.changed
		v.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settled returns when no request is under way.
func (v *visit) settled(ctx context.Context) error {
	if err := v.wait(ctx, func() bool { return len(v.open) == 0 }); err != nil {
		return fmt.Errorf("requests have not ended: %w", err)
	}
	return nil
}

// received waits until a text has come by WebSocket.
func (v *visit) received(text string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		holds := func() bool {
			return slices.ContainsFunc(v.frames, func(frame string) bool { return strings.Contains(frame, text) })
		}
		return chromedp.Void{}, v.wait(ctx, holds)
	}
}

// sent returns what the browser sent so far.
func (v *visit) sent() map[network.RequestID]seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[network.RequestID]seen{}
	for id, r := range maps.All(v.requests) {
		out[id] = *r
	}
	return out
}

// kindOf says what kind of request event the agent is to report for a request;
// empty where pages do not learn of it.
func kindOf(ev *network.EventRequestWillBeSent) string {
	switch ev.Type {
	case network.ResourceTypeDocument:
		return "document"
	case network.ResourceTypeFetch:
		return "fetch"
	case network.ResourceTypeXHR:
		return "xhr"
	case network.ResourceTypeStylesheet, network.ResourceTypeScript, network.ResourceTypeImage, network.ResourceTypeFont,
		network.ResourceTypeMedia, network.ResourceTypeTextTrack, network.ResourceTypeManifest, network.ResourceTypeOther:
		return "resource"
	default:
		return ""
	}
}

var queryPart = regexp.MustCompile(`[^&]+`)

// told returns a URL as the agent tells it: without fragment and without what its
// query says.
func told(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = queryPart.ReplaceAllStringFunc(u.RawQuery, func(part string) string {
		if name, _, ok := strings.Cut(part, "="); ok {
			return name + "=*"
		}
		return "*"
	})
	return u.String()
}

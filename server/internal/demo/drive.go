package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// driveTimeout bounds a visit where DriveConfig.Timeout is zero.
const driveTimeout = 2 * time.Minute

// DriveConfig says which browser visits which shop.
type DriveConfig struct {
	// URLs are the shop's, as in Shop.URLs.
	URLs URLs
	// ServerURL is the server of Config.ServerURL. What goes there (the agent's
	// script and its beacons) is not part of the visit.
	ServerURL string
	// ChromiumPath is the browser's executable, as FindChromium returns it.
	ChromiumPath string
	// UserDataDir is an empty folder for the browser's profile, so that the visitor
	// is a new one. Empty: a temporary folder, removed at the end.
	UserDataDir string
	// Timeout bounds the whole of it, BeforeClose included. Zero: two minutes.
	Timeout time.Duration
	// Progress is told each step before it is done. It may be nil.
	Progress func(step string)
	// BeforeClose is called when the page was left and before the browser ends: the
	// agent's last beacon is then still on its way, and would die with the browser.
	// It should return when everything has arrived, as WaitForVerdicts does. It may
	// be nil.
	BeforeClose func(ctx context.Context, v Visit) error
}

// Visit is what a browser did in the shop, as its network layer told it, which
// is another witness than the agent in the page.
type Visit struct {
	Started time.Time     // before the first request
	Pages   int           // pages that were loaded
	Seen    []SeenRequest // in the order in which they were sent
	// SoftNavigations are the changes of a page's address that loaded no page.
	SoftNavigations int
	// PartnerTraceparent is the traceparent that reached the partner; empty, as it
	// should be, where none did.
	PartnerTraceparent string
}

// FindChromium returns the path of a Chromium or Chrome: $CHROMIUM where it is
// set, else the first of chromium, chromium-browser and google-chrome on the path.
func FindChromium(getenv func(string) string) (string, error) {
	if path := getenv("CHROMIUM"); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("demo: $CHROMIUM is not an executable: %w", err)
		}
		return found, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", errors.New("demo: no Chromium found; install it (apt-get install chromium) or set $CHROMIUM to its path")
}

// Drive visits the shop with a headless browser: it opens the home page, looks at
// one category and goes back, both within the page, follows a product, puts it in
// the cart, tries a voucher, which fails on purpose, pays on the payments origin,
// fetches from the partner and leaves. It goes on as soon as the page shows that a
// step is done. A page that throws anything but the voucher's error, or does what
// its content security policy forbids, is an error.
func Drive(ctx context.Context, cfg DriveConfig) (Visit, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = driveTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()

	d := &driver{cfg: cfg, traffic: newTraffic(cfg.ServerURL)}
	v := Visit{Started: time.Now()}
	ctx, stop := d.browser(ctx)
	defer stop()
	if err := d.walk(ctx); err != nil {
		return v, fmt.Errorf("demo: visit the shop: %w", err)
	}
	v.Seen, v.SoftNavigations = d.traffic.requests()
	v.PartnerTraceparent = d.partnerTraceparent
	for _, r := range v.Seen {
		if r.Kind == kindDocument {
			v.Pages++
		}
	}
	if cfg.BeforeClose != nil {
		if err := cfg.BeforeClose(ctx, v); err != nil {
			return v, err
		}
	}
	return v, nil
}

// driver walks one tab through the shop.
type driver struct {
	cfg                DriveConfig
	traffic            *traffic
	partnerTraceparent string
}

// browser returns the context of a tab that is not started yet; stop ends the
// browser and waits for it.
func (d *driver) browser(ctx context.Context) (_ context.Context, stop func()) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(d.cfg.ChromiumPath),
		chromedp.NoSandbox, // containers seldom allow one, and the pages are ours
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("force-prefers-reduced-motion", true), // a moving button is missed
		chromedp.WindowSize(1280, 900),
	)
	if d.cfg.UserDataDir != "" {
		opts = append(opts, chromedp.UserDataDir(d.cfg.UserDataDir))
	}
	ctx, endAllocator := chromedp.NewExecAllocator(ctx, opts...)
	ctx, endTab := chromedp.NewContext(ctx)
	return ctx, func() {
		endTab()
		endAllocator()
	}
}

// step is one thing that a visitor does, and how the page shows that it is done.
type step struct {
	name string
	do   []chromedp.Action[chromedp.Void]
}

const (
	homeReady    = chromedp.CSS(`body[data-page="home"][data-ready="true"]`)
	yarn         = chromedp.CSS(`#chips a[href="/category/yarn"]`)
	yarnShown    = chromedp.CSS(`body[data-category="Yarn"]`)
	allShown     = chromedp.CSS(`body[data-category=""]`)
	productLink  = chromedp.CSS(`#products a[href="/product/merino-skein"]`)
	productReady = chromedp.CSS(`body[data-page="product"][data-ready="true"]`)
	stockKnown   = chromedp.CSS(`#stock[data-state="known"]`)
	cartPriced   = chromedp.CSS(`#cart[data-state="priced"]`)
	voucherFails = chromedp.CSS(`#cart-problem`)
	payButton    = chromedp.CSS(`#pay`)
	receipt      = chromedp.CSS(`#receipt-number`)
	offer        = chromedp.CSS(`#offer[data-traceparent]`)
)

func (d *driver) steps() []step {
	click := func(id string) chromedp.Action[chromedp.Void] {
		return chromedp.Click(chromedp.CSS("#"+id), chromedp.NodeVisible)
	}
	back := chromedp.Evaluate[chromedp.Void]("history.back()")
	// A page that is clicked before it is painted has no LCP, and what explains an interaction must be there before it.
	look := step{"look at the page, painted and with all of the agent", steps(
		observed("largest-contentful-paint", "true"), observed("resource", `entry.name.endsWith("/throughline-idle.js")`))}
	return []step{
		{"open the shop", steps(chromedp.Navigate(d.cfg.URLs.Shop+"/"), chromedp.WaitReady(homeReady))},
		look,
		{"look at the yarn alone, a view of the same page", steps(chromedp.Click(yarn, chromedp.NodeVisible), chromedp.WaitReady(yarnShown))},
		{"go back to everything", steps(back, chromedp.WaitReady(allShown))},
		{"follow a product; its stock comes by XHR", steps(
			d.leaving(chromedp.Click(productLink, chromedp.NodeVisible)),
			chromedp.WaitReady(productReady), chromedp.WaitVisible(stockKnown))},
		look,
		{"put it in the cart, priced by a POST", steps(click("add"), chromedp.WaitReady(cartPriced))},
		{"redeem a voucher, which fails on purpose", steps(click("redeem"), chromedp.WaitVisible(voucherFails))},
		{"ask the payments origin how to pay", steps(click("checkout"), chromedp.WaitVisible(payButton))},
		{"pay there", steps(click("pay"), chromedp.WaitVisible(receipt))},
		{"fetch from a partner off the allow list", steps(click("offer-button"), chromedp.WaitVisible(offer), d.readOffer)},
		{"leave, which sends the agent's last beacon", steps(d.leaving(chromedp.Navigate("about:blank")))},
	}
}

// observed waits until the page's performance timeline has an entry of a type for which a JavaScript expression holds.
func observed(entryType, holds string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`new Promise((observed) => new PerformanceObserver((list) => {
		if (list.getEntries().some((entry) => %s)) observed();
	}).observe({ type: "%s", buffered: true }))`, holds, entryType), chromedp.EvalAwaitPromise)
}

func steps(actions ...chromedp.Action[chromedp.Void]) []chromedp.Action[chromedp.Void] {
	return actions
}

func (d *driver) walk(ctx context.Context) error {
	complaints := new(complaints)
	if err := chromedp.Do(ctx); err != nil {
		return fmt.Errorf("start %s: %w", d.cfg.ChromiumPath, err)
	}
	if err := chromedp.Listen(ctx, func(ev any) {
		d.traffic.observe(ev)
		complaints.observe(ev)
	}); err != nil {
		return fmt.Errorf("watch the browser: %w", err)
	}
	for _, s := range d.steps() {
		if d.cfg.Progress != nil {
			d.cfg.Progress(s.name)
		}
		if err := chromedp.Do(ctx, s.do...); err != nil {
			return errors.Join(fmt.Errorf("step %q: %w", s.name, err), complaints.err())
		}
		if err := complaints.err(); err != nil {
			return fmt.Errorf("step %q: %w", s.name, err)
		}
	}
	return nil
}

// leaving does what ends a page once all of the page's requests have ended, so
// that none is cut off, and returns when the next page has loaded.
func (d *driver) leaving(a chromedp.Action[chromedp.Void]) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		if err := d.traffic.wait(ctx); err != nil {
			return chromedp.Void{}, err
		}
		_, err := chromedp.WaitEvent(page.LoadEventFired, nil, a)(ctx, t)
		return chromedp.Void{}, err
	}
}

func (d *driver) readOffer(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	attr, err := chromedp.AttributeValue(offer, "data-traceparent")(ctx, t)
	d.partnerTraceparent = attr.Value
	return chromedp.Void{}, err
}

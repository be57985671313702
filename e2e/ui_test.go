package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// readmePicture is what the README shows; UPDATE_SCREENSHOT=1 takes it anew.
const readmePicture = "../docs/images/request.png"

// browserPatience bounds one test's time in the browser.
const browserPatience = time.Minute

// tab opens a tab of a fresh headless Chromium.
func tab(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserPatience)
	t.Cleanup(cancel)
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // containers seldom allow one, and the pages are ours
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
	return ctx
}

func chromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	t.Fatal("CHROMIUM does not name a browser; run: make e2e")
	return ""
}

// cart returns the request whose answer took all three services.
func cart(t *testing.T) request {
	t.Helper()
	return pick(t, "request that prices the cart", func(r request) bool { return r.on(demo.Shop, "/api/cart") })[0]
}

// TestRequestPageShowsOneWaterfall takes the README's picture: the browser's
// phases and the spans of all three services below each other.
func TestRequestPageShowsOneWaterfall(t *testing.T) {
	ctx := tab(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate(demo.Server+"/requests/"+cart(t).ID),
		chromedp.WaitVisible(chromedp.CSS(`.wf-row.t-span .tag`)),
	)
	if err != nil {
		t.Fatal(err)
	}
	type shown struct {
		Type    string `json:"type"`
		Service string `json:"service"`
		Level   int    `json:"level"`
		Width   float64
	}
	rows, err := chromedp.Run(ctx, chromedp.Evaluate[[]shown](`[...document.querySelectorAll(".wf-row.line")].map(row => ({
		type: [...row.classList].find(name => name.startsWith("t-")),
		service: row.querySelector(".service, .wf-name > .visually-hidden")?.textContent ?? "",
		level: Number(row.getAttribute("aria-level")),
		Width: row.querySelector(".bar")?.getBoundingClientRect().width ?? 0,
	}))`))
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"shop", "catalog", "payments"} {
		if !slices.ContainsFunc(rows, func(r shown) bool { return r.Type == "t-span" && r.Service == service && r.Width > 0 }) {
			t.Errorf("the waterfall draws no span of %s: %+v", service, rows)
		}
	}
	if len(rows) == 0 || rows[0].Type != "t-request" || rows[0].Level != 1 {
		t.Errorf("the first row is not the browser's request: %+v", rows)
	}
	if !slices.ContainsFunc(rows, func(r shown) bool { return r.Type == "t-phase" && r.Width > 0 }) {
		t.Errorf("the waterfall draws no phase of the browser: %+v", rows)
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join("out", "request.png"), picture)
	if os.Getenv("UPDATE_SCREENSHOT") != "" {
		save(t, readmePicture, picture)
	}
}

func save(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestListLeadsToTheRequestByKeyboard: filter in the URL, arrow down, Enter.
func TestListLeadsToTheRequestByKeyboard(t *testing.T) {
	ctx := tab(t)
	want := cart(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate(demo.Server+"/?url=api%2Fcart&status=linked"),
		chromedp.WaitVisible(chromedp.CSS(`.requesttable .rowlink`)),
		chromedp.KeyEvent("j"),
		chromedp.KeyEvent("\r"),
		chromedp.WaitVisible(chromedp.CSS(`.wf-row.t-request`)),
	)
	if err != nil {
		t.Fatal(err)
	}
	path, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.pathname"))
	if err != nil {
		t.Fatal(err)
	}
	if path != "/requests/"+want.ID {
		t.Errorf("the keys lead to %s, want /requests/%s", path, want.ID)
	}
}

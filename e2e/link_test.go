package e2e

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// entryOf returns the entry span that the verdict names, from the waterfall.
func entryOf(t *testing.T, r request) row {
	t.Helper()
	d := ask[detail](t, demo.Server, "/api/v1/requests/"+r.ID)
	for _, row := range d.Trace.Rows {
		if row.Type == "span" && row.ID == r.LinkSpanID {
			if !row.Entry {
				t.Errorf("%v: the span %s of the verdict is not marked as entry", r, row.ID)
			}
			return row
		}
	}
	t.Fatalf("%v: its waterfall has no span %q", r, r.LinkSpanID)
	return row{}
}

// TestDocumentsAndResourcesLinkByServerTiming: no script can give them headers,
// so the answer must name the span, and it must be the span of that very path.
func TestDocumentsAndResourcesLinkByServerTiming(t *testing.T) {
	for what, match := range map[string]func(request) bool{
		"document":   func(r request) bool { return r.Kind == "document" },
		"stylesheet": func(r request) bool { return r.Kind == "resource" && strings.HasSuffix(r.URL, ".css") },
		"image":      func(r request) bool { return r.Kind == "resource" && r.InitiatorType == "img" },
	} {
		t.Run(what, func(t *testing.T) {
			for _, r := range pick(t, what, func(r request) bool { return match(r) && r.on(demo.Shop, "") }) {
				if r.LinkStatus != "linked" || r.LinkReason != "exact" || r.TraceContextHint != "from_server" || r.ServerTimingHint != "received" {
					t.Errorf("%v, want linked/exact, hints from_server/received", r)
					continue
				}
				entry := entryOf(t, r)
				u, err := url.Parse(r.URL)
				if err != nil {
					t.Fatal(err)
				}
				if entry.Service != "shop" || entry.Attributes["url.path"] != u.Path {
					t.Errorf("%v is linked to a span of %s for %v", r, entry.Service, entry.Attributes["url.path"])
				}
			}
		})
	}
}

// wantExact checks that a call is linked exactly, by a context that was sent for
// the given reason, to an entry span of the given service.
func wantExact(t *testing.T, r request, hint, service string) {
	t.Helper()
	if r.LinkStatus != "linked" || r.LinkReason != "exact" || r.TraceContextHint != hint {
		t.Errorf("%v, want linked/exact, hint %s", r, hint)
		return
	}
	if entry := entryOf(t, r); entry.Service != service {
		t.Errorf("%v is linked to a span of %s", r, entry.Service)
	}
}

func TestSameOriginCallsLinkExactly(t *testing.T) {
	for _, kind := range []string{"fetch", "xhr"} {
		t.Run(kind, func(t *testing.T) {
			for _, r := range pick(t, "same-origin "+kind, func(r request) bool { return r.Kind == kind && r.on(demo.Shop, "") }) {
				wantExact(t, r, "set", "shop")
			}
		})
	}
}

func TestCallToAnAllowedOriginLinksExactly(t *testing.T) {
	for _, r := range pick(t, "call to payments", func(r request) bool { return r.on(demo.Payments, "") }) {
		wantExact(t, r, "included", "payments")
	}
}

// TestCallToAnotherOriginIsLeftAlone reads what that origin's server got.
func TestCallToAnotherOriginIsLeftAlone(t *testing.T) {
	for _, r := range pick(t, "call to the partner", func(r request) bool { return r.on(demo.Partner, "") }) {
		if r.LinkStatus != "unlinked" || r.LinkReason != "not_propagated" || r.TraceContextHint != "cross_origin" {
			t.Errorf("%v, want unlinked/not_propagated, hint cross_origin", r)
		}
	}
	received := ask[[]struct {
		Method  string              `json:"method"`
		Path    string              `json:"path"`
		Headers map[string][]string `json:"headers"`
	}](t, demo.Partner, "/received")
	if len(received) == 0 {
		t.Fatal("the partner received no request")
	}
	for _, got := range received {
		for name := range got.Headers {
			if n := strings.ToLower(name); n == "traceparent" || n == "tracestate" {
				t.Errorf("the partner received %s %s with the header %s", got.Method, got.Path, name)
			}
		}
	}
}

// TestWayBackLeadsToTheSession starts at a span two hops behind the page: the
// catalog, which never saw the browser.
func TestWayBackLeadsToTheSession(t *testing.T) {
	asksCatalog := func(r request) bool {
		return r.Kind == "fetch" && r.on(demo.Shop, "") && !r.on(demo.Shop, "/api/voucher")
	}
	for _, r := range pick(t, "same-origin fetch that needs the catalog", asksCatalog) {
		d := ask[detail](t, demo.Server, "/api/v1/requests/"+r.ID)
		i := slices.IndexFunc(d.Trace.Rows, func(row row) bool { return row.Service == "catalog" })
		if i < 0 {
			t.Errorf("%v: no span of the catalog in its waterfall", r)
			continue
		}
		back := ask[struct {
			Request     *request `json:"request"`
			SessionID   string   `json:"session.id"`
			InstanceID  string   `json:"rum.instance.id"`
			EntrySpanID string   `json:"entry_span_id"`
			Via         string   `json:"via"`
		}](t, demo.Server, "/api/v1/spans/"+r.LinkTraceID+"/"+d.Trace.Rows[i].ID+"/frontend")
		if back.Request == nil || back.Request.ID != r.ID || back.SessionID != r.SessionID || back.SessionID == "" || back.InstanceID == "" || back.Via != "trace_context" {
			t.Errorf("%v: the way back from the catalog's span leads to %+v", r, back)
		}
		if back.EntrySpanID != r.LinkSpanID {
			t.Errorf("%v: the way back comes in through span %s, the verdict says %s", r, back.EntrySpanID, r.LinkSpanID)
		}
	}
}

// TestOneSessionHoldsTheVisit: two pages, one browser, one session.
func TestOneSessionHoldsTheVisit(t *testing.T) {
	sessions, pages := map[string]bool{}, 0
	for _, r := range pick(t, "request to the shop", func(r request) bool { return r.on(demo.Shop, "") }) {
		sessions[r.SessionID] = true
		if r.Kind == "document" {
			pages++
		}
	}
	if len(sessions) != 1 || sessions[""] || pages < 2 {
		t.Errorf("%d sessions over %d pages (%v), want one over at least two", len(sessions), pages, sessions)
	}
}

// TestClockIsMeasuredAndShown: browser and server share a machine here, so the
// measured offset must be small, and it must be said how it was found.
func TestClockIsMeasuredAndShown(t *testing.T) {
	for _, r := range pick(t, "same-origin fetch", func(r request) bool { return r.Kind == "fetch" && r.on(demo.Shop, "") }) {
		clock := ask[detail](t, demo.Server, "/api/v1/requests/"+r.ID).Trace.Clock
		if clock == nil || clock.Source != "server_timing" || clock.OffsetMs < -250 || clock.OffsetMs > 250 {
			t.Errorf("%v: clock %+v, want one measured by Server-Timing, within 250 ms", r, clock)
		}
	}
}

package api_test

import (
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

var (
	noon        = time.Date(2026, 4, 27, 12, 0, 0, 0, time.UTC)
	now         = noon.Add(time.Hour)
	traceID     = tracecontext.TraceID{0: 0x2f, 15: 9}
	pageTraceID = tracecontext.TraceID{0: 0x2f, 15: 8}
	sent        = tracecontext.SpanID{7: 0xaa}
	entry       = tracecontext.SpanID{7: 0xbb}
	inner       = tracecontext.SpanID{7: 0xcc}
	pageEntry   = tracecontext.SpanID{7: 0xdd}
)

const (
	application = "745a78fe5b6e57f6"
	pageID      = "00000000000000a1"
	actionID    = "00000000000000c1"
)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func eventID(n byte) model.EventID { return model.EventID{7: n} }

// visitor is who made the events of the data set.
func visitor() model.Frontend {
	return model.Frontend{
		ApplicationID: application, InstanceID: "I", SessionID: "S-0", PageID: pageID, ViewID: "00000000000000b1",
		AgentName: "throughline-web", AgentVersion: "0.2.0",
		Client: model.Client{Browser: "Chrome", BrowserVersion: "156", OS: "Linux", Device: "desktop", Country: "DE", Address: "192.0.2.0"},
	}
}

func shopClock() model.Clock {
	return model.Clock{Offset: -1500 * time.Microsecond, Uncertainty: time.Millisecond, Source: model.ClockServerTiming}
}

// shopRequests are the requests of the data set by event id: 1 a linked fetch, 2 a hostile image of no session,
// 3 the document, 4 a call to a partner, 5 an image from a cache, 6 a failed call.
func shopRequests() []model.RequestEvent {
	base := model.RequestEvent{Frontend: visitor(), Clock: shopClock(), Method: "GET", Host: "shop.example", Received: noon.Add(10 * time.Second)}
	document, fetch, partner, cached, failed := base, base, base, base, base

	fetch.ID, fetch.Kind, fetch.Initiator, fetch.Start, fetch.Duration, fetch.StatusCode = eventID(1), model.KindFetch, "fetch", noon, ms(80), 200
	fetch.URL, fetch.URLPattern = "https://shop.example/api/stock?q=1", "/api/stock"
	fetch.TraceContextHint, fetch.ServerTimingHint = model.ContextSet, model.TimingReceived
	fetch.Sent = model.SpanContext{TraceID: traceID, SpanID: sent}
	fetch.Answer = model.ServerTiming{SpanContext: model.SpanContext{TraceID: traceID, SpanID: entry}, Sampled: new(true), ResponseID: new(int32(-609157671))}
	fetch.Delivery, fetch.Protocol, fetch.TransferSize, fetch.EncodedBodySize, fetch.DecodedBodySize = model.DeliveredByNetwork, "h2", 540, 240, 900
	fetch.Timing = model.ResourceTiming{FetchStart: ms(1), RequestStart: ms(4), ResponseStart: ms(70), ResponseEnd: ms(80)}
	fetch.ActionID = actionID
	fetch.Attributes = `{"cart.items":3,"experiment":["a","b"]}`

	image := model.RequestEvent{
		ID: eventID(2), Kind: model.KindResource, Start: noon.Add(time.Second), Method: "GET",
		URL: "https://cdn.example/<script>alert(1)</script>%25", Host: "cdn.example",
		TraceContextHint: model.ContextNotSet, ServerTimingHint: model.TimingNotAvailable,
	}

	document.ID, document.Kind, document.Start, document.Duration, document.StatusCode = eventID(3), model.KindDocument, at(-2000), ms(300), 200
	document.URL, document.URLPattern, document.Initiator = "https://shop.example/products/7", "/products/{id}", "navigation"
	document.TraceContextHint, document.ServerTimingHint = model.ContextFromServer, model.TimingReceived
	document.Answer = model.ServerTiming{SpanContext: model.SpanContext{TraceID: pageTraceID, SpanID: pageEntry}, Sampled: new(true)}
	document.Timing = model.ResourceTiming{RequestStart: ms(20), ResponseStart: ms(220), ResponseEnd: ms(300)}

	partner.ID, partner.Kind, partner.Start, partner.Duration, partner.StatusCode = eventID(4), model.KindXHR, at(-500), ms(120), 200
	partner.URL, partner.Host, partner.Method = "https://partner.example/offers", "partner.example", "POST"
	partner.TraceContextHint, partner.ServerTimingHint = model.ContextCrossOrigin, model.TimingNotAvailable

	cached.ID, cached.Kind, cached.Start, cached.Duration, cached.StatusCode = eventID(5), model.KindResource, at(-1500), ms(2), 200
	cached.URL, cached.Delivery = "https://shop.example/logo.svg", model.DeliveredByCache
	cached.TraceContextHint, cached.ServerTimingHint = model.ContextNotSet, model.TimingStale

	failed.ID, failed.Kind, failed.Start, failed.Duration, failed.StatusCode = eventID(6), model.KindFetch, at(-400), ms(30), 503
	failed.URL, failed.Host = "https://partner.example/offers/5", "partner.example"
	failed.TraceContextHint, failed.ServerTimingHint = model.ContextCrossOrigin, model.TimingNotAvailable
	failed.SessionID, failed.PageID, failed.InstanceID = "T-0", "00000000000000a2", "J"
	return []model.RequestEvent{fetch, image, document, partner, cached, failed}
}

func shopSpans() []model.Span {
	dtr := model.Dtr{SpanID: sent, Sampled: true, ApplicationID: application, SessionID: "S-0", InstanceID: "I"}
	flags := model.SpanFlagSampled | model.SpanFlagRemoteKnown
	return []model.Span{
		{
			TraceID: traceID, SpanID: entry, ParentSpanID: sent, Kind: model.SpanServer, Flags: flags | model.SpanFlagRemote, Name: "GET /api/stock", Service: "shop",
			Start: at(6), Duration: ms(60), Received: noon, DtrState: model.DtrValid, Dtr: dtr, Host: "shop.example", Entry: true, Route: "/api/stock",
			HTTPStatus: 200, Via: "1.1 edge, varnish", Attributes: `{"http.route":"/api/stock","http.response.status_code":200}`, Resource: `{"service.name":"shop"}`,
			Events: []model.SpanEvent{{Name: "cache miss", Time: at(8), Attributes: `{"key":"stock"}`}},
		},
		{
			TraceID: traceID, SpanID: inner, ParentSpanID: entry, Kind: model.SpanServer, Flags: flags | model.SpanFlagRemote, Name: "GET /stock", Service: "catalog",
			Start: at(10), Duration: ms(40), Received: noon, DtrState: model.DtrValid, Dtr: dtr, Host: "catalog:8080", Entry: true, Route: "/stock", StatusCode: 2, StatusMessage: "slow",
		},
		{
			TraceID: pageTraceID, SpanID: pageEntry, Kind: model.SpanServer, Flags: flags, Name: "GET /products/{id}", Service: "shop",
			Start: at(-1950), Duration: ms(150), Received: noon, Host: "shop.example", Entry: true, Route: "/products/{id}",
		},
	}
}

func shopLinks() []model.Link {
	link := func(n byte, s model.LinkStatus, r model.LinkReason, detail string) model.Link {
		return model.Link{RequestID: eventID(n), JudgedAt: noon.Add(2 * time.Minute), Verdict: model.Verdict{Status: s, Reason: r, Detail: detail, Final: true}}
	}
	fetch, document := link(1, model.Linked, model.Exact, ""), link(3, model.Linked, model.Exact, "")
	fetch.Joined = model.SpanContext{TraceID: traceID, SpanID: entry}
	fetch.Entry = model.EntryFacts{Service: "shop", Route: "/api/stock", Start: at(6), Duration: ms(60)}
	document.Joined = model.SpanContext{TraceID: pageTraceID, SpanID: pageEntry}
	document.Entry = model.EntryFacts{Service: "shop", Route: "/products/{id}", Start: at(-1950), Duration: ms(150)}
	return []model.Link{
		fetch, document,
		link(4, model.Unlinked, model.NotPropagated, "cross_origin"),
		link(5, model.NotApplicable, model.ServedFromCache, ""),
		link(6, model.Unlinked, model.NotPropagated, "cross_origin"),
	}
}

// shop is a small store in which each kind of event stands.
func shop(t testing.TB) *storetest.Memory {
	t.Helper()
	st := new(storetest.Memory)
	failure := model.ErrorEvent{
		ID: eventID(0x31), Frontend: visitor(), Time: at(-300), Clock: shopClock(), URL: "https://shop.example/products/7", Source: "exception", Type: "TypeError",
		Message: "offers is undefined", Stack: "TypeError: offers is undefined\n    at show (shop.js:12:3)", RequestID: eventID(4), Fingerprint: [8]byte{7: 0x77},
	}
	again := failure
	again.ID, again.Time, again.RequestID = eventID(0x32), at(500), model.EventID{}
	action := model.ActionEvent{ID: eventID(0xc1), Frontend: visitor(), Start: at(-10), Duration: ms(200), URL: failure.URL, Kind: "click", Name: "Check stock"}
	action.ActionID = actionID
	err := st.Write(t.Context(), store.Batch{
		Requests: shopRequests(), Spans: shopSpans(),
		Navigations: []model.NavigationEvent{{
			ID: eventID(0x11), Frontend: visitor(), Start: at(-2000), Duration: ms(900), Clock: shopClock(), URL: failure.URL, URLPattern: "/products/{id}",
			Referrer: "https://search.example/", Title: "Corozo buttons", Type: "navigate", DOMInteractive: ms(400), DOMContentLoadedEventEnd: ms(450),
			DOMComplete: ms(880), LoadEventStart: ms(885), LoadEventEnd: ms(900),
		}, {
			ID: eventID(0x12), Frontend: visitor(), Start: at(700), Duration: ms(50), URL: "https://shop.example/cart", Type: "soft",
		}},
		WebVitals: []model.WebVital{{ID: eventID(0x21), Frontend: visitor(), Time: at(-1200), URL: failure.URL, Name: "LCP", Value: 800, Rating: "good", Attributes: `{"web_vital.target":"#offer"}`}},
		Errors:    []model.ErrorEvent{failure, again},
		Actions:   []model.ActionEvent{action},
		PageEvents: []model.PageEvent{
			{ID: eventID(0xd1), Frontend: visitor(), Start: at(-5), Duration: ms(120), URL: failure.URL, Type: "long_frame", Name: "animation_frame", Attributes: `{"long_frame.blocking_duration":70}`},
			{ID: eventID(0xd2), Frontend: visitor(), Start: at(210), URL: failure.URL, Type: "custom", Name: "stock checked", Attributes: `{"event_properties.items":3}`},
			{ID: eventID(0xd3), Frontend: visitor(), Start: at(650), URL: failure.URL, Type: "visibility", Name: "hidden"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.PutLinks(t.Context(), shopLinks(), 1); err != nil {
		t.Fatal(err)
	}
	err = st.PutAnnotation(t.Context(), store.Annotation{ID: eventID(0x41), Time: at(-60_000), Title: "shop 1.4 deployed", Tags: []string{"deployment"}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

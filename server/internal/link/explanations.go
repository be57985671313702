package link

import "github.com/throughline-rum/throughline/server/internal/model"

// Explanation puts a verdict into plain words for whom reads it in the UI.
type Explanation struct {
	Title string // a few words
	Text  string // what happened
	Fix   string // what to change, and where; empty where nothing needs fixing
}

// Explain returns the explanation of a verdict that Judge gave.
func Explain(v model.Verdict) Explanation {
	if v.Status == model.Pending {
		return pendingExplanation
	}
	e, ok := explanations[v.Reason]
	if !ok {
		return undefinedExplanation
	}
	if byDetail, ok := e.byDetail[v.Detail]; ok {
		return byDetail
	}
	return e.Explanation
}

// explained is the explanation of a reason, and those for the details with which
// it reads differently.
type explained struct {
	Explanation
	byDetail map[string]Explanation
}

var pendingExplanation = Explanation{
	Title: "Waiting for spans",
	Text:  "The request has just been reported, and the backend's spans may still be on their way: SDKs and collectors send them in batches. The verdict is given as soon as they arrive, at the latest when the wait for late spans is over.",
}

var undefinedExplanation = Explanation{
	Title: "No verdict",
	Text:  "Throughline could not tell what became of this link. That is a bug in Throughline, not in your setup.",
	Fix:   "Please report it, with the request's details as this page shows them.",
}

// The fixes that several explanations share.
const (
	fixServerTiming    = "Let the backend send Server-Timing with the trace id: put Throughline's middleware or proxy in front of it."
	fixServerTimingHop = "Check that no CDN, proxy or web server on the way removes Server-Timing from answers."
	fixTracestateHop   = "Find the hop that drops it: compare the request headers before and after each CDN, load balancer, gateway and service mesh, and let tracestate pass there. Common causes: a list of allowed headers that names traceparent only, a gateway that writes its own tracestate in place of adding to it, and limits on the header's size."
	untouched          = "It could not change this request's headers."
	untouchedFix       = "Send the request in a way that the agent instruments: fetch or XMLHttpRequest on the web, the instrumented HTTP client or the agent's API in an app."
	fixExporter        = "Look at the exporter of the service that answered: its logs, its OTEL_EXPORTER_OTLP_ENDPOINT, the collector's queues and sampling, and this server's counter throughline_spans_rejected_total."
)

// explanations holds one entry for each reason of the linking contract, section 6.
var explanations = map[model.LinkReason]explained{
	// linked
	model.Exact: {Explanation: Explanation{
		Title: "Linked",
		Text:  "The backend's entry span is the answer to exactly this request: it names the request as its parent, or the response's Server-Timing header names the span.",
	}},
	model.ViaIntermediary: {Explanation: Explanation{
		Title: "Linked through an intermediary",
		Text:  "A proxy, gateway or mesh between browser and backend recorded spans of its own. They lead without a gap from this request to the backend's entry span.",
	}},
	model.ByServerTiming: {Explanation: Explanation{
		Title: "Linked to the trace",
		Text:  "The response's Server-Timing header named this trace, and its spans are here. Which of them is the entry span was not proved.",
		Fix:   "To link the span as well, let the backend send the trace entry of Server-Timing, which names the entry span; Throughline's middleware and proxy do. The link to the trace is right as it is.",
	}},

	// partial
	model.TracestateLost: {
		Explanation: Explanation{
			Title: "tracestate was lost on the way",
			Text:  "The traceparent header reached the backend, the tracestate header with the user's session (its dtr entry) did not. Request and trace are linked, but the backend's spans cannot name the session.",
			Fix:   fixTracestateHop,
		},
		byDetail: map[string]Explanation{
			string(model.ParentRewritten): {
				Title: "tracestate was lost and the parent was rewritten",
				Text:  "The backend continued this request's trace, but a hop in between replaced the parent id in traceparent and dropped our entry in tracestate. Only the trace id still joins the two, and the backend's spans cannot name the session.",
				Fix:   fixTracestateHop + " Let the hop that rewrites the parent export its spans to this server too.",
			},
			string(model.ContextMaxLength): {
				Title: "No room in tracestate",
				Text:  "The request's tracestate header was full already (32 members or 512 characters), so the agent sent traceparent only. Request and trace are linked, but the backend's spans cannot name the session.",
				Fix:   "Find out which library on the page fills tracestate, and shorten what it writes there by about 140 characters.",
			},
			string(model.ContextMissingValues): {
				Title: "The session was not known yet",
				Text:  "An id that our tracestate entry needs (application, instance or session) was missing when the request was sent, so the agent sent traceparent only. The backend's spans cannot name the session.",
				Fix:   "Check that the agent is configured with the application id before the first request, and that cookies or local storage are not blocked, where it keeps the other ids.",
			},
			string(model.ContextCrossOrigin): ownContext(
				"The agent does not add headers to requests to this other origin, since that could break CORS.",
				"Allow the URL in the agent's crossOriginUrlPattern, and let the endpoint's preflight answer allow traceparent and tracestate (Access-Control-Allow-Headers)."),
			string(model.ContextExcluded): ownContext(
				"An exclude pattern of the agent's configuration matches the URL.",
				"Remove or narrow the exclude pattern."),
			string(model.ContextDisabled): ownContext(
				"Trace context propagation is switched off in the agent's configuration.",
				"Switch propagation on in the agent's configuration."),
			string(model.ContextCORSRejected): ownContext(
				"An earlier request to this address failed with our headers and worked without them, so the agent leaves them out for an hour.",
				"Let the endpoint's preflight answer allow traceparent and tracestate (Access-Control-Allow-Headers)."),
			string(model.ContextNotSampled): ownContext(
				"The agent's traceSampleRate left this request out.",
				"Raise traceSampleRate."),
			string(model.ContextNotHTTP):    ownContext(untouched, untouchedFix),
			string(model.ContextInvalid):    ownContext(untouched, untouchedFix),
			string(model.ContextNotSet):     ownContext(untouched, untouchedFix),
			string(model.ContextFromServer): ownContext(untouched, untouchedFix),
			string(model.ContextUnused):     ownContext(untouched, untouchedFix),
			string(model.ContextAPIUnused):  ownContext(untouched, untouchedFix),
			string(model.ContextAPIInvalid): ownContext(untouched, untouchedFix),
		},
	},
	model.TracestateAltered: {
		Explanation: Explanation{
			Title: "tracestate was changed on the way",
			Text:  "Our dtr entry arrived in the backend's tracestate, but it does not parse: something between browser and backend cut it off or rewrote it. The session that it names cannot be trusted, so the spans are linked without one.",
			Fix:   "Find the hop that changes it: a limit on the length of tracestate or of headers as a whole is the usual cause. W3C Trace Context asks for at least 512 characters, and members may only be removed whole.",
		},
		byDetail: map[string]Explanation{
			"span.id": {
				Title: "tracestate names another request",
				Text:  "The dtr entry in the backend's tracestate is of another request than the one that traceparent names. Something on the way keeps or reuses an old header.",
				Fix:   "Look for code or a proxy that stores tracestate and sends it again, such as a retry or connection pool that copies the headers of an earlier request.",
			},
			"session.id": {
				Title: "tracestate names another session",
				Text:  "The dtr entry in the backend's tracestate names another session than the browser reported. A response or a request was shared between users, or the header was replaced on the way.",
				Fix:   "Look for a cache or prefetcher that replays one user's request for another, and make sure that only one agent runs on the page.",
			},
			"rum.application.id": {
				Title: "tracestate names another application",
				Text:  "The dtr entry in the backend's tracestate names another application than the browser reported. Two agents with different application ids are likely at work on the page.",
				Fix:   "Load one agent per page, with one application id.",
			},
			"rum.instance.id": {
				Title: "tracestate names another browser",
				Text:  "The dtr entry in the backend's tracestate names another browser profile or app install than the one that reported the request. A request was replayed by somebody else, or the profile's storage was cleared in between.",
				Fix:   "If it comes often, look for a cache or prefetcher that replays one user's request for another.",
			},
		},
	},
	model.ParentRewritten: {Explanation: Explanation{
		Title: "An unknown span in between",
		Text:  "The backend continued this request's trace, and tracestate proves that the request is its origin. But the entry span's parent is a span that nobody reported: a proxy, gateway or mesh wrote its own parent id into traceparent and keeps its span to itself.",
		Fix:   "Let that hop export its spans by OTLP to this server, and the chain is complete; or switch its own tracing off, so that it passes traceparent on unchanged.",
	}},
	model.TraceRestarted: {Explanation: Explanation{
		Title: "The trace was restarted on the way",
		Text:  "The backend's spans have another trace id than the one that the browser sent. Our entry in tracestate arrived and names the request, so the two are joined by that.",
		Fix:   "Find the hop that starts a new trace: an API gateway or mesh set not to trust incoming context, or a service that treats the public edge as a new root. Set it to continue W3C trace context from the browser.",
	}},
	model.TraceparentDropped: {Explanation: Explanation{
		Title: "The backend began its own trace",
		Text:  "The browser sent traceparent, but the backend answered with another trace id in Server-Timing: the header was lost or ignored on the way, and the backend started a trace of its own. The two are joined by that answer.",
		Fix:   "Let traceparent and tracestate pass through every CDN, load balancer and gateway, and set the backend's propagators to W3C (OTEL_PROPAGATORS=tracecontext).",
	}},

	// unlinked
	model.NotPropagated: {
		Explanation: Explanation{
			Title: "No trace context was sent",
			Text:  "The agent sent this request without trace headers, and the response named no trace either.",
			Fix:   fixServerTiming,
		},
		byDetail: map[string]Explanation{
			string(model.ContextCrossOrigin): {
				Title: "Another origin, not allowed",
				Text:  "The request went to another origin than the page's, and the agent adds no headers there unless it is told to: an endpoint whose CORS answer does not allow them would refuse the request. The response named no trace either.",
				Fix:   "Allow the URL in the agent's crossOriginUrlPattern, after the endpoint answers preflights with Access-Control-Allow-Headers: traceparent, tracestate. A request with mode no-cors can carry no headers; it can only be linked by Server-Timing with Timing-Allow-Origin.",
			},
			string(model.ContextExcluded): {
				Title: "Excluded by configuration",
				Text:  "An exclude pattern of the agent's configuration matches this URL, so no trace headers were sent. The response named no trace either.",
				Fix:   "Remove or narrow the exclude pattern if the request should be linked.",
			},
			string(model.ContextDisabled): {
				Title: "Propagation is switched off",
				Text:  "The agent's configuration switches trace context propagation off, so no trace headers were sent. The response named no trace either.",
				Fix:   "Switch propagation on in the agent's configuration, or link by Server-Timing: " + fixServerTiming,
			},
			string(model.ContextNotHTTP): {
				Title: "Not an HTTP request",
				Text:  "The URL's scheme is neither http nor https, so the request cannot carry trace headers.",
				Fix:   "None is needed for data:, blob: and file: URLs. For a scheme of an app's own that ends in HTTP requests, allow it in crossOriginUrlPattern.",
			},
			string(model.ContextInvalid): {
				Title: "The page set a broken traceparent",
				Text:  "The request already carried a traceparent header that does not follow the W3C grammar. The agent never touches an application's header, so it went out as it was, and no backend can use it.",
				Fix:   "Find the code or library on the page that sets traceparent. Two tracing libraries that both set it produce two values joined by a comma: remove one.",
			},
			string(model.ContextCORSRejected): {
				Title: "CORS refuses the trace headers",
				Text:  "An earlier request to this address failed with trace headers and worked without them, so the agent leaves them out for an hour to keep the page working.",
				Fix:   "Let the endpoint answer preflights with Access-Control-Allow-Headers: traceparent, tracestate (a * does not count where credentials are sent). If the URL redirects to another origin, that origin must allow them as well.",
			},
			string(model.ContextUnused): {
				Title: "Not an instrumented request",
				Text:  "The mobile agent reported this request, but did not tag it with trace headers: the HTTP client was not instrumented when the request was sent.",
				Fix:   "Start the agent before the HTTP client is built, or add the agent's interceptor to that client.",
			},
			string(model.ContextAPIUnused): {
				Title: "Reported by hand, without a tag",
				Text:  "The app reported this request through the API, and sent it without the trace headers that the API offers.",
				Fix:   "Ask the API for the trace headers before sending the request, and set them on it.",
			},
			string(model.ContextAPIInvalid): {
				Title: "Reported by hand, with a broken traceparent",
				Text:  "The app reported this request through the API with a traceparent header that does not follow the W3C grammar.",
				Fix:   "Set the header exactly as the API returns it, and report the request with that same value.",
			},
		},
	},
	model.NoServerTiming: {
		Explanation: Explanation{
			Title: "The response named no trace",
			Text:  "Documents and page resources carry no trace headers; only the response's Server-Timing header can link them, and the browser could read no trace id from it.",
			Fix:   fixServerTiming,
		},
		byDetail: map[string]Explanation{
			string(model.TimingNotAvailable): {
				Title: "Server-Timing was not readable",
				Text:  "Documents and page resources can only be linked by the response's Server-Timing header, and the browser showed none. Either the response had none; or it came from another origin without a matching Timing-Allow-Origin; or the page is plain http, where Firefox hides it; or the browser is Safari, which hides it on every cross-origin response.",
				Fix:   fixServerTiming + " For another origin, send Timing-Allow-Origin with the page's origin, to the letter, or *. " + fixServerTimingHop,
			},
			string(model.TimingNoTraceInfo): {
				Title: "Server-Timing without a trace id",
				Text:  "The response had a Server-Timing header, but none of its entries carries a trace id: it comes from the web server, a CDN or an application, not from tracing.",
				Fix:   fixServerTiming + " If it is there already, check that no hop replaces the header in place of adding to it.",
			},
			string(model.TimingInvalid): {
				Title: "Server-Timing with a broken trace id",
				Text:  "The response's Server-Timing header has an entry for the trace, but its value is not a trace id of 32 hexadecimal digits.",
				Fix:   "Look at the Server-Timing header in the browser's network tab: the backend or a hop that writes dtTrId, trace or traceparent writes something else there, or the value is cut off.",
			},
		},
	},
	model.NotSampled: {
		Explanation: Explanation{
			Title: "The backend did not record this trace",
			Text:  "The request reached the backend, which answered that it does not record this trace: its sampler left it out. So there are no spans to link to.",
			Fix:   "If too many requests end like this, raise the backend's sampling rate, or set a parent-based sampler (OTEL_TRACES_SAMPLER=parentbased_traceidratio) so that it records what the browser asks for.",
		},
		byDetail: map[string]Explanation{
			string(model.ContextNotSampled): {
				Title: "Left out by the agent's trace sampling",
				Text:  "The agent's traceSampleRate left this request without trace headers, so that the backend decides by itself whether to record it. The response named no trace.",
				Fix:   "Raise traceSampleRate to link more requests, or let the backend send Server-Timing, which links those that it records.",
			},
		},
	},
	model.SpansMissing: {Explanation: Explanation{
		Title: "The spans never arrived",
		Text:  "The response's Server-Timing header proves that the backend took part in this trace, and says or lets assume that it is recorded. Yet none of its spans has reached this server.",
		Fix:   fixExporter,
	}},
	model.HeadersDropped: {
		Explanation: Explanation{
			Title: "The trace headers were dropped on the way",
			Text:  "The browser sent traceparent and tracestate, and nothing of them reached the backend, though this host is instrumented: other spans come from it. A hop in between removes the headers, or this path is served by something that does not trace.",
			Fix:   "Compare the request headers before and after each CDN, load balancer and gateway, and let traceparent and tracestate pass. If only some paths are affected, check whether another service answers them, and whether the backend's sampler or a collector leaves them out.",
		},
		byDetail: map[string]Explanation{
			string(model.TimingMismatch): {
				Title: "The backend began a trace that is not known",
				Text:  "The browser sent trace headers, but the backend answered with another trace id: it did not see them and started a trace of its own. The agent did not report which, so the two cannot be joined.",
				Fix:   "Let traceparent and tracestate pass through every CDN, load balancer and gateway, and set the backend's propagators to W3C (OTEL_PROPAGATORS=tracecontext). Update the agent, so that it reports the other trace.",
			},
			string(model.ErrorAbort): noAnswer(
				"The page cancelled this request while it was under way, and no span shows that it reached the backend, though this host is instrumented. It may have been cancelled before it arrived, or a hop in between dropped the trace headers.",
				"Nothing, if other requests to this host link. Else let traceparent and tracestate pass through every hop."),
			string(model.ErrorTimeout): noAnswer(
				"This request ran into the page's time limit, and no span shows that it reached the backend, though this host is instrumented. It may be stuck at a hop in between, or the backend may still be at work on it: a span is sent only when it ends.",
				"Look at the load balancer's queue and at the backend's own time limits; a time limit below the page's makes the backend end its span in time."),
			string(model.ErrorUnknownReason): noAnswer(
				"This request failed without an answer, and no span shows that it reached the backend, though this host is instrumented.",
				"Nothing, if other requests to this host link. Else let traceparent and tracestate pass through every hop."),
		},
	},
	model.BackendNotInstrumented: {
		Explanation: Explanation{
			Title: "The backend is not instrumented",
			Text:  "The browser sent trace headers, but this server has never received a span from this host. Either nothing there traces requests, or its spans go somewhere else.",
			Fix:   "Instrument the backend with OpenTelemetry and set OTEL_EXPORTER_OTLP_ENDPOINT to this server; for a backend that cannot be changed, put Throughline's proxy in front of it. If it is a third party's, exclude it in the agent's configuration.",
		},
		byDetail: map[string]Explanation{
			string(model.ErrorAbort): noAnswer(
				"The page cancelled this request while it was under way, and this server has never received a span from this host: the request may not have arrived, or nothing there traces requests.",
				"Instrument the backend with OpenTelemetry, and set OTEL_EXPORTER_OTLP_ENDPOINT to this server."),
			string(model.ErrorTimeout): noAnswer(
				"This request ran into the page's time limit, and this server has never received a span from this host: the request may not have arrived, or nothing there traces requests.",
				"Check that the host can be reached at all; then instrument the backend with OpenTelemetry, and set OTEL_EXPORTER_OTLP_ENDPOINT to this server."),
			string(model.ErrorUnknownReason): noAnswer(
				"This request failed without an answer, and this server has never received a span from this host.",
				"Check that the host can be reached at all; then instrument the backend with OpenTelemetry, and set OTEL_EXPORTER_OTLP_ENDPOINT to this server."),
		},
	},

	// not applicable
	model.ServedFromCache: {Explanation: Explanation{
		Title: "Served from a cache",
		Text:  "The browser, or a cache on the way, answered this request with a stored copy. No backend took part, so there is nothing to link; a trace id in the copy belongs to an earlier request.",
	}},
	model.ServedByWorker: {Explanation: Explanation{
		Title: "Answered by the service worker",
		Text:  "The page's service worker answered this request, and nothing shows that it asked a backend. If it did, and the backend's spans arrive, the request is linked to them.",
	}},
	model.RequestNeverSent: {
		Explanation: Explanation{
			Title: "The request was never sent",
			Text:  "The request ended before it left the device, so no backend took part.",
		},
		byDetail: map[string]Explanation{
			string(model.ErrorAbortUnsent): {
				Title: "Cancelled before it was sent",
				Text:  "The page cancelled the request before it left the browser, so no backend took part.",
			},
			string(model.ErrorOffline): {
				Title: "The device was offline",
				Text:  "The browser had no network connection, so the request never left the device.",
			},
			string(model.ErrorBlocked): {
				Title: "Blocked by the content security policy",
				Text:  "The page's own Content-Security-Policy forbids this request, so the browser did not send it.",
				Fix:   "If the request is meant to work, add its origin to the policy's directive for its kind, such as connect-src for fetch and XHR or img-src for images.",
			},
			string(model.ErrorInvalidCall): {
				Title: "The call was not valid",
				Text:  "The page called fetch or XMLHttpRequest with arguments that the browser refuses, such as a malformed URL, so nothing was sent.",
				Fix:   "Look for the error in the page's console; it names the argument.",
			},
			string(model.ErrorNetwork): {
				Title: "The request did not get through",
				Text:  "The browser reported a network error, and no span shows that a backend took part: the name did not resolve, the connection was refused or reset, the certificate was not accepted, a CORS preflight failed, or a content blocker stopped it. The browser does not say which.",
				Fix:   "If users meet this often, look at the host's availability, its certificate and its CORS answers. Single cases are mostly the user's network.",
			},
		},
	},
}

// ownContext explains a request that carried an application's own traceparent
// without our entry in tracestate.
func ownContext(why, fix string) Explanation {
	return Explanation{
		Title: "Linked, without the session",
		Text:  "The request carried the application's own traceparent, which links it to the backend. The agent did not add the user's session to tracestate: " + why,
		Fix:   fix,
	}
}

// noAnswer explains a request that was sent and has neither answer nor span.
func noAnswer(text, fix string) Explanation {
	return Explanation{Title: "No answer, and no trace of it", Text: text, Fix: fix}
}

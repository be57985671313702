package throughline_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
)

// otelhttpNewHandler stands for otelhttp.NewHandler of OpenTelemetry's contrib
// repository, which starts a span for every request.
func otelhttpNewHandler(next http.Handler, _ string) http.Handler {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID:    trace.TraceID{0x4b, 0xf9, 15: 0x36},
		SpanID:     trace.SpanID{0x01, 0xf0, 7: 0xb7},
		TraceFlags: trace.FlagsSampled,
	})
	return traced(&testSpan{sc: sc}, next)
}

// The middleware belongs inside the tracing one: the other way round, no span has been
// started when it looks for one.
func ExampleWrap() {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})

	right := otelhttpNewHandler(throughline.Wrap(mux), "server")

	misuse := throughline.Middleware{OnWarning: func(err error) { fmt.Println(err) }}
	wrong := misuse.Wrap(otelhttpNewHandler(mux, "server"))

	for _, handler := range []http.Handler{right, wrong} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		info := servertiming.Read(w.Result().Header.Values("Server-Timing")...)
		fmt.Println(info.Outcome, info.TraceID, w.Result().Header.Get("Timing-Allow-Origin"))
	}
	// Output:
	// received 4bf90000000000000000000000000036 *
	// throughline: no active span in the request's context, so responses name no trace; put the middleware inside the tracing one, as in otelhttp.NewHandler(throughline.Wrap(mux), "server"), or give the tracing one throughline.TracerProvider(provider)
	// not_available 00000000000000000000000000000000
}

// The trace is named to OpenTelemetry's browser agents of other vendors as well, and
// the server's clock to nobody.
func ExampleMiddleware() {
	m := throughline.Middleware{
		Tenant:  "2ead957c-980df25b",
		Entries: servertiming.DefaultEntries&^servertiming.Now | servertiming.Traceparent,
	}
	handler := otelhttpNewHandler(m.Wrap(http.NotFoundHandler()), "server")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for metric := range servertiming.Metrics(w.Result().Header.Values("Server-Timing")...) {
		fmt.Println(metric.Name)
	}
	// Output:
	// dtTrId
	// dtSInfo
	// dtRpid
	// trace
	// traceparent
}

// The pages of one's own shops see which trace answered; other sites' do not.
func ExampleOriginRules() {
	origins := new(throughline.OriginRules)
	if err := origins.Replace(servertiming.Rule{Matcher: servertiming.EndsWith, Pattern: ".shop.example"}); err != nil {
		fmt.Println(err)
		return
	}
	m := throughline.Middleware{Origins: origins}
	handler := otelhttpNewHandler(m.Wrap(http.NotFoundHandler()), "server")
	for _, origin := range []string{"https://www.shop.example", "https://evil.example"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		info := servertiming.Read(w.Result().Header.Values("Server-Timing")...)
		fmt.Printf("%s %q\n", info.Outcome, w.Result().Header.Get("Timing-Allow-Origin"))
	}
	// Output:
	// received "https://www.shop.example"
	// not_available ""
}

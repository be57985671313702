package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/beacon"
)

// envelope is a beacon around events, sent 379.5 ms before it is received.
func envelope(events ...string) string {
	return `{"v":1,"sent":1777270046120.5,"time_origin":1777270045000.25,"rum.application.id":"745a78fe5b6e57f6",` +
		`"session.id":"VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0","view.instance_id":"0f6c2ab98d1e7733","dropped":{"buffer_full":2},` +
		`"events":[` + strings.Join(events, ",") + `]}`
}

// withClock adds the agent's measurement of its clock.
func withClock(body, offset string) string {
	return strings.Replace(body, `"v":1,`, `"v":1,"clock.offset":`+offset+`,"clock.uncertainty":3.5,`, 1)
}

const fetchEvent = `{"type":"request","id":"c3a1f0047be2d915","start":412.5,"duration":96.5,"request.kind":"fetch",` +
	`"url.full":"https://Shop.example:443/api/cart","http.response.status_code":200,` +
	`"request.trace_context_hint":"set","request.server_timing_hint":"received",` +
	`"trace.id":"2fdcef91d451fdffd6e5e36abc6bb609","span.id":"97039bf817c8584a","request.server_timing.span_id":"83de6ae3bd4ef1c2",` +
	`"performance.timing":{"response_start":90.5},"later.field":"kept"}`

func post(t testing.TB, h http.Handler, contentType, body string) *http.Response {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/beacon", strings.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Result()
}

func bodyOf(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBeaconIsStored(t *testing.T) {
	for _, contentType := range []string{"", "text/plain", "text/plain;charset=UTF-8", "application/json"} {
		w := &memory{}
		r := newReceiver(t, w)
		resp := post(t, r.Beacon(), contentType, envelope(fetchEvent, `{"type":"later"}`, `1`))
		if got, want := bodyOf(t, resp), `{"accepted":1,"rejected":{"bad_event":1,"unknown_type":1}}`; resp.StatusCode != http.StatusAccepted || got != want {
			t.Fatalf("%s: %d %s, want 202 %s", contentType, resp.StatusCode, got, want)
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("Access-Control-Allow-Origin %q, want *", got)
		}
		stored := w.stored()
		if len(stored.Requests) != 1 {
			t.Fatalf("%d requests stored, want 1", len(stored.Requests))
		}
		e := stored.Requests[0]
		if e.Host != "shop.example" || e.Method != http.MethodGet || e.StatusCode != http.StatusOK || e.SessionID == "" || e.ViewID != "0f6c2ab98d1e7733" || e.Attributes != `{"later.field":"kept"}` {
			t.Errorf("stored %+v", e)
		}
		if e.Sent.SpanID.String() != "97039bf817c8584a" || e.Answer.TraceID != e.Sent.TraceID || e.Answer.SpanID.String() != "83de6ae3bd4ef1c2" {
			t.Errorf("sent %v, answer %v", e.Sent, e.Answer)
		}
		if e.Timing.ResponseStart != 90500*time.Microsecond || e.Duration != 96500*time.Microsecond {
			t.Errorf("response start %v, duration %v", e.Timing.ResponseStart, e.Duration)
		}
		counted(t, r.metrics.events, "request", 1)
		counted(t, r.metrics.eventsRejected, "unknown_type", 1)
		if got := testutil.ToFloat64(r.metrics.eventsLost); got != 2 {
			t.Errorf("lost events counted: %v, want 2", got)
		}
	}
}

func TestBeaconOfOtherEvents(t *testing.T) {
	w := &memory{}
	resp := post(t, newReceiver(t, w).Beacon(), "", envelope(
		`{"type":"navigation","id":"aaaaaaaaaaaaaaaa","start":0,"url.full":"https://shop.example/","navigation.type":"reload","view.instance_id":"bbbbbbbbbbbbbbbb","performance.timing":{"dom_complete":700}}`,
		`{"type":"web_vital","id":"cccccccccccccccc","start":900,"web_vital.name":"LCP","web_vital.value":812.5,"web_vital.rating":"good"}`))
	if got, want := bodyOf(t, resp), `{"accepted":2,"rejected":{}}`; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	stored := w.stored()
	if n := stored.Navigations; len(n) != 1 || n[0].Type != "reload" || n[0].DOMComplete != 700*time.Millisecond || n[0].ViewID != "bbbbbbbbbbbbbbbb" {
		t.Errorf("navigations %+v", n)
	}
	if v := stored.WebVitals; len(v) != 1 || v[0].Name != "LCP" || v[0].Value != 812.5 || v[0].Time.IsZero() {
		t.Errorf("web vitals %+v", v)
	}
}

func TestBeaconClock(t *testing.T) {
	for name, test := range map[string]struct {
		body  string
		clock model.Clock
		start string
	}{
		"measured":                            {withClock(envelope(fetchEvent), "-12.5"), model.Clock{Offset: -12500 * time.Microsecond, Uncertainty: 3500 * time.Microsecond, Source: model.ClockServerTiming}, "06:07:25.40025"},
		"not measured":                        {envelope(fetchEvent), model.Clock{Offset: 379500 * time.Microsecond, Source: model.ClockBeacon}, "06:07:25.79225"},
		"two hours off what the receipt says": {withClock(envelope(fetchEvent), "7200000"), model.Clock{Offset: 379500 * time.Microsecond, Source: model.ClockBeacon}, "06:07:25.79225"},
		"a device that lives in 1970": {
			strings.NewReplacer("1777270046120.5", "100000", "1777270045000.25", "98879.75").Replace(envelope(fetchEvent)),
			model.Clock{Offset: received.Sub(time.UnixMilli(100000)), Source: model.ClockBeacon}, "06:07:25.79225",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			post(t, newReceiver(t, w).Beacon(), "", test.body).Body.Close()
			stored := w.stored()
			if len(stored.Requests) != 1 {
				t.Fatalf("%d requests stored, want 1", len(stored.Requests))
			}
			if got := stored.Requests[0]; got.Clock != test.clock || got.Start.Format("15:04:05.999999999") != test.start || !got.Received.Equal(received) {
				t.Errorf("clock %+v, start %v; want %+v, %s", got.Clock, got.Start, test.clock, test.start)
			}
		})
	}
}

func TestBeaconWhoseIDs(t *testing.T) {
	for name, test := range map[string]struct {
		replace      []string
		sent, answer string // span ids
	}{
		"carried, answer names the entry span": {nil, "97039bf817c8584a", "83de6ae3bd4ef1c2"},
		"read from Server-Timing":              {[]string{`:"set"`, `:"from_server"`, `,"request.server_timing.span_id":"83de6ae3bd4ef1c2"`, ``}, "", "97039bf817c8584a"},
		"an application's own, not touched":    {[]string{`:"set"`, `:"cross_origin"`, `:"received"`, `:"not_available"`, `,"request.server_timing.span_id":"83de6ae3bd4ef1c2"`, ``}, "97039bf817c8584a", ""},
		"another trace answered": {
			[]string{`:"received"`, `:"mismatch"`, `"request.server_timing.span_id"`, `"request.server_timing.trace_id":"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb","request.server_timing.span_id"`},
			"97039bf817c8584a", "83de6ae3bd4ef1c2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			resp := post(t, newReceiver(t, w).Beacon(), "", envelope(strings.NewReplacer(test.replace...).Replace(fetchEvent)))
			text := bodyOf(t, resp)
			if stored := w.stored(); len(stored.Requests) != 1 {
				t.Fatalf("not stored: %s", text)
			}
			e := w.stored().Requests[0]
			none := model.SpanContext{}.SpanID.String()
			if test.sent == "" {
				test.sent = none
			}
			if test.answer == "" {
				test.answer = none
			}
			if e.Sent.SpanID.String() != test.sent || e.Answer.SpanID.String() != test.answer {
				t.Errorf("sent %v, answer %v; want %s, %s", e.Sent.SpanID, e.Answer.SpanID, test.sent, test.answer)
			}
		})
	}
}

// A beacon is taken compressed, whether its sender can say so or not.
func TestBeaconInGzip(t *testing.T) {
	longest := strings.Repeat(" ", beacon.MaxBytes-len(envelope(fetchEvent))) + envelope(fetchEvent)
	for name, test := range map[string]struct{ contentType, encoding, body string }{
		"with its header":             {"application/json", "gzip", envelope(fetchEvent)},
		"with its header, upper case": {"", "GZIP", envelope(fetchEvent)},
		"text, by its first bytes":    {"text/plain;charset=UTF-8", "", envelope(fetchEvent)},
		"JSON, by its first bytes":    {"application/json", "identity", envelope(fetchEvent)},
		"of 1 MiB unpacked":           {"text/plain", "", longest},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			for range 2 { // in memory that was used before
				req := httptest.NewRequest(http.MethodPost, "/beacon", bytes.NewReader(gzipOf(t, []byte(test.body))))
				req.Header.Set("Content-Type", test.contentType)
				req.Header.Set("Content-Encoding", test.encoding)
				rec := httptest.NewRecorder()
				r.Beacon().ServeHTTP(rec, req)
				if rec.Code != http.StatusAccepted || rec.Body.String() != `{"accepted":1,"rejected":{}}` {
					t.Fatalf("%d %s", rec.Code, rec.Body)
				}
				resp := post(t, r.Beacon(), "", envelope())
				resp.Body.Close()
				if resp.StatusCode != http.StatusAccepted {
					t.Errorf("%d of a beacon that is not compressed, behind it", resp.StatusCode)
				}
			}
			if stored := w.stored(); len(stored.Requests) != 2 || stored.Requests[1].Host != "shop.example" {
				t.Errorf("stored %+v", stored)
			}
		})
	}
}

func TestBeaconRefusals(t *testing.T) {
	packed := gzipOf(t, []byte(envelope(fetchEvent)))
	broken := bytes.Clone(packed)
	broken[len(broken)-6] ^= 1 // of the checksum
	for name, test := range map[string]struct {
		method, contentType, encoding, body string
		status                              int
		reason                              string
	}{
		"get":               {method: "GET", status: 405, reason: "method_not_allowed"},
		"put":               {method: "PUT", body: envelope(), status: 405, reason: "method_not_allowed"},
		"form":              {contentType: "application/x-www-form-urlencoded", body: envelope(), status: 415, reason: "unsupported_media_type"},
		"broken media type": {contentType: ";;", body: envelope(), status: 415, reason: "unsupported_media_type"},
		"brotli":            {encoding: "br", body: envelope(), status: 415, reason: "unsupported_media_type"},
		"not gzip":          {encoding: "gzip", body: envelope(), status: 400, reason: "malformed"},
		"gzip, nothing":     {encoding: "gzip", status: 400, reason: "malformed"},
		"gzip, magic alone": {body: "\x1f\x8b", status: 400, reason: "malformed"},
		"gzip cut off":      {body: string(packed[:len(packed)-9]), status: 400, reason: "malformed"},
		"gzip, broken":      {encoding: "gzip", body: string(broken), status: 400, reason: "malformed"},
		"gzip, junk behind": {body: string(packed) + "junk", status: 400, reason: "malformed"},
		"gzip twice":        {encoding: "gzip", body: string(gzipOf(t, packed)), status: 400, reason: "malformed"},
		"gzip, not JSON":    {body: string(gzipOf(t, []byte("v=1"))), status: 400, reason: "malformed"},
		"gzip bomb":         {body: string(gzipOf(t, make([]byte, 100*beacon.MaxBytes))), status: 413, reason: "too_large"},
		"gzip, over 1 MiB":  {encoding: "gzip", body: string(gzipOf(t, []byte(strings.Repeat(" ", beacon.MaxBytes+1-len(envelope()))+envelope()))), status: 413, reason: "too_large"},
		"empty":             {status: 400, reason: "malformed"},
		"junk after it":     {body: envelope() + "x", status: 400, reason: "malformed"},
		"version 2":         {body: `{"v":2}`, status: 400, reason: "unknown_version"},
		"no events":         {body: `{"v":1}`, status: 400, reason: "bad_envelope"},
		"over 1 MiB":        {body: strings.Repeat(" ", beacon.MaxBytes) + envelope(), status: 413, reason: "too_large"},
		"1001 events":       {body: envelope(strings.Repeat("1,", 1000) + "1"), status: 413, reason: "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			method := test.method
			if method == "" {
				method = http.MethodPost
			}
			req := httptest.NewRequest(method, "/beacon", strings.NewReader(test.body))
			req.Header.Set("Content-Type", test.contentType)
			req.Header.Set("Content-Encoding", test.encoding)
			rec := httptest.NewRecorder()
			r.Beacon().ServeHTTP(rec, req)
			var answer struct{ Error, Hint string }
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer.Error == "" || answer.Hint == "" {
				t.Errorf("body %s: want error and hint", rec.Body)
			}
			if rec.Code != test.status || rec.Header().Get(RejectReasonHeader) != test.reason || rec.Header().Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%d %v, want %d %s", rec.Code, rec.Header(), test.status, test.reason)
			}
			if len(w.records) != 0 {
				t.Error("something was stored")
			}
			counted(t, r.metrics.beaconsRejected, test.reason, 1)
		})
	}
}

func TestBeaconPreflight(t *testing.T) {
	req := httptest.NewRequest(http.MethodOptions, "/beacon", nil)
	req.Header.Set("Origin", "https://shop.example")
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	w := httptest.NewRecorder()
	newReceiver(t, &memory{}).Beacon().ServeHTTP(w, req)
	h := w.Header()
	if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "Content-Type" ||
		h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", w.Code, h)
	}
}

func TestBeaconWhenTheJournalFails(t *testing.T) {
	var told error
	r := newReceiver(t, &memory{err: errJournal})
	r.OnError = func(err error) { told = err }
	resp := post(t, r.Beacon(), "", envelope(fetchEvent))
	text := bodyOf(t, resp)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" || resp.Header.Get(RejectReasonHeader) != "unavailable" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if !errors.Is(told, errJournal) || strings.Contains(text, "secret") {
		t.Errorf("told %v, answered %s; want the error told, and not shown to strangers", told, text)
	}
	if got := testutil.ToFloat64(r.metrics.beacons); got != 0 {
		t.Errorf("%v beacons counted as accepted", got)
	}
}

// A page that closes right after its beacon must not lose it.
func TestBeaconOutlivesItsConnection(t *testing.T) {
	w := &memory{entered: make(chan struct{}, 1), release: make(chan struct{})}
	close(w.release) // which makes it look at the context
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequest(http.MethodPost, "/beacon", strings.NewReader(envelope(fetchEvent))).WithContext(ctx)
	newReceiver(t, w).Beacon().ServeHTTP(httptest.NewRecorder(), req)
	if len(w.stored().Requests) != 1 {
		t.Error("the beacon is lost")
	}
}

func TestBeaconsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &memory{entered: make(chan struct{}, MaxBeaconsInFlight), release: make(chan struct{})}
		r := newReceiver(t, w)
		for range MaxBeaconsInFlight {
			go post(t, r.Beacon(), "", envelope(fetchEvent)).Body.Close()
		}
		for range MaxBeaconsInFlight {
			<-w.entered
		}
		resp := post(t, r.Beacon(), "", envelope(fetchEvent))
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v, want 503 with Retry-After", resp.StatusCode, resp.Header)
		}
		close(w.release)
		synctest.Wait()
		again := post(t, r.Beacon(), "", envelope(fetchEvent))
		defer again.Body.Close()
		if again.StatusCode != http.StatusAccepted {
			t.Errorf("%d once there is room, want 202", again.StatusCode)
		}
	})
}

func TestBeaconGivesUpOnAJournalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &memory{entered: make(chan struct{}, 1), release: make(chan struct{})}
		begin := time.Now()
		resp := post(t, newReceiver(t, w).Beacon(), "", envelope(fetchEvent))
		defer resp.Body.Close()
		if waited := time.Since(begin); resp.StatusCode != http.StatusServiceUnavailable || waited != appendTimeout {
			t.Errorf("%d after %v, want 503 after %v", resp.StatusCode, waited, appendTimeout)
		}
	})
}

func FuzzBeacon(f *testing.F) {
	seeds := []string{
		string(gzipOf(f, []byte(envelope(fetchEvent)))),
		envelope(fetchEvent), withClock(envelope(fetchEvent, "1"), "-12.4"), withClock(envelope(fetchEvent), "7e12"), envelope(), "", `{"v":2}`,
		strings.Replace(envelope(fetchEvent), `"https://Shop.example:443/api/cart"`, `"http://[::1]:80?@"`, 1),
	}
	if len(seeds) < 5 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := &memory{}
		resp := post(t, newReceiver(t, w).Beacon(), "", body)
		text := bodyOf(t, resp)
		stored := w.stored()
		if resp.StatusCode != http.StatusAccepted {
			if stored.Len() != 0 || resp.Header.Get(RejectReasonHeader) == "" {
				t.Fatalf("%d with %d stored, %v", resp.StatusCode, stored.Len(), resp.Header)
			}
			return
		}
		var answer beaconAnswer
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		var sent map[string]json.RawMessage
		var events []json.RawMessage
		if strings.HasPrefix(body, "\x1f\x8b") {
			unpacked, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(unpacked)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(sent["events"], &events); err != nil {
			t.Fatal(err)
		}
		rejected := 0
		for _, n := range answer.Rejected {
			rejected += n
		}
		if answer.Accepted != stored.Len() || answer.Accepted+rejected != len(events) {
			t.Fatalf("%d events: answered %s, stored %d", len(events), text, stored.Len())
		}
		for _, e := range stored.Requests {
			if e.Host != strings.ToLower(e.Host) || e.Start.Year() < 1600 || e.Start.Year() > 2500 {
				t.Fatalf("host %q, start %v", e.Host, e.Start)
			}
		}
	})
}

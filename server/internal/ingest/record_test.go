package ingest

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

var update = flag.Bool("update", false, "write the goldens; the frozen records stay as they are")

var visitor = model.Client{Browser: "Firefox", BrowserVersion: "153", OS: "Linux", Device: "desktop", Country: "DE", Address: "203.0.113.0"}

func TestRecordHeader(t *testing.T) {
	for _, h := range []recordHeader{{received: received}, {received, visitor}, {received, model.Client{Country: "DE"}}} {
		record := append(appendRecord(nil, &h), "body"...)
		got, body, err := parseRecord(record)
		if err != nil || got != h || string(body) != "body" {
			t.Errorf("%+v, %q, %v; want %+v", got, body, err, h)
		}
		for n := range len(record) - len("body") {
			if _, _, err := parseRecord(record[:n]); err == nil {
				t.Errorf("no error for the first %d bytes", n)
			}
		}
	}
	long := recordHeader{received, model.Client{OS: strings.Repeat("x", 1000)}}
	if got, _, err := parseRecord(appendRecord(nil, &long)); err != nil || len(got.client.OS) != maxFactBytes {
		t.Errorf("%d bytes of a fact, %v", len(got.client.OS), err)
	}
	// A later version may tell more of the sender: number 200, "new".
	later := appendRecord(nil, &recordHeader{received: received})[:9]
	later = append(later, 5, 200, 3, 'n', 'e', 'w', 'b')
	if _, body, err := parseRecord(later); err != nil || string(body) != "b" {
		t.Errorf("%q, %v", body, err)
	}
}

// frozen are records as a journal may hold them for ever. Make a new one for a new version; never
// change one that is there.
var frozen = map[string]byte{"beacon-v1": RecordBeacon, "traces-v1": RecordTraces, "events-v1": RecordEvents, "events-v2": RecordEvents}

func TestFrozenRecords(t *testing.T) {
	for name, kind := range frozen {
		path := filepath.Join("testdata", name)
		payload, err := os.ReadFile(path + ".record")
		if os.IsNotExist(err) && *update {
			payload = newFrozen(t, kind)
			err = os.WriteFile(path+".record", payload, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		var first store.Batch
		for range 2 { // the same record always has the same values
			var batch store.Batch
			d := newDecoder("")
			at, err := d.decode(&batch, Record{Position: 1, Kind: kind, Payload: payload})
			if err != nil || !at.Equal(received) {
				t.Fatalf("%s: received %v, %v", name, at, err)
			}
			if first.Len() != 0 && !reflect.DeepEqual(first, batch) {
				t.Errorf("%s: two decoders make two things of it", name)
			}
			first = batch
		}
		text := lines(t, &first)
		if *update {
			if err := os.WriteFile(path+".json", text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path + ".json")
		if err != nil || string(want) != string(text) {
			t.Errorf("%s: %v; run with -update and look at the difference:\n%s", name, err, text)
		}
	}
}

// lines writes one value of a batch a line.
func lines(t *testing.T, b *store.Batch) []byte {
	t.Helper()
	var text []byte
	line := func(v any) {
		one, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, one...), '\n')
	}
	for _, v := range b.Requests {
		line(v)
	}
	for _, v := range b.Navigations {
		line(v)
	}
	for _, v := range b.WebVitals {
		line(v)
	}
	for _, v := range b.Errors {
		line(v)
	}
	for _, v := range b.Actions {
		line(v)
	}
	for _, v := range b.PageEvents {
		line(v)
	}
	for _, v := range b.Spans {
		line(v)
	}
	return text
}

func newFrozen(t *testing.T, kind byte) []byte {
	t.Helper()
	switch kind {
	case RecordTraces:
		return append(appendRecord(nil, &recordHeader{received: received}), protoOf(t, typicalExport(5))...)
	case RecordEvents:
		return eventsRecord(t, withClock(everyEvent, "-12.5"), &recordHeader{received, visitor}).Payload
	default:
		return append(appendRecord(nil, &recordHeader{received, visitor}), everyEvent...)
	}
}

var everyEvent = envelope(fetchEvent,
	`{"type":"navigation","id":"aaaaaaaaaaaaaaaa","start":0,"url.full":"https://shop.example/cart/4711","navigation.type":"reload","performance.timing":{"dom_complete":700},"extra":1}`,
	`{"type":"web_vital","id":"cccccccccccccccc","start":900,"web_vital.name":"LCP","web_vital.value":812.5,"web_vital.rating":"good","web_vital.target":"#hero"}`,
	`{"type":"error","id":"dddddddddddddddd","start":901,"error.source":"exception","exception.type":"TypeError","exception.message":"cart 7 is gone","exception.stacktrace":"TypeError: cart 7 is gone\n    at f (https://shop.example/a.js:1:2)","error.handled":true,"error.request_id":"c3a1f0047be2d915","action.id":"eeeeeeeeeeeeeeee"}`,
	`{"type":"action","id":"eeeeeeeeeeeeeeee","start":880,"action.kind":"click","action.name":"Pay now","duration":80.5,"url.full":"https://shop.example/cart/4711"}`,
	`{"type":"custom","id":"0c0c0c0c0c0c0c0c","start":902,"event.name":"checkout","duration":12.5,"url.full":"https://shop.example/cart/4711","event_properties.items":3}`,
	`{"type":"long_frame","id":"1f1f1f1f1f1f1f1f","start":903,"duration":120,"long_frame.kind":"animation_frame","long_frame.blocking_duration":70.5,"long_frame.scripts":[{"invoker":"#pay.onclick"}]}`,
	`{"type":"visibility","id":"5151515151515151","start":904,"visibility.state":"hidden"}`,
)

func TestEveryEventIsMapped(t *testing.T) {
	w := &memory{}
	r := newReceiver(t, w)
	r.Client = func(*http.Request) model.Client { return visitor }
	resp := post(t, r.Beacon(), "", everyEvent)
	if got, want := bodyOf(t, resp), `{"accepted":8,"rejected":{}}`; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	b := w.stored()
	if len(b.Requests) != 1 || len(b.Navigations) != 1 || len(b.WebVitals) != 1 || len(b.Errors) != 1 || len(b.Actions) != 1 || len(b.PageEvents) != 3 {
		t.Fatalf("stored %+v", b)
	}
	if b.Requests[0].URLPattern != "/api/cart" || b.Navigations[0].URLPattern != "/cart/{id}" {
		t.Errorf("patterns %q and %q", b.Requests[0].URLPattern, b.Navigations[0].URLPattern)
	}
	for _, f := range []model.Frontend{b.Requests[0].Frontend, b.Navigations[0].Frontend, b.WebVitals[0].Frontend, b.Errors[0].Frontend, b.Actions[0].Frontend, b.PageEvents[0].Frontend} {
		if f.Client != visitor || f.SessionID == "" {
			t.Errorf("frontend %+v", f)
		}
	}
	e := b.Errors[0]
	if e.Type != "TypeError" || e.Message != "cart 7 is gone" || !e.Handled || e.RequestID != b.Requests[0].ID || e.ActionID != "eeeeeeeeeeeeeeee" || e.Source != "exception" {
		t.Errorf("error %+v", e)
	}
	// The fingerprint is stored, so it must stay what it is.
	if got := model.EventID(e.Fingerprint).String(); got != "2cf2841816c47636" {
		t.Errorf("fingerprint %s", got)
	}
	a := b.Actions[0]
	if a.Kind != "click" || a.Name != "Pay now" || a.Duration != 80500*time.Microsecond || a.URL != "https://shop.example/cart/4711" || a.Start.IsZero() {
		t.Errorf("action %+v", a)
	}
	if v := b.WebVitals[0]; v.Attributes != `{"web_vital.target":"#hero"}` {
		t.Errorf("web vital %+v", v)
	}
	for i, want := range []model.PageEvent{
		{Type: "custom", Name: "checkout", Duration: 12500 * time.Microsecond, URL: "https://shop.example/cart/4711", Attributes: `{"event_properties.items":3}`},
		{Type: "long_frame", Name: "animation_frame", Duration: 120 * time.Millisecond, Attributes: `{"long_frame.blocking_duration":70.5,"long_frame.scripts":[{"invoker":"#pay.onclick"}]}`},
		{Type: "visibility", Name: "hidden"},
	} {
		e := b.PageEvents[i]
		want.ID, want.Frontend, want.Start, want.Clock, want.Received = e.ID, e.Frontend, e.Start, e.Clock, e.Received
		if e != want || e.ID.IsZero() || e.Start.IsZero() || e.Received.IsZero() {
			t.Errorf("page event %+v, want %+v", e, want)
		}
		counted(t, r.metrics.events, e.Type, 1)
	}
	counted(t, r.metrics.events, "error", 1)
	counted(t, r.metrics.events, "action", 1)
}

// A bug in reading one record must not keep all later ones back.
func TestABugIsAnError(t *testing.T) {
	d := newDecoder("")
	if _, err := d.decode(nil, Record{Kind: RecordBeacon, Payload: newFrozen(t, RecordBeacon)}); err == nil {
		t.Error("no error of a nil batch")
	}
}

func FuzzRecord(f *testing.F) {
	seeds := [][]byte{
		appendRecord(nil, &recordHeader{received, visitor}), append(appendRecord(nil, &recordHeader{received: received}), everyEvent...), nil,
		eventsRecord(f, everyEvent, &recordHeader{received, visitor}).Payload,
	}
	if len(seeds) < 4 {
		f.Fatal("the fuzz target has lost its seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h, body, err := parseRecord(payload)
		if err != nil {
			return
		}
		again, bodyAgain, err := parseRecord(append(appendRecord(nil, &h), body...))
		if err != nil || string(bodyAgain) != string(body) || !again.received.Equal(h.received) {
			t.Errorf("%+v and %+v, %v", h, again, err)
		}
		for kind := range RecordEvents + 2 {
			d := newDecoder("")
			_, _ = d.decode(new(store.Batch), Record{Kind: kind, Payload: payload}) // must not panic
		}
	})
}

package beacon

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func seeds(t testing.TB) [][]byte {
	t.Helper()
	all := [][]byte{
		example(t), twentyEvents(t), beaconOf(), beaconOf("1", "null", "[]", `{}`),
		beaconOf(requestWith(t, map[string]any{"custom": map[string]any{"a": []any{1, "b", nil}}})),
		beaconOf(errorWith(t, nil), actionWith(t, map[string]any{"b": json.RawMessage(`{"d":-0,"c":1e3}`), "a": "\u0001\"\\"})),
		beaconOf(customWith(t, nil), longFrameWith(t, nil), visibilityWith(t, nil), `{"type":"custom","id":"0c0c0c0c0c0c0c0c","start":1,"event.name":""}`),
		withAttributes(`{"b":null,"user.id":"\u0063-1","a":[1e2,{"d":1,"c":2}]}`, customWith(t, map[string]any{"a": 1}), visibilityWith(t, nil)),
		[]byte(`{"v":1,"sent":1,"time_origin":1,"events":[{"type":"visibility","id":"c3a1f0047be2d915","start":1,"visibility.state":"hidden","z":1},1],"attributes":{"z":2,"a":3}}`),
		[]byte(`{"events":[{"type":"action","id":"c3a1f0047be2d915","start":1,"action.kind":"tap"}],"time_origin":1,"sent":1,"v":1}`),
		[]byte(`{"v":2}`), []byte(`{"v":1,"v":1}`), []byte(`{"\u0076":1,"sent":1e400}`), []byte("\xff"), nil,
		[]byte(`[01]`), []byte(`[1.]`), []byte(`[-]`), []byte(`[1e+]`), []byte(`["\x"]`), []byte(`["\u12G4"]`), []byte(`{"a":1,}`), []byte(`[1,]`), []byte(`[tru]`),
	}
	if len(all) < 23 {
		t.Fatal("the fuzz target has lost its seeds")
	}
	return all
}

func FuzzDecode(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := Decode(body)
		var refused *Error
		if wellFormed := json.Valid(body) && utf8.Valid(body); errors.As(err, &refused) && len(body) <= MaxBytes &&
			(refused.Problem == errMalformed().Problem) == wellFormed || err == nil && !wellFormed {
			t.Fatalf("well-formed: %v, and the answer is %v", wellFormed, err)
		}
		checkReuse(t, body, b, err)
		if err != nil {
			return
		}
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(body, &envelope); err != nil {
			t.Fatalf("accepted, and encoding/json says: %v", err)
		}
		var events []json.RawMessage
		if err := json.Unmarshal(envelope["events"], &events); err != nil {
			t.Fatalf("events: %v", err)
		}
		handled := b.Accepted()
		for _, n := range b.Rejected {
			handled += n
		}
		if handled != len(events) {
			t.Fatalf("accepted and rejected %d events of %d", handled, len(events))
		}
		for _, r := range b.Requests {
			if r.URL == "" || r.Kind == "" || r.Carried() && r.SpanID.IsZero() {
				t.Fatalf("accepted a request that is not good: %+v", r)
			}
			checkEvent(t, r.Event)
		}
		for _, n := range b.Navigations {
			checkEvent(t, n.Event)
		}
		for _, v := range b.WebVitals {
			checkEvent(t, v.Event)
		}
		for _, e := range b.Errors {
			if e.Source == "" || len(e.Message) > MaxStringBytes || len(e.Stack) > MaxStackBytes {
				t.Fatalf("accepted an error that is not good: %+v", e)
			}
			checkEvent(t, e.Event)
		}
		for _, e := range b.PageEvents {
			if e.Type == "" || e.Name == "" || len(e.Name) > MaxEventNameBytes {
				t.Fatalf("accepted a page event that is not good: %+v", e)
			}
			checkEvent(t, e.Event)
		}
		for _, a := range b.Actions {
			if a.Kind == "" || len(a.Name) > MaxActionNameBytes {
				t.Fatalf("accepted an action that is not good: %+v", a)
			}
			checkEvent(t, a.Event)
		}
	})
}

// checkReuse fails where a Decoder that has read other beacons reads one differently.
func checkReuse(t *testing.T, body []byte, want Beacon, wantErr error) {
	t.Helper()
	var d Decoder
	for _, other := range [][]byte{twentyEvents(t), withAttributes(`{"user.id":"x","a":2}`, errorWith(t, map[string]any{"a": 1}), `{"type":"request","id":1}`, actionWith(t, nil), customWith(t, nil)), body, []byte(`{"v":1,"events":[{"type":"request"`)} {
		_, _ = d.Decode(other)
	}
	got, err := d.Decode(body)
	if fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", wantErr) {
		t.Fatalf("%v, and %v from a Decoder that is used again", wantErr, err)
	}
	if err != nil {
		return
	}
	again := *got
	for _, b := range []*Beacon{&again, &want} { // an empty list is as good as none
		b.Requests, b.Navigations, b.WebVitals = append([]Request{}, b.Requests...), append([]Navigation{}, b.Navigations...), append([]WebVital{}, b.WebVitals...)
		b.Errors, b.Actions = append([]ErrorEvent{}, b.Errors...), append([]Action{}, b.Actions...)
		b.PageEvents = append([]PageEvent{}, b.PageEvents...)
	}
	if !reflect.DeepEqual(again, want) {
		t.Fatalf("read\n%+v, and\n%+v from a Decoder that is used again", want, again)
	}
}

// checkEvent fails for an event without an id, or whose attributes are not the one text that says what
// they say.
func checkEvent(t *testing.T, e Event) {
	t.Helper()
	if e.ID == [8]byte{} {
		t.Fatalf("accepted an event without an id: %+v", e)
	}
	if e.Attributes == "" {
		return
	}
	var all map[string]any
	d := json.NewDecoder(strings.NewReader(e.Attributes))
	d.UseNumber()
	if err := d.Decode(&all); err != nil || len(all) == 0 || len(all) > MaxAttributes {
		t.Fatalf("%d attributes %q: %v", len(all), e.Attributes, err)
	}
	if again := canonical(all); again != e.Attributes || !utf8.ValidString(again) {
		t.Fatalf("attributes %s, and in order %s", e.Attributes, again)
	}
}

// canonical writes what encoding/json read as Event.Attributes has it.
func canonical(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return string(appendString(nil, v))
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return strconv.FormatInt(n, 10)
		}
		f, _ := v.Float64()
		text := strconv.FormatFloat(f, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return text
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = canonical(v[i])
		}
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, canonical(name)+":"+canonical(v[name]))
		}
		return "{" + strings.Join(items, ",") + "}"
	default:
		panic("encoding/json reads nothing else")
	}
}

package beacon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// withAttributes is a beacon with attributes of its own, given as JSON.
func withAttributes(attributes string, events ...string) []byte {
	return bytes.Replace(beaconOf(events...), []byte(`"v":1,`), []byte(`"v":1,"attributes":`+attributes+`,`), 1)
}

func TestDecodePageEvents(t *testing.T) {
	for name, test := range map[string]struct {
		event string
		want  Reason // empty: accepted
	}{
		"custom":                         {customWith(t, nil), ""},
		"custom, of a name alone":        {customWith(t, map[string]any{"duration": nil, "url.full": nil, "event_properties.items": nil}), ""},
		"custom, longest name":           {customWith(t, map[string]any{"event.name": strings.Repeat("n", MaxEventNameBytes)}), ""},
		"custom, name too long":          {customWith(t, map[string]any{"event.name": strings.Repeat("n", MaxEventNameBytes+1)}), BadField},
		"custom, name empty":             {customWith(t, map[string]any{"event.name": ""}), BadField},
		"custom, no name":                {customWith(t, map[string]any{"event.name": nil}), BadField},
		"custom, duration negative":      {customWith(t, map[string]any{"duration": -1}), BadTime},
		"custom, end 2 hours ahead":      {customWith(t, map[string]any{"duration": 7200e3}), BadTime},
		"custom, url relative":           {customWith(t, map[string]any{"url.full": "/cart"}), BadURL},
		"custom, without id":             {customWith(t, map[string]any{"id": nil}), BadID},
		"custom, without start":          {customWith(t, map[string]any{"start": nil}), BadTime},
		"long frame":                     {longFrameWith(t, nil), ""},
		"long frame, task":               {longFrameWith(t, map[string]any{"long_frame.kind": "task", "long_frame.scripts": nil, "long_frame.blocking_duration": nil}), ""},
		"long frame, no kind":            {longFrameWith(t, map[string]any{"long_frame.kind": nil}), BadField},
		"long frame, kind unknown":       {longFrameWith(t, map[string]any{"long_frame.kind": "nap"}), BadField},
		"long frame, no duration":        {longFrameWith(t, map[string]any{"duration": nil}), BadTime},
		"long frame, duration null":      {longFrameWith(t, map[string]any{"duration": json.RawMessage("null")}), BadTime},
		"long frame, blocking a text":    {longFrameWith(t, map[string]any{"long_frame.blocking_duration": "70"}), BadTime},
		"long frame, blocking negative":  {longFrameWith(t, map[string]any{"long_frame.blocking_duration": -1}), BadTime},
		"long frame, named as a custom":  {longFrameWith(t, map[string]any{"event.name": ""}), ""}, // an attribute there
		"visibility":                     {visibilityWith(t, nil), ""},
		"visibility, visible":            {visibilityWith(t, map[string]any{"visibility.state": "visible"}), ""},
		"visibility, state unknown":      {visibilityWith(t, map[string]any{"visibility.state": "prerender"}), BadField},
		"visibility, no state":           {visibilityWith(t, map[string]any{"visibility.state": nil}), BadField},
		"visibility, url with user-info": {visibilityWith(t, map[string]any{"url.full": "https://u:p@a/"}), BadURL},
		"no type of a page event":        {visibilityWith(t, map[string]any{"type": "visibility "}), UnknownType},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Decode(beaconOf(test.event))
			if err != nil {
				t.Fatal(err)
			}
			want := map[Reason]int{test.want: 1}
			if test.want == "" {
				want = nil
			}
			if !maps.Equal(b.Rejected, want) || len(b.PageEvents)+len(b.Rejected) != 1 || b.Accepted() != len(b.PageEvents) {
				t.Errorf("accepted %d, rejected %v; want rejected %v", b.Accepted(), b.Rejected, want)
			}
		})
	}

	b, err := Decode(beaconOf(customWith(t, nil), longFrameWith(t, nil), visibilityWith(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	const page = "https://shop.example/cart"
	id := func(b byte) [8]byte { return [8]byte(bytes.Repeat([]byte{b}, 8)) }
	want := []PageEvent{
		{Event{id(0x0c), 50, "", "acacacacacacacac", `{"event_properties.items":3}`}, "custom", "checkout", 12.5, page},
		{
			Event{id(0x1f), 60, "", "", `{"long_frame.blocking_duration":70.5,"long_frame.scripts":[{"duration":90,"invoker":"BUTTON#pay.onclick"}]}`},
			"long_frame", "animation_frame", 120, page,
		},
		{Event{id(0x51), 70, "", "", ""}, "visibility", "hidden", 0, page},
	}
	if fmt.Sprint(b.PageEvents) != fmt.Sprint(want) {
		t.Errorf("page events %+v, want %+v", b.PageEvents, want)
	}
}

func TestDecodeKeepsAttributesOfWebVitals(t *testing.T) {
	b, err := Decode(beaconOf(`{"type":"web_vital","id":"bbbbbbbbbbbbbbbb","start":9,"web_vital.name":"INP","web_vital.value":96,"web_vital.target":"#pay","web_vital.load_state":"complete"}`))
	if want := `{"web_vital.load_state":"complete","web_vital.target":"#pay"}`; err != nil || len(b.WebVitals) != 1 || b.WebVitals[0].Attributes != want {
		t.Errorf("%v, %+v; want the attributes %s", err, b, want)
	}
}

// What the beacon says of all its events stands in each, wherever it is sent.
func TestDecodeAttributesOfTheBeacon(t *testing.T) {
	events := []string{visibilityWith(t, nil), customWith(t, map[string]any{"b": 1, "user.id": "own", "z": json.RawMessage("null")})}
	const attributes = `{"z":{"y":1,"x":null},"user.id":"c\u002d1","nothing":null,"start":"kept beside the field"}`
	first := withAttributes(attributes, events...)
	last := append(bytes.TrimSuffix(beaconOf(events...), []byte("}")), `,"attributes":`+attributes+`}`...)
	want := []string{
		`{"start":"kept beside the field","user.id":"c-1","z":{"y":1}}`,
		`{"b":1,"event_properties.items":3,"start":"kept beside the field","user.id":"own","z":{"y":1}}`,
	}
	for name, body := range map[string][]byte{"first": first, "last": last} {
		b, err := Decode(body)
		if err != nil || len(b.PageEvents) != 2 || b.Rejected != nil || b.AttributesDropped != 0 {
			t.Fatalf("%s: %v, %+v", name, err, b)
		}
		for i, e := range b.PageEvents {
			if e.Attributes != want[i] {
				t.Errorf("%s: attributes %s, want %s", name, e.Attributes, want[i])
			}
		}
	}
	b, err := Decode(bytes.Replace(last, []byte(`"events":[`), []byte(`"events":[1,{"type":"later"},`), 1))
	if err != nil || len(b.PageEvents) != 2 || !maps.Equal(b.Rejected, map[Reason]int{BadEvent: 1, UnknownType: 1}) {
		t.Errorf("events that are read twice: %v, %d, rejected %v", err, len(b.PageEvents), b.Rejected)
	}
	_, err = Decode(bytes.Replace(last, []byte(`"events":[`), []byte(`"events":[`+strings.Repeat("1,", MaxEvents)), 1))
	if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Reason != TooLarge {
		t.Errorf("too many events that are read twice: %v", err)
	}
}

func TestDecodeAttributesOfTheBeaconBeyondTheLimits(t *testing.T) {
	many := map[string]any{}
	for i := range MaxAttributes {
		many[fmt.Sprintf("b%02d", i)] = i
	}
	for name, test := range map[string]struct {
		shared, own    map[string]any
		kept, dropped  int
		keeps, without string // part of the attributes, and not
	}{
		"a long name":            {map[string]any{strings.Repeat("n", MaxAttributeName+1): 1, "b": 1}, nil, 1, 1, `"b":1`, "nnn"},
		"a long value":           {map[string]any{"a": strings.Repeat("v", MaxAttributeBytes-1), "b": 1}, nil, 1, 1, `"b":1`, "vvv"},
		"many values":            {map[string]any{"a": make([]int, MaxAttributeValues), "b": 1}, nil, 1, 1, `"b":1`, "0,0"},
		"more than 1,024 bytes":  {map[string]any{"a": strings.Repeat("v", 520), "b": strings.Repeat("w", 520), "c": 1}, nil, 2, 1, `"c":1`, "www"},
		"all of 1,024 bytes":     {map[string]any{"a": strings.Repeat("v", 500), "b": strings.Repeat("w", 509)}, nil, 2, 0, "www", "0"},
		"all of 1,025 bytes":     {map[string]any{"a": strings.Repeat("v", 500), "b": strings.Repeat("w", 510)}, nil, 1, 1, "vvv", "www"},
		"64 of the beacon":       {many, nil, MaxAttributes, 0, `"b63":63`, "z"},
		"65 of the beacon":       {eventAnd(many, "a", 0), nil, MaxAttributes, 1, `"a":0`, "b63"},
		"64, and the event's":    {many, map[string]any{"z": 1}, MaxAttributes, 1, `"z":1`, "b63"},
		"64, and one of a name":  {many, map[string]any{"b07": "own"}, MaxAttributes, 0, `"b07":"own"`, `"b07":7`},
		"64 of the event, and 1": {map[string]any{"a": 1}, many, MaxAttributes, 1, `"b63":63`, `"a"`},
	} {
		t.Run(name, func(t *testing.T) {
			shared, err := json.Marshal(test.shared)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Decode(withAttributes(string(shared), visibilityWith(t, test.own)))
			if err != nil || len(b.PageEvents) != 1 {
				t.Fatalf("%v, rejected %v", err, b.Rejected)
			}
			e := b.PageEvents[0].Event
			if n := attributesOf(t, e); n != test.kept || b.AttributesDropped != test.dropped {
				t.Errorf("%d attributes and %d dropped, want %d and %d", n, b.AttributesDropped, test.kept, test.dropped)
			}
			if !strings.Contains(e.Attributes, test.keeps) || strings.Contains(e.Attributes, test.without) {
				t.Errorf("attributes %s, want %s in it and not %s", e.Attributes, test.keeps, test.without)
			}
		})
	}
}

// eventAnd returns the fields and one more.
func eventAnd(fields map[string]any, name string, value any) map[string]any {
	all := maps.Clone(fields)
	all[name] = value
	return all
}

// A small beacon must not become a large one in memory by what all of its events share.
func TestDecodeAttributesOfTheBeaconAreBounded(t *testing.T) {
	shared, err := json.Marshal(map[string]any{"a": strings.Repeat("\u0001", 160), "b": strings.Repeat("x", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Decode(withAttributes(string(shared), slicesOf(MaxEvents, visibilityWith(t, map[string]any{"own": 1}))...))
	if err != nil || len(b.PageEvents) != MaxEvents {
		t.Fatalf("%v, rejected %v", err, b.Rejected)
	}
	size := 0
	for _, e := range b.PageEvents {
		size += len(e.Attributes)
	}
	if most := MaxEvents * (MaxSharedBytes + len(`"own":1,`)); size > most || size < most/2 {
		t.Errorf("%d bytes of attributes, want at most %d", size, most)
	}
}

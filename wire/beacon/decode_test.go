package beacon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// example returns the beacon that beacon.md shows.
func example(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("beacon.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?ms)^    \{$.*?^    \}$`).Find(text)
	if block == nil {
		t.Fatal("beacon.md shows no example")
	}
	return block
}

func TestDecodeExampleOfSpecification(t *testing.T) {
	b, err := Decode(example(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Requests) != 1 || b.Rejected != nil || b.AttributesDropped != 0 {
		t.Fatalf("got %d requests, rejected %v, %d attributes dropped; want 1, none, 0", len(b.Requests), b.Rejected, b.AttributesDropped)
	}
	r := b.Requests[0]
	if got, want := b.Time(r.Start).Format("15:04:05.000000"), "06:07:25.412500"; got != want {
		t.Errorf("the request starts at %s, want %s", got, want)
	}
	if !r.Carried() || r.TraceID.String() != "2fdcef91d451fdffd6e5e36abc6bb609" || r.ServerTimingTraceID != r.TraceID || r.ServerTimingSpanID.String() != "83de6ae3bd4ef1c2" {
		t.Errorf("ids: carried %v, %v, %v", r.Carried(), r.TraceID, r.ServerTimingSpanID)
	}
	if r.Timing.ResponseStart != 90.8 || r.Delivery != "network" || *r.ResponseID != -609157671 || !*r.Sampled || r.Attributes != `{"user.id":"c-48213"}` {
		t.Errorf("fields: %+v", r)
	}
	if b.Dropped["buffer_full"] != 2 || *b.ClockOffset != -12.4 || b.SessionID != "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0" {
		t.Errorf("envelope: %+v", b)
	}
}

// TestDecodeKnowsFieldsOfSpecification sends every field that a table of
// beacon.md names, with a wrong value, and expects that each is looked at.
func TestDecodeKnowsFieldsOfSpecification(t *testing.T) {
	text, err := os.ReadFile("beacon.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, with := range map[string]func(testing.TB, map[string]any) string{
		"request": requestWith, "error": errorWith, "action": actionWith, "custom": customWith, "long_frame": longFrameWith, "visibility": visibilityWith,
	} {
		_, section, _ := strings.Cut(string(text), "## `\"type\": \""+heading+"\"`")
		section, _, _ = strings.Cut(section, "\n## ")
		names := 0
		for row := range strings.Lines(section) {
			columns := strings.Split(row, "|")
			if len(columns) < 4 {
				continue
			}
			for _, name := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(columns[1], -1) {
				names++
				b, err := Decode(beaconOf(with(t, map[string]any{name[1]: []any{}})))
				if err != nil || b.Accepted() != 0 {
					t.Errorf("a list as %s: accepted %d, error %v; want it refused", name[1], b.Accepted(), err)
				}
			}
		}
		if least := map[string]int{"request": 20, "error": 7, "action": 4, "custom": 3, "long_frame": 4, "visibility": 2}[heading]; names < least {
			t.Errorf("beacon.md names %d fields of %s, want at least %d; the test has lost its table", names, heading, least)
		}
	}
}

func beaconOf(events ...string) []byte {
	return []byte(`{"v":1,"sent":1777270046120.5,"time_origin":1777270045000.2,"events":[` + strings.Join(events, ",") + `]}`)
}

// requestWith returns a good request event in JSON, with fields replaced, or
// removed where the value is nil.
func requestWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{
		"type": "request", "id": "c3a1f0047be2d915", "start": 12.5, "duration": 40,
		"request.kind": "fetch", "url.full": "https://shop.example/api/cart",
		"request.trace_context_hint": "set", "request.server_timing_hint": "not_available",
		"trace.id": "2fdcef91d451fdffd6e5e36abc6bb609", "span.id": "97039bf817c8584a",
	}, fields)
}

// errorWith and actionWith return good events in JSON, with fields replaced as by requestWith.
func errorWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{
		"type": "error", "id": "eeeeeeeeeeeeeeee", "start": 40, "error.source": "exception", "exception.type": "TypeError",
		"exception.message": "x is not a function", "exception.stacktrace": "TypeError: x is not a function\n    at f (app.js:1:2)",
		"error.handled": true, "error.request_id": "c3a1f0047be2d915", "url.full": "https://shop.example/cart", "action.id": "acacacacacacacac",
	}, fields)
}

func actionWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{
		"type": "action", "id": "acacacacacacacac", "start": 30, "duration": 60, "action.kind": "click", "action.name": "Buy now",
		"url.full": "https://shop.example/cart", "view.instance_id": "0f6c2ab98d1e7733",
	}, fields)
}

// customWith, longFrameWith and visibilityWith return good page events in JSON, with fields replaced as by requestWith.
func customWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{
		"type": "custom", "id": "0c0c0c0c0c0c0c0c", "start": 50, "duration": 12.5, "event.name": "checkout", "event_properties.items": 3,
		"url.full": "https://shop.example/cart", "action.id": "acacacacacacacac",
	}, fields)
}

func longFrameWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{
		"type": "long_frame", "id": "1f1f1f1f1f1f1f1f", "start": 60, "duration": 120, "long_frame.kind": "animation_frame", "long_frame.blocking_duration": 70.5,
		"long_frame.scripts": []any{map[string]any{"invoker": "BUTTON#pay.onclick", "duration": 90}}, "url.full": "https://shop.example/cart",
	}, fields)
}

func visibilityWith(t testing.TB, fields map[string]any) string {
	t.Helper()
	return eventWith(t, map[string]any{"type": "visibility", "id": "5151515151515151", "start": 70, "visibility.state": "hidden", "url.full": "https://shop.example/cart"}, fields)
}

func eventWith(t testing.TB, event, fields map[string]any) string {
	t.Helper()
	maps.Copy(event, fields)
	maps.DeleteFunc(event, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDecodeEnvelope(t *testing.T) {
	const rest = `"sent":1,"time_origin":1,"events":[]}`
	for name, test := range map[string]struct {
		body string
		want Reason // empty: accepted
	}{
		"smallest":                 {`{"v":1,` + rest, ""},
		"white space around":       {" \n\t{\"v\" : 1 , " + rest + "\r\n", ""},
		"version as 1.0":           {`{"v":1.0,` + rest, ""},
		"escaped name":             {`{"\u0076":1,` + rest, ""},
		"null is left out":         {`{"v":1,"session.id":null,"dropped":null,` + rest, ""},
		"unknown field":            {`{"v":1,"later":{"a":[1]},` + rest, ""},
		"mobile ids":               {`{"v":1,"rum.instance.id":"1234567890","session.id":"12_3-4",` + rest, ""},
		"empty":                    {``, Malformed},
		"not JSON":                 {`v=1`, Malformed},
		"a list":                   {`[]`, Malformed},
		"null":                     {`null`, Malformed},
		"trailing junk":            {`{"v":1,` + rest + `x`, Malformed},
		"two beacons":              {`{"v":1,` + rest + `{"v":1,` + rest, Malformed},
		"byte order mark":          {"\ufeff" + `{"v":1,` + rest, Malformed},
		"invalid UTF-8":            {`{"v":1,"agent.name":"` + "\xff" + `",` + rest, Malformed},
		"NaN":                      {`{"v":NaN,` + rest, Malformed},
		"depth bomb":               {`{"v":1,"x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `,` + rest, Malformed},
		"version 2":                {`{"v":2,"events":"of another kind"}`, UnknownVersion},
		"version missing":          {`{` + rest, BadEnvelope},
		"version a string":         {`{"v":"1",` + rest, BadEnvelope},
		"sent missing":             {`{"v":1,"time_origin":1,"events":[]}`, BadEnvelope},
		"sent null":                {`{"v":1,"sent":null,"time_origin":1,"events":[]}`, BadEnvelope},
		"sent a string":            {`{"v":1,"sent":"1","time_origin":1,"events":[]}`, BadEnvelope},
		"sent huge":                {`{"v":1,"sent":1e400,"time_origin":1,"events":[]}`, BadEnvelope},
		"sent negative":            {`{"v":1,"sent":-1,"time_origin":1,"events":[]}`, BadEnvelope},
		"time origin missing":      {`{"v":1,"sent":1,"events":[]}`, BadEnvelope},
		"events missing":           {`{"v":1,"sent":1,"time_origin":1}`, BadEnvelope},
		"events an object":         {`{"v":1,"sent":1,"time_origin":1,"events":{}}`, BadEnvelope},
		"events twice":             {`{"v":1,"events":[],` + rest, BadEnvelope},
		"name twice, once escaped": {`{"v":1,"\u0076":1,` + rest, BadEnvelope},
		"application id short":     {`{"v":1,"rum.application.id":"745a78fe5b6e57f",` + rest, BadEnvelope},
		"application id upper":     {`{"v":1,"rum.application.id":"745A78FE5B6E57F6",` + rest, BadEnvelope},
		"application id zero":      {`{"v":1,"rum.application.id":"0000000000000000",` + rest, BadEnvelope},
		"instance id lower case":   {`{"v":1,"rum.instance.id":"1777270045450k7qjcfpi7nlpj913djbjk2mlmas2ug2f",` + rest, BadEnvelope},
		"session id without count": {`{"v":1,"session.id":"VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-",` + rest, BadEnvelope},
		"session id of a stranger": {`{"v":1,"session.id":"1-2_3",` + rest, BadEnvelope},
		"page id a number":         {`{"v":1,"page.instance_id":1,` + rest, BadEnvelope},
		"agent name long":          {`{"v":1,"agent.name":"` + strings.Repeat("a", 65) + `",` + rest, BadEnvelope},
		"uncertainty negative":     {`{"v":1,"clock.uncertainty":-1,` + rest, BadEnvelope},
		"dropped fraction":         {`{"v":1,"dropped":{"a":1.5},` + rest, BadEnvelope},
		"dropped negative":         {`{"v":1,"dropped":{"a":-1},` + rest, BadEnvelope},
		"attributes null":          {`{"v":1,"attributes":null,` + rest, ""},
		"attributes empty":         {`{"v":1,"attributes":{},` + rest, ""},
		"attributes a list":        {`{"v":1,"attributes":[],` + rest, BadEnvelope},
		"attributes a string":      {`{"v":1,"attributes":"user.id=1",` + rest, BadEnvelope},
		"attributes, name twice":   {`{"v":1,"attributes":{"a":1,"\u0061":2},` + rest, BadEnvelope},
		"attributes, twice within": {`{"v":1,"attributes":{"a":{"b":1,"b":2}},` + rest, BadEnvelope},
		"attributes, huge number":  {`{"v":1,"attributes":{"a":1e999},` + rest, BadEnvelope},
		"attributes, last":         {`{"v":1,"sent":1,"time_origin":1,"events":[],"attributes":1}`, BadEnvelope},
		"attributes, 8 levels":     {`{"v":1,"attributes":{"a":[[[[[[]]]]]]},` + rest, ""},
		"attributes, 9 levels":     {`{"v":1,"attributes":{"a":[[[[[[[]]]]]]]},` + rest, BadEnvelope},
		"too long":                 {`{"v":1,` + rest + strings.Repeat(" ", MaxBytes), TooLarge},
		"too many events":          {string(beaconOf(strings.Repeat("1,", MaxEvents) + "1")), TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Decode([]byte(test.body))
			var refused *Error
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("error %v is no *Error", err)
			}
			if got := refused; (got == nil) != (test.want == "") || got != nil && got.Reason != test.want {
				t.Fatalf("got %v, want reason %q", err, test.want)
			}
			if refused != nil && (refused.Hint == "" || !reflect.DeepEqual(b, Beacon{})) {
				t.Errorf("hint %q, beacon %+v; want a hint and no beacon", refused.Hint, b)
			}
		})
	}
}

func TestDecodeRequestReasons(t *testing.T) {
	day := 24 * 3600e3
	for name, test := range map[string]struct {
		fields map[string]any
		want   Reason // empty: accepted
	}{
		"as it is":                       {nil, ""},
		"type missing":                   {map[string]any{"type": nil}, BadEvent},
		"type a number":                  {map[string]any{"type": 1}, BadEvent},
		"type unknown":                   {map[string]any{"type": "later"}, UnknownType},
		"id missing":                     {map[string]any{"id": nil}, BadID},
		"id zero":                        {map[string]any{"id": "0000000000000000"}, BadID},
		"id upper case":                  {map[string]any{"id": "C3A1F0047BE2D915"}, BadID},
		"id a number":                    {map[string]any{"id": 12}, BadID},
		"start missing":                  {map[string]any{"start": nil}, BadTime},
		"start a string":                 {map[string]any{"start": "1"}, BadTime},
		"start huge":                     {map[string]any{"start": json.RawMessage("1e999")}, BadTime},
		"start negative":                 {map[string]any{"start": -5000}, ""},
		"start 6 days before":            {map[string]any{"start": -6 * day}, ""},
		"start 8 days before":            {map[string]any{"start": -8 * day}, BadTime},
		"start 2 hours ahead":            {map[string]any{"start": 7200e3}, BadTime},
		"end 2 hours ahead":              {map[string]any{"duration": 7200e3}, BadTime},
		"duration negative":              {map[string]any{"duration": -1}, BadTime},
		"url missing":                    {map[string]any{"url.full": nil}, BadURL},
		"url relative":                   {map[string]any{"url.full": "/api"}, BadURL},
		"url with fragment":              {map[string]any{"url.full": "https://a/b#c"}, BadURL},
		"url with user-info":             {map[string]any{"url.full": "https://u:p@a/"}, BadURL},
		"url with line break":            {map[string]any{"url.full": "https://a/\nb"}, BadURL},
		"url without host":               {map[string]any{"url.full": "https:///b"}, BadURL},
		"url too long":                   {map[string]any{"url.full": "https://a/" + strings.Repeat("b", 8183)}, BadURL},
		"url of full length":             {map[string]any{"url.full": "https://a/" + strings.Repeat("b", 8182)}, ""},
		"url with a lone percent":        {map[string]any{"url.full": "https://a/100%"}, ""},
		"url with at in path":            {map[string]any{"url.full": "https://a/@b?c=@d"}, ""},
		"url v6 with port":               {map[string]any{"url.full": "http://[::1]:8080/"}, ""},
		"url with bad port":              {map[string]any{"url.full": "http://a:8o/"}, BadURL},
		"url of another scheme":          {map[string]any{"url.full": "data:text/plain,x"}, ""},
		"context hint missing":           {map[string]any{"request.trace_context_hint": nil}, BadHint},
		"context hint unknown":           {map[string]any{"request.trace_context_hint": "SET"}, BadHint},
		"timing hint missing":            {map[string]any{"request.server_timing_hint": nil}, BadHint},
		"timing hint unknown":            {map[string]any{"request.server_timing_hint": ""}, BadHint},
		"trace id short":                 {map[string]any{"trace.id": "2fdc"}, BadTrace},
		"set without ids":                {map[string]any{"trace.id": nil, "span.id": nil}, BadTrace},
		"set without span id":            {map[string]any{"span.id": nil}, BadTrace},
		"span id alone":                  {map[string]any{"trace.id": nil, "request.trace_context_hint": "not_set"}, BadTrace},
		"answer's span id alone":         {map[string]any{"request.server_timing.span_id": "83de6ae3bd4ef1c2", "request.trace_context_hint": "not_set"}, BadTrace},
		"answer's span id, own trace":    {map[string]any{"request.server_timing.span_id": "83de6ae3bd4ef1c2", "request.server_timing_hint": "received"}, ""},
		"own context, cross origin":      {map[string]any{"request.trace_context_hint": "cross_origin"}, ""},
		"no context":                     {map[string]any{"request.trace_context_hint": "excluded", "trace.id": nil, "span.id": nil}, ""},
		"trace id alone from the server": {map[string]any{"request.trace_context_hint": "from_server", "request.server_timing_hint": "received", "span.id": nil}, ""},
		"kind missing":                   {map[string]any{"request.kind": nil}, BadField},
		"kind unknown":                   {map[string]any{"request.kind": "websocket"}, BadField},
		"method lower case":              {map[string]any{"http.request.method": "patch"}, ""},
		"method with a space":            {map[string]any{"http.request.method": "GET /"}, BadField},
		"method empty":                   {map[string]any{"http.request.method": ""}, BadField},
		"status out of range":            {map[string]any{"http.response.status_code": 1000}, BadField},
		"status with fraction":           {map[string]any{"http.response.status_code": 200.5}, BadField},
		"error and status":               {map[string]any{"http.response.status_code": 200, "error.reason": "network"}, BadField},
		"error unknown":                  {map[string]any{"error.reason": "bad luck"}, BadField},
		"sampled a number":               {map[string]any{"trace.is_sampled": 1}, BadField},
		"response id too large":          {map[string]any{"request.server_timing.response_id": 1 << 31}, BadField},
		"size negative":                  {map[string]any{"performance.transfer_size": -1}, BadField},
		"size beyond counting":           {map[string]any{"performance.transfer_size": 1e300}, BadField},
		"timing a list":                  {map[string]any{"performance.timing": []int{}}, BadField},
		"phase negative":                 {map[string]any{"performance.timing": map[string]any{"fetch_start": -1}}, BadTime},
		"phase null":                     {map[string]any{"performance.timing": map[string]any{"fetch_start": json.RawMessage("null")}}, ""},
		"view id wrong":                  {map[string]any{"view.instance_id": "x"}, BadField},
		"attribute number too large":     {map[string]any{"custom": json.RawMessage("1e999")}, BadField},
		"eight levels":                   {map[string]any{"custom": json.RawMessage("[[[[[1]]]]]")}, ""},
		"nine levels":                    {map[string]any{"custom": json.RawMessage("[[[[[[1]]]]]]")}, BadField},
		"name twice within an attribute": {map[string]any{"custom": json.RawMessage(`{"a":1,"a":2}`)}, BadField},
		"event too large":                {map[string]any{"custom": strings.Repeat("x", MaxEventBytes)}, TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			good := requestWith(t, map[string]any{"id": "aaaaaaaaaaaaaaaa"})
			b, err := Decode(beaconOf(good, requestWith(t, test.fields), good))
			if err != nil {
				t.Fatal(err)
			}
			want := map[Reason]int{test.want: 1}
			accepted := 2
			if test.want == "" {
				want, accepted = nil, 3
			}
			if !maps.Equal(b.Rejected, want) || b.Accepted() != accepted {
				t.Errorf("accepted %d, rejected %v; want %d, %v", b.Accepted(), b.Rejected, accepted, want)
			}
		})
	}
}

func TestDecodeOtherEvents(t *testing.T) {
	navigation := map[string]any{"type": "navigation", "id": "aaaaaaaaaaaaaaaa", "start": 0, "url.full": "https://shop.example/", "duration": 812.5,
		"navigation.type": "reload", "page.title": "Shop", "page.referrer": "", "performance.timing": map[string]any{"dom_complete": 700}}
	vital := map[string]any{"type": "web_vital", "id": "bbbbbbbbbbbbbbbb", "start": 900, "web_vital.name": "CLS", "web_vital.value": 0.02,
		"web_vital.rating": "good", "url.full": "https://shop.example/"}
	b, err := Decode(beaconOf(
		eventWith(t, maps.Clone(navigation), nil),
		eventWith(t, maps.Clone(vital), nil),
		eventWith(t, maps.Clone(navigation), map[string]any{"navigation.type": "teleport"}),
		eventWith(t, maps.Clone(navigation), map[string]any{"page.referrer": "javascript"}),
		eventWith(t, maps.Clone(vital), map[string]any{"web_vital.name": "FPS"}),
		eventWith(t, maps.Clone(vital), map[string]any{"web_vital.value": nil}),
		eventWith(t, maps.Clone(vital), map[string]any{"id": nil}),
		`"text"`,
	))
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[Reason]int{BadField: 3, BadURL: 1, BadID: 1, BadEvent: 1}); !maps.Equal(b.Rejected, want) {
		t.Errorf("rejected %v, want %v", b.Rejected, want)
	}
	if len(b.Navigations) != 1 || b.Navigations[0].Timing.DOMComplete != 700 || b.Navigations[0].Type != "reload" {
		t.Errorf("navigations %+v", b.Navigations)
	}
	if len(b.WebVitals) != 1 || b.WebVitals[0].Value != 0.02 || b.WebVitals[0].Name != "CLS" {
		t.Errorf("web vitals %+v", b.WebVitals)
	}
}

func TestDecodeErrorsAndActions(t *testing.T) {
	for name, test := range map[string]struct {
		event string
		want  Reason // empty: accepted
	}{
		"error":                         {errorWith(t, nil), ""},
		"error, of a source alone":      {errorWith(t, map[string]any{"exception.type": nil, "exception.message": nil, "exception.stacktrace": nil, "error.handled": nil, "error.request_id": nil, "url.full": nil, "action.id": nil}), ""},
		"error, longest message":        {errorWith(t, map[string]any{"exception.message": strings.Repeat("m", MaxStringBytes)}), ""},
		"error, message too long":       {errorWith(t, map[string]any{"exception.message": strings.Repeat("m", MaxStringBytes+1)}), BadField},
		"error, longest stack, escaped": {errorWith(t, map[string]any{"exception.stacktrace": strings.Repeat("\n", MaxStackBytes)}), ""},
		"error, stack too long":         {errorWith(t, map[string]any{"exception.stacktrace": strings.Repeat("s", MaxStackBytes+1)}), BadField},
		"error, type too long":          {errorWith(t, map[string]any{"exception.type": strings.Repeat("t", MaxStringBytes+1)}), BadField},
		"error, no source":              {errorWith(t, map[string]any{"error.source": nil}), BadField},
		"error, source unknown":         {errorWith(t, map[string]any{"error.source": "console"}), BadField},
		"error, handled a string":       {errorWith(t, map[string]any{"error.handled": "true"}), BadField},
		"error, request short":          {errorWith(t, map[string]any{"error.request_id": "c3a1"}), BadField},
		"error, request zero":           {errorWith(t, map[string]any{"error.request_id": "0000000000000000"}), BadField},
		"error, message a number":       {errorWith(t, map[string]any{"exception.message": 1}), BadField},
		"error, url relative":           {errorWith(t, map[string]any{"url.full": "/"}), BadURL},
		"error, without id":             {errorWith(t, map[string]any{"id": nil}), BadID},
		"error, without start":          {errorWith(t, map[string]any{"start": nil}), BadTime},
		"error, action id upper case":   {errorWith(t, map[string]any{"action.id": "ACACACACACACACAC"}), BadField},
		"action":                        {actionWith(t, nil), ""},
		"action, of a kind alone":       {actionWith(t, map[string]any{"duration": nil, "action.name": nil, "url.full": nil, "view.instance_id": nil}), ""},
		"action, longest name":          {actionWith(t, map[string]any{"action.name": strings.Repeat("n", MaxActionNameBytes)}), ""},
		"action, name too long":         {actionWith(t, map[string]any{"action.name": strings.Repeat("n", MaxActionNameBytes+1)}), BadField},
		"action, no kind":               {actionWith(t, map[string]any{"action.kind": nil}), BadField},
		"action, kind unknown":          {actionWith(t, map[string]any{"action.kind": "swipe"}), BadField},
		"action, duration negative":     {actionWith(t, map[string]any{"duration": -1}), BadTime},
		"action, end 2 hours ahead":     {actionWith(t, map[string]any{"duration": 7200e3}), BadTime},
		"action, url with user-info":    {actionWith(t, map[string]any{"url.full": "https://u:p@a/"}), BadURL},
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
			if !maps.Equal(b.Rejected, want) || b.Accepted()+len(b.Rejected) != 1 {
				t.Errorf("accepted %d, rejected %v; want rejected %v", b.Accepted(), b.Rejected, want)
			}
		})
	}

	b, err := Decode(beaconOf(errorWith(t, map[string]any{"extra": 1}), actionWith(t, nil)))
	if err != nil || len(b.Errors) != 1 || len(b.Actions) != 1 {
		t.Fatalf("%v, rejected %v", err, b.Rejected)
	}
	wantError := ErrorEvent{
		Event:  Event{ID: [8]byte(bytes.Repeat([]byte{0xee}, 8)), Start: 40, ActionID: "acacacacacacacac", Attributes: `{"extra":1}`},
		Source: "exception", Type: "TypeError", Message: "x is not a function", Stack: "TypeError: x is not a function\n    at f (app.js:1:2)",
		Handled: true, RequestID: [8]byte{0xc3, 0xa1, 0xf0, 0x04, 0x7b, 0xe2, 0xd9, 0x15}, URL: "https://shop.example/cart",
	}
	if b.Errors[0] != wantError {
		t.Errorf("error %+v, want %+v", b.Errors[0], wantError)
	}
	wantAction := Action{
		Event: Event{ID: [8]byte(bytes.Repeat([]byte{0xac}, 8)), Start: 30, ViewID: "0f6c2ab98d1e7733"},
		Kind:  "click", Name: "Buy now", Duration: 60, URL: "https://shop.example/cart",
	}
	if b.Actions[0] != wantAction {
		t.Errorf("action %+v, want %+v", b.Actions[0], wantAction)
	}
}

// An agent writes the events last; a beacon in another order says the same.
func TestDecodeInAnyOrderOfFields(t *testing.T) {
	const events = `"events":[{"type":"action","id":"c3a1f0047be2d915","start":1,"action.kind":"tap"},{"type":"later"}]`
	for _, body := range []string{
		`{"v":1,"sent":1,"time_origin":1,` + events + `}`, `{` + events + `,"v":1,"sent":1,"time_origin":1}`,
		`{"v":1,"sent":1,` + events + `,"time_origin":1}`,
	} {
		b, err := Decode([]byte(body))
		if err != nil || len(b.Actions) != 1 || b.Rejected[UnknownType] != 1 {
			t.Errorf("%s: %v, %d actions, rejected %v", body, err, len(b.Actions), b.Rejected)
		}
	}
	for body, want := range map[string]Reason{
		`{"v":1,"sent":1,"time_origin":1,` + events + `,"sent":2}`:                           BadEnvelope, // although they were read by then
		`{"v":1,"sent":1,"time_origin":1,` + events + `,"x":[[[[[[[1]]]]]]]}`:                "",
		`{"v":1,"sent":1,"time_origin":1,` + events + `,"x":[[[[[[[[1]]]]]]]]}`:              BadEnvelope,
		`{"v":1,"sent":1,"time_origin":1,` + events + `,"page.instance_id":"x"}`:             BadEnvelope,
		`{"v":1,"sent":1,"time_origin":1,` + events + `}]`:                                   Malformed,
		`{"v":1,"sent":1,"time_origin":1,` + strings.TrimSuffix(events, "]") + `,{"a":01}]}`: Malformed,
	} {
		_, err := Decode([]byte(body))
		var got Reason
		if refused := (*Error)(nil); errors.As(err, &refused) {
			got = refused.Reason
		}
		if got != want {
			t.Errorf("%s: %v, want reason %q", body, err, want)
		}
	}
}

func TestDecodeViews(t *testing.T) {
	for _, kind := range []string{"soft", "bfcache"} {
		b, err := Decode(beaconOf(`{"type":"navigation","id":"aaaaaaaaaaaaaaaa","start":5,"navigation.type":"` + kind + `"}`))
		if err != nil || len(b.Navigations) != 1 || b.Navigations[0].Type != kind {
			t.Errorf("%s: %v, %+v", kind, err, b)
		}
	}
}

func TestDecodeAttributeText(t *testing.T) {
	for sent, want := range map[string]string{
		`0`: `0`, `-0`: `0`, `-12`: `-12`, `9223372036854775807`: `9223372036854775807`, `9223372036854775808`: `9.223372036854776e+18`,
		`1.0`: `1.0`, `1e2`: `100.0`, `1E+2`: `100.0`, `-0.0`: `-0.0`, `0.1`: `0.1`, `1e-7`: `1e-07`, `123456789012.25`: `1.2345678901225e+11`,
		`""`: `""`, `"\u0041\/"`: `"A/"`, `"\n\t\u001F"`: `"\u000a\u0009\u001f"`, `"\"\\"`: `"\"\\"`, `"\ud83d\ude00"`: `"😀"`, `"\udc00"`: "\"\ufffd\"",
		`[ ]`: `[]`, `{ }`: `{}`, `[ 1 , [ ] , { } ]`: `[1,[],{}]`, `{"b" : 1, "a":null, "A":"["}`: `{"A":"[","b":1}`, `["[","]"]`: `["[","]"]`,
		`{"b":{"d":[null],"c":true}}`: `{"b":{"c":true,"d":[null]}}`, `{"\u0062":1,"a":2}`: `{"a":2,"b":1}`,
	} {
		b, err := Decode(beaconOf(`{"type":"action","id":"aaaaaaaaaaaaaaaa","start":1,"action.kind":"tap","x\n":` + sent + `}`))
		if err != nil || len(b.Actions) != 1 || b.Actions[0].Attributes != `{"x\u000a":`+want+`}` {
			t.Errorf("%s: %v, %+v; want %s", sent, err, b, want)
		}
	}
	// A phase that has the name of an attribute.
	b, err := Decode(beaconOf(requestWith(t, map[string]any{"performance.timing.x": 1, "performance.timing": map[string]any{"x": 2}})))
	if err != nil || len(b.Requests) != 1 || attributesOf(t, b.Requests[0].Event) != 1 || b.AttributesDropped != 1 {
		t.Errorf("%v, %+v; want one attribute, and one dropped", err, b)
	}
}

// Escapes must be read as encoding/json reads them.
func TestUnquote(t *testing.T) {
	for _, quoted := range []string{
		`""`, `"\""`, `"\\\/\b\f\n\r\t"`, `"a\u0041b"`, `"\uAbCd"`, `"\u0000"`, `"\ud83d\ude00!"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`,
		`"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, `"\\u0041"`, `"ü\u00fc"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(quoted), &want); err != nil {
			t.Fatal(err)
		}
		if got := unquote(quoted); got != want {
			t.Errorf("%s: %q, want %q", quoted, got, want)
		}
	}
}

// The scanner's own way to read numbers must round as strconv does.
func TestNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		text := strconv.FormatUint(random.Uint64()>>random.IntN(64), 10)
		if at := random.IntN(len(text) + 1); at > 0 && at < len(text) {
			text = text[:at] + "." + text[at:]
		}
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		want, err := strconv.ParseFloat(text, 64)
		if got, ok := numberOf(text); err != nil || !ok || math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s: %v, %v; want %v", text, got, ok, want)
		}
	}
}

func TestDecodeAllocations(t *testing.T) {
	body := bytes.ReplaceAll(twentyEvents(t), []byte(`\u0026`), []byte("&")) // agents do not escape it
	var d Decoder
	if n := testing.AllocsPerRun(20, func() {
		if _, err := d.Decode(body); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("%v allocations for 20 events in the memory of those before", n)
	}
	shared := bytes.Replace(body, []byte(`"v":1,`), []byte(`"v":1,"attributes":{"user_agent.synthetic.type":"test","user.id":"c-48213"},`), 1)
	if n := testing.AllocsPerRun(20, func() {
		if _, err := d.Decode(shared); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations for 20 events with attributes of the beacon, in the memory of those before", n)
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := Decode(body); err != nil {
			t.Fatal(err)
		}
	}); n > 12 {
		t.Errorf("%v allocations for 20 events", n)
	}
}

func TestDecodeAttributes(t *testing.T) {
	fields := map[string]any{
		"text": "ünï", "flag": true, "count": int64(1) << 60, "ratio": 0.5, "nothing": json.RawMessage("null"),
		"list": []any{1, nil, "a"}, "object": map[string]any{"a": map[string]any{"b": false}, "n": nil},
		"performance.timing":     map[string]any{"later_phase": 1.5},
		strings.Repeat("n", 129): 1, "large": strings.Repeat("x", 4095),
		"crowd": make([]any, MaxAttributeValues), // few bytes on the wire, many in memory
		"lone":  json.RawMessage(`"\ud800"`),     // half of a surrogate pair, as JSON.stringify writes it
	}
	b, err := Decode(beaconOf(requestWith(t, fields)))
	if err != nil || len(b.Requests) != 1 {
		t.Fatalf("%v, rejected %v", err, b.Rejected)
	}
	const want = `{"count":1152921504606846976,"flag":true,"list":[1,null,"a"],"lone":"�","object":{"a":{"b":false}},` +
		`"performance.timing.later_phase":1.5,"ratio":0.5,"text":"ünï"}`
	if got := b.Requests[0].Attributes; got != want {
		t.Errorf("attributes %s, want %s", got, want)
	}
	if b.AttributesDropped != 3 {
		t.Errorf("%d attributes dropped, want 3: a name of 129 bytes, a value of 4,097, one of 128 elements", b.AttributesDropped)
	}

	many := make(map[string]any)
	for i := range MaxAttributes + 3 {
		many[fmt.Sprintf("attribute %d", i)] = i
	}
	b, err = Decode(beaconOf(requestWith(t, many)))
	if err != nil || len(b.Requests) != 1 || attributesOf(t, b.Requests[0].Event) != MaxAttributes || b.AttributesDropped != 3 {
		t.Errorf("%v, rejected %v, %d dropped; want the event with 64 attributes and 3 dropped", err, b.Rejected, b.AttributesDropped)
	}
}

// attributesOf returns the number of an event's attributes.
func attributesOf(t *testing.T, e Event) int {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(e.Attributes), &all); err != nil {
		t.Fatalf("attributes %q: %v", e.Attributes, err)
	}
	return len(all)
}

func TestCarried(t *testing.T) {
	const answer = "83de6ae3bd4ef1c21b0d9a7fe7de1b55"
	for name, test := range map[string]struct {
		fields map[string]any
		want   bool
	}{
		"set, nothing read":                   {map[string]any{}, true},
		"set, received":                       {map[string]any{"request.server_timing_hint": "received"}, true},
		"missing values":                      {map[string]any{"request.trace_context_hint": "missing_values"}, true},
		"document, received":                  {map[string]any{"request.trace_context_hint": "from_server", "request.server_timing_hint": "received"}, false},
		"excluded, received":                  {map[string]any{"request.trace_context_hint": "excluded", "request.server_timing_hint": "received"}, false},
		"own context, nothing read":           {map[string]any{"request.trace_context_hint": "cross_origin"}, true},
		"own context, another trace answered": {map[string]any{"request.trace_context_hint": "cross_origin", "request.server_timing_hint": "received", "request.server_timing.trace_id": answer}, true},
		"no ids at all":                       {map[string]any{"request.trace_context_hint": "excluded", "trace.id": nil, "span.id": nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Decode(beaconOf(requestWith(t, test.fields)))
			if err != nil || len(b.Requests) != 1 {
				t.Fatalf("%v, rejected %v", err, b.Rejected)
			}
			if got := b.Requests[0].Carried(); got != test.want {
				t.Errorf("carried %v, want %v", got, test.want)
			}
		})
	}
}

// Comparing names with each other is quadratic, hence MaxMembers.
func TestDecodeOfManyNamesIsRefusedEarly(t *testing.T) {
	var event strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&event, `"%d":1,`, i)
	}
	b, err := Decode(beaconOf(`{` + event.String() + `"type":"request"}`))
	if err != nil || b.Rejected[BadField] != 1 {
		t.Errorf("%v, rejected %v; want one bad_field", err, b.Rejected)
	}
}

// twentyEvents is a beacon of a usual size: 20 requests of all kinds of fields.
func twentyEvents(t testing.TB) []byte {
	t.Helper()
	events := make([]string, 20)
	for i := range events {
		events[i] = requestWith(t, map[string]any{
			"id": fmt.Sprintf("%016x", i+1), "start": 100.25 * float64(i), "http.request.method": "GET",
			"url.full":                  fmt.Sprintf("https://shop.example/api/products/%d?currency=EUR&lang=en", i),
			"http.response.status_code": 200, "trace.is_sampled": true, "request.server_timing_hint": "received",
			"request.server_timing.span_id": nil, "request.server_timing.response_id": -609157671,
			"performance.initiator_type": "fetch", "performance.next_hop_protocol": "h2", "performance.delivery": "network",
			"performance.transfer_size": 5321, "performance.encoded_body_size": 5021, "performance.decoded_body_size": 20100,
			"performance.timing": map[string]any{
				"fetch_start": 0.1, "domain_lookup_start": 0.4, "domain_lookup_end": 3.2, "connect_start": 3.2, "secure_connection_start": 10.5,
				"connect_end": 24.8, "request_start": 25.1, "response_start": 80.9, "response_end": 96.1,
			},
		})
	}
	return beaconOf(events...)
}

func BenchmarkDecode(b *testing.B) {
	for name, body := range map[string][]byte{
		"20events":    twentyEvents(b),
		"worstNames":  beaconOf(slicesOf(500, namesEvent(MaxMembers))...),
		"worstEscape": beaconOf(slicesOf(15, `{"a":"`+strings.Repeat(`\u00e9`, 10_000)+`"}`)...),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			events := 0
			var d Decoder
			for b.Loop() {
				decoded, err := d.Decode(body)
				if err != nil {
					b.Fatal(err)
				}
				events += decoded.Accepted()
				for _, n := range decoded.Rejected {
					events += n
				}
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func namesEvent(names int) string {
	var event strings.Builder
	event.WriteString(`{"":0`)
	for i := range names - 1 {
		fmt.Fprintf(&event, `,"%c":0`, rune(0x100+i))
	}
	return event.String() + "}"
}

func slicesOf(n int, s string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

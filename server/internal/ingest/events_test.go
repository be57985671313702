package ingest

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/beacon"
)

// eventsBodies are beacons of all kinds in JSON.
func eventsBodies(t testing.TB) []string {
	t.Helper()
	all := []string{
		everyEvent, envelope(), envelope(fetchEvent, `{"type":"later"}`, `1`), withClock(envelope(fetchEvent), "-12.5"), withClock(envelope(fetchEvent), "0"),
		strings.Replace(everyEvent, `"v":1,`, `"v":1,"rum.instance.id":"1777270045000ABCDEFGHIJKLMNOPQRSTUVWXYZ012345","page.instance_id":"aaaaaaaaaaaaaaab","agent.name":"web","agent.version":"1.2.3",`, 1),
		envelope(strings.Replace(fetchEvent, `"later.field"`, `"trace.is_sampled":false,"request.server_timing.response_id":0,"action.id":"eeeeeeeeeeeeeeee","later.field"`, 1)),
		envelope(strings.Replace(fetchEvent, `"later.field"`, `"trace.is_sampled":true,"request.server_timing.response_id":-2147483648,"performance.transfer_size":9007199254740991,"later.field"`, 1)),
		envelope(strings.Replace(fetchEvent, `"kept"`, `[`+strings.TrimSuffix(strings.Repeat("1e5,", 100), ",")+`,"`+strings.Repeat(`\n`, 1000)+`","ünï"]`, 1)),
		envelope(strings.Replace(fetchEvent, `"http.response.status_code":200`, `"error.reason":"timeout","performance.delivery":"network","performance.initiator_type":"fetch"`, 1)),
	}
	if len(all) < 10 {
		t.Fatal("the tests of events have lost their beacons")
	}
	return all
}

// readAgain writes a beacon as a record has it, and reads it.
func readAgain(t testing.TB, b *beacon.Beacon) beacon.Beacon {
	t.Helper()
	var c eventsCodec
	var again beacon.Beacon
	if err := c.decode(&again, new(eventsCodec).encode(b)); err != nil {
		t.Fatalf("%v, of %+v", err, b)
	}
	return again
}

// sameEvents fails where two beacons differ in what a record keeps.
func sameEvents(t testing.TB, got, want beacon.Beacon) {
	t.Helper()
	want.Dropped, want.Rejected, want.AttributesDropped = nil, nil, 0
	for _, b := range []*beacon.Beacon{&got, &want} { // an empty list is as good as none
		b.Requests, b.Navigations, b.WebVitals = append([]beacon.Request{}, b.Requests...), append([]beacon.Navigation{}, b.Navigations...), append([]beacon.WebVital{}, b.WebVitals...)
		b.Errors, b.Actions = append([]beacon.ErrorEvent{}, b.Errors...), append([]beacon.Action{}, b.Actions...)
		b.PageEvents = append([]beacon.PageEvent{}, b.PageEvents...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v, want\n%+v", got, want)
	}
}

func TestEventsAreReadAsTheyWere(t *testing.T) {
	for _, body := range eventsBodies(t) {
		b, err := beacon.Decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		sameEvents(t, readAgain(t, &b), b)
	}
}

// A field that the beacon gets later must not be forgotten in the record.
func TestEventsHaveEveryField(t *testing.T) {
	fields := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		fields++
		switch v.Kind() {
		case reflect.Struct:
			for _, field := range v.Fields() {
				fill(field)
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.Array:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.String:
			v.SetString(strings.Repeat("x", fields%20+1))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Uint8:
			v.SetUint(uint64(fields%255 + 1))
		case reflect.Int, reflect.Int32, reflect.Int64:
			v.SetInt(-int64(fields))
		case reflect.Float64:
			v.SetFloat(float64(fields) + 0.1)
		case reflect.Map: // Dropped and Rejected, which are no part of a record
		default:
			t.Fatalf("a field of the type %v", v.Type())
		}
	}
	var b beacon.Beacon
	fill(reflect.ValueOf(&b).Elem())
	sameEvents(t, readAgain(t, &b), b)
	b.Requests[0].Start, b.Requests[1].Start = math.Copysign(0, -1), 0
	if again := readAgain(t, &b); !math.Signbit(again.Requests[0].Start) || math.Signbit(again.Requests[1].Start) {
		t.Errorf("zeros are read as %v and %v", again.Requests[0].Start, again.Requests[1].Start)
	}
}

// A record of an earlier version, in JSON, and one of today must give the same values.
func TestEventsAreStoredAsTheBeaconInJSON(t *testing.T) {
	for _, body := range eventsBodies(t) {
		h := recordHeader{received, visitor}
		var earlier, now store.Batch
		one, other := newDecoder(""), newDecoder("")
		if _, err := one.decode(&earlier, Record{Kind: RecordBeacon, Payload: append(appendRecord(nil, &h), body...)}); err != nil {
			t.Fatal(err)
		}
		if _, err := other.decode(&now, eventsRecord(t, body, &h)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(earlier, now) {
			t.Errorf("stored\n%+v, from JSON\n%+v", now, earlier)
		}
	}
}

// A record of the version before, which ends before the page events, between two of today.
func TestEventsOfTheVersionBefore(t *testing.T) {
	full, err := beacon.Decode([]byte(everyEvent))
	if err != nil {
		t.Fatal(err)
	}
	before := full
	before.PageEvents = nil
	body := new(eventsCodec).encode(&before)
	body[0] = eventsVersionFirst
	bare := full
	bare.PageEvents = []beacon.PageEvent{{Event: beacon.Event{ID: [8]byte{1}}}}
	var c eventsCodec
	var got beacon.Beacon
	for _, record := range []struct {
		body []byte
		want beacon.Beacon
	}{{new(eventsCodec).encode(&full), full}, {body[:len(body)-1], before}, {new(eventsCodec).encode(&bare), bare}} {
		if err := c.decode(&got, record.body); err != nil {
			t.Fatalf("version %d: %v", record.body[0], err)
		}
		sameEvents(t, got, record.want)
	}
}

func TestEventsThatAreNoneAreRefused(t *testing.T) {
	b, err := beacon.Decode([]byte(everyEvent))
	if err != nil {
		t.Fatal(err)
	}
	good := new(eventsCodec).encode(&b)
	changed := func(change func(b *beacon.Beacon)) []byte {
		other, err := beacon.Decode([]byte(everyEvent))
		if err != nil {
			t.Fatal(err)
		}
		change(&other)
		return new(eventsCodec).encode(&other)
	}
	unknownField := bytes.Clone(good)
	unknownField[8] |= 0x80 // the last bit of the envelope
	for name, body := range map[string][]byte{
		"a later version":         append([]byte{eventsVersion + 1}, good[1:]...),
		"a version before all":    append([]byte{eventsVersionFirst - 1}, good[1:]...),
		"an earlier version":      append([]byte{eventsVersionFirst}, good[1:]...), // which has no page events
		"bytes behind the end":    append(bytes.Clone(good), 0),
		"an unknown field":        unknownField,
		"an event without an id":  changed(func(b *beacon.Beacon) { b.Actions[0].ID = [8]byte{} }),
		"a URL that is too long":  changed(func(b *beacon.Beacon) { b.Errors[0].URL = strings.Repeat("u", beacon.MaxURLBytes+1) }),
		"a name that is too long": changed(func(b *beacon.Beacon) { b.AgentName = strings.Repeat("a", beacon.MaxAgentBytes+1) }),
		"no number":               changed(func(b *beacon.Beacon) { b.Sent = math.NaN() }),
		"an infinite number":      changed(func(b *beacon.Beacon) { *pointTo(&b.ClockOffset) = math.Inf(-1) }),
		"too many requests":       changed(func(b *beacon.Beacon) { b.Requests = manyRequests(b, beacon.MaxEvents+1) }),
		"too many events":         changed(func(b *beacon.Beacon) { b.Requests = manyRequests(b, beacon.MaxEvents) }),
	} {
		if err := new(eventsCodec).decode(new(beacon.Beacon), body); err == nil {
			t.Errorf("no error of %s", name)
		}
	}
	for n := range good {
		if err := new(eventsCodec).decode(new(beacon.Beacon), good[:n]); err == nil {
			t.Errorf("no error of the first %d bytes", n)
		}
	}
}

func pointTo(f **float64) *float64 {
	*f = new(float64)
	return *f
}

func manyRequests(b *beacon.Beacon, n int) []beacon.Request {
	many := make([]beacon.Request, n)
	for i := range many {
		many[i] = b.Requests[0]
	}
	return many
}

// The Loader's way from a record of 20 events to the store's values.
func TestEventsAllocations(t *testing.T) {
	record := eventsRecord(t, twentyRequests(), &recordHeader{received, visitor})
	d := newDecoder("")
	var batch store.Batch
	if n := testing.AllocsPerRun(100, func() {
		batch = emptied(&batch)
		if _, err := d.decode(&batch, record); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations for a record of 20 events", n)
	}
	decoded, err := beacon.Decode([]byte(twentyRequests()))
	if err != nil {
		t.Fatal(err)
	}
	var c eventsCodec
	if n := testing.AllocsPerRun(100, func() { c.encode(&decoded) }); n > 0 {
		t.Errorf("%v allocations to write a record", n)
	}
}

func FuzzEvents(f *testing.F) {
	for _, body := range eventsBodies(f) {
		b, err := beacon.Decode([]byte(body))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(new(eventsCodec).encode(&b))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c eventsCodec
		var b beacon.Beacon
		if c.decode(&b, body) != nil {
			return
		}
		if n := b.Accepted(); n > len(body)/itemBytes {
			t.Errorf("%d events in %d bytes", n, len(body))
		}
		sameEvents(t, readAgain(t, &b), b)
	})
}

func FuzzEventsOfBeacon(f *testing.F) {
	for _, body := range eventsBodies(f) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := beacon.Decode(body)
		if err == nil {
			sameEvents(t, readAgain(t, &b), b)
		}
	})
}

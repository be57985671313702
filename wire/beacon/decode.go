package beacon

import (
	"math"
	"strings"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Decode reads a beacon. An error is always an *Error, and nothing of the
// beacon is to be taken then. An event that is not good is left out and
// counted: Beacon.Accepted and the counts of Beacon.Rejected add up to the
// events sent. The beacon does not alias body; its texts are parts of a copy of it.
func Decode(body []byte) (Beacon, error) {
	b, err := new(Decoder).Decode(body)
	if err != nil {
		return Beacon{}, err
	}
	return *b, nil
}

// Decoder reads one beacon after the other in the same memory. Its zero value is ready for use, by one
// goroutine.
type Decoder struct{ d decoder }

// Decode reads a beacon as the function does, but for its lists and what its events point to, which
// are good until the next call.
func (d *Decoder) Decode(body []byte) (*Beacon, error) {
	if len(body) > MaxBytes {
		return nil, &Error{TooLarge, "the body is longer than 1 MiB", "Split the events into several beacons of at most 1 MiB."}
	}
	d.d.begin(string(body))
	if err := d.d.decode(); err != nil {
		return nil, err
	}
	return &d.d.beacon, nil
}

// begin makes ready for another beacon, and keeps nothing of the one before but its memory.
func (d *decoder) begin(text string) {
	b := &d.beacon
	*d = decoder{
		scanner: scanner{text: text, nest: d.nest},
		beacon: Beacon{
			Requests: emptied(b.Requests), Navigations: emptied(b.Navigations), WebVitals: emptied(b.WebVitals),
			Errors: emptied(b.Errors), Actions: emptied(b.Actions), PageEvents: emptied(b.PageEvents),
		},
		shared:  emptied(d.shared[:cap(d.shared)]),
		members: emptied(d.members[:cap(d.members)]), phases: emptied(d.phases[:cap(d.phases)]), attributes: emptied(d.attributes[:cap(d.attributes)]),
		written: d.written, sampled: d.sampled[:0], responseIDs: d.responseIDs[:0],
	}
	if d.members == nil {
		d.members, d.phases = make([]member, 0, 48), make([]member, 0, 16)
	}
}

// emptied returns a list for other values in the same memory, as far as it is not large.
func emptied[T any](list []T) []T {
	const large = 256
	if cap(list) > large {
		return nil
	}
	clear(list)
	return list[:0]
}

func (d *decoder) decode() error {
	members, fault, err := d.scan()
	if err != nil {
		return err
	}
	if fault {
		return envelopeError("the beacon has a field twice, or more than 256 fields", "Name every field once.")
	}
	if err := checkVersion(members); err != nil {
		return err
	}
	if err := d.envelope(members); err != nil {
		return err
	}
	if !d.begun { // the fields that they need stood behind them
		d.events(d.start)
	}
	if d.count > MaxEvents {
		return &Error{TooLarge, "the beacon has more than 1,000 events", "Split the events into several beacons of at most 1,000 events."}
	}
	return nil
}

// scan goes over the whole body once. It reads the events in passing where all that they need
// stands before them, as agents write it. fault is that of object.
func (d *decoder) scan() (members []member, fault bool, err error) {
	start := d.space(0)
	if c := d.at(start); c != '{' {
		if end, _ := d.value(start); end == malformed || d.space(end) < len(d.text) {
			return nil, false, errMalformed()
		}
		return nil, false, &Error{Malformed, "the body is not a JSON object", "Send one object with the fields that beacon.md names."}
	}
	o := d.object(start, make([]member, 0, 32))
	for o.next() {
		if o.name == "events" && d.at(o.start) == '[' && !d.begun {
			d.start = o.start
			if d.ready(o.members) {
				o.add(d.events(o.start), shape{})
				continue
			}
		}
		o.add(d.value(o.start))
	}
	if o.end == malformed || d.space(o.end) < len(d.text) {
		return nil, false, errMalformed()
	}
	return o.members, o.fault, nil
}

func errMalformed() *Error {
	return &Error{Malformed, "the body is not one JSON value in UTF-8", "Send JSON.stringify's text as it is, uncompressed, in UTF-8 and with nothing after it."}
}

func envelopeError(problem, hint string) *Error { return &Error{BadEnvelope, problem, hint} }

// ready reports whether the members have all that events need, and notes it.
func (d *decoder) ready(members []member) bool {
	version, sent, origin := false, false, false
	for _, m := range members {
		switch m.name {
		case "v":
			v, ok := numberOf(m.value)
			version = ok && v == Version
		case "sent":
			d.beacon.Sent, sent = epochOf(m.value)
		case "time_origin":
			d.beacon.TimeOrigin, origin = epochOf(m.value)
		case "attributes":
			if m.depth < MaxDepth { // else envelope refuses the beacon
				d.share(m.value)
			}
		}
	}
	return version && sent && origin
}

// checkVersion comes before all else: of another version nothing is known.
func checkVersion(members []member) error {
	for _, m := range members {
		if m.name != "v" {
			continue
		}
		v, ok := numberOf(m.value)
		if !ok {
			break
		}
		if v != Version {
			return &Error{UnknownVersion, "v is not a version that this server reads", "Send version 1, or update the server to one that reads the agent's version."}
		}
		return nil
	}
	return envelopeError("v is missing or no number", `Begin the beacon with "v": 1.`)
}

// decoder holds the beacon as it grows and what every event needs.
type decoder struct {
	scanner
	beacon Beacon
	start  int  // of the array of events
	begun  bool // the events were read
	count  int  // of events

	// The beacon's own attributes, in order of their names.
	shared      []member
	sharedText  string // as Event.Attributes
	sharedRead  bool
	sharedFault bool // they are not as they must be

	// Of the event at hand; their memory serves all of them.
	members, phases  []member // phases: of its performance.timing
	phasesFault      bool
	attributes       []member
	written          []byte // of its attributes
	hasStart         bool
	pageEventType    *pageEventType
	viewID, actionID string // the last ones, which the next event probably has too

	// Pieces of memory that the beacon keeps.
	texts       strings.Builder // the attributes of all events
	sampled     []bool
	responseIDs []int32
}

// envelope reads everything but the events.
func (d *decoder) envelope(members []member) error {
	var haveSent, haveOrigin, haveEvents bool
	b := &d.beacon
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		if m.depth >= MaxDepth && m.name != "events" { // the beacon itself is the first level
			return envelopeError("a field is nested too deep", "Nest at most 8 levels, the beacon itself counted.")
		}
		ok := true
		switch m.name {
		case "sent":
			b.Sent, haveSent = epochOf(m.value)
			ok = haveSent
		case "time_origin":
			b.TimeOrigin, haveOrigin = epochOf(m.value)
			ok = haveOrigin
		case "clock.offset":
			b.ClockOffset, ok = boundedOf(m.value, -maxEpochMs, maxEpochMs)
		case "clock.uncertainty":
			b.ClockUncertainty, ok = boundedOf(m.value, 0, maxEpochMs)
		case "rum.application.id":
			b.ApplicationID, ok = idOf(m.value)
		case "rum.instance.id":
			b.InstanceID, ok = stringOf(m.value)
			ok = ok && validInstanceID(b.InstanceID)
		case "session.id":
			b.SessionID, ok = stringOf(m.value)
			ok = ok && validSessionID(b.SessionID)
		case "page.instance_id":
			b.PageID, ok = idOf(m.value)
		case "view.instance_id":
			b.ViewID, ok = idOf(m.value)
		case "agent.name":
			b.AgentName, ok = shortOf(m.value, MaxAgentBytes)
		case "agent.version":
			b.AgentVersion, ok = shortOf(m.value, MaxAgentBytes)
		case "dropped":
			b.Dropped, ok = countsOf(m.value)
		case "attributes":
			ok = d.share(m.value)
		case "events":
			haveEvents = m.value[0] == '['
			ok = haveEvents
		}
		if !ok {
			// The name is one of those above, so it is safe to show.
			return envelopeError("the field "+m.name+" is not as beacon.md says", "Look up "+m.name+" in beacon.md; leave a field out where its value is not known.")
		}
	}
	if !haveSent || !haveOrigin || !haveEvents {
		return envelopeError("sent, time_origin or events is missing", "Send all three with every beacon.")
	}
	return nil
}

// events reads the array of events that begins at i, and returns its end.
func (d *decoder) events(i int) int {
	d.begun = true
	a := d.array(i)
	for a.next() {
		if d.count++; d.count > MaxEvents {
			a.end, _ = d.value(a.start)
			continue
		}
		var reason Reason
		a.end, reason = d.event(a.start)
		if reason == "" {
			continue
		}
		if d.beacon.Rejected == nil {
			d.beacon.Rejected = make(map[Reason]int)
		}
		d.beacon.Rejected[reason]++
	}
	return a.end
}

// forgetEvents undoes what events did.
func (d *decoder) forgetEvents() {
	b := &d.beacon
	b.Requests, b.Navigations, b.WebVitals = emptied(b.Requests), emptied(b.Navigations), emptied(b.WebVitals)
	b.Errors, b.Actions, b.PageEvents = emptied(b.Errors), emptied(b.Actions), emptied(b.PageEvents)
	b.Rejected, b.AttributesDropped = nil, 0
	d.begun, d.count = false, 0
}

// epochOf reads a time in epoch milliseconds, from 1970 to 2200.
func epochOf(value string) (ms float64, ok bool) {
	ms, ok = numberOf(value)
	return ms, ok && ms >= 0 && ms <= maxEpochMs
}

// boundedOf reads a number from low to high.
func boundedOf(value string, low, high float64) (*float64, bool) {
	f, ok := numberOf(value)
	return &f, ok && f >= low && f <= high
}

// shortOf reads a string of at most limit bytes.
func shortOf(value string, limit int) (s string, ok bool) {
	if len(value) > 6*limit+2 { // longer than limit bytes even where every one is escaped
		return "", false
	}
	s, ok = stringOf(value)
	return s, ok && len(s) <= limit
}

// usualOr reads a string as shortOf does, and spares the memory where it is one of the usual ones.
func usualOr(usual []string, value string, limit int) (s string, ok bool) {
	if s, ok = oneOf(value, usual); ok {
		return s, true
	}
	return shortOf(value, limit)
}

// idOf reads 16 lower-case hexadecimal digits, not all zero.
func idOf(value string) (s string, ok bool) {
	if _, ok = spanIDOf(value); !ok {
		return "", false
	}
	return value[1:17], true
}

// sameOr reads an id as idOf does, and spares the memory where it is the one that was read last.
func sameOr(last *string, value string) (s string, ok bool) {
	if len(value) == 18 && *last != "" && value[0] == '"' && value[1:17] == *last {
		return *last, true
	}
	if s, ok = idOf(value); ok {
		*last = s
	}
	return s, ok
}

func spanIDOf(value string) (id tracecontext.SpanID, ok bool) {
	if len(value) != 18 || value[0] != '"' {
		return id, false
	}
	id, err := tracecontext.ParseSpanID(value[1:17])
	return id, err == nil
}

func traceIDOf(value string) (id tracecontext.TraceID, ok bool) {
	if len(value) != 34 || value[0] != '"' {
		return id, false
	}
	id, err := tracecontext.ParseTraceID(value[1:33])
	return id, err == nil
}

// countsOf reads an object of counts.
func countsOf(value string) (counts map[string]int64, ok bool) {
	if !isObject(value) {
		return nil, false
	}
	members, ok := membersOf(nil, value)
	if !ok || len(members) > MaxAttributes {
		return nil, false
	}
	counts = make(map[string]int64, len(members))
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		n, ok := integerOf(m.value, 0, maxDroppedOfReason)
		if !ok || len(m.name) > MaxAttributeName {
			return nil, false
		}
		counts[m.name] = n
	}
	return counts, true
}

// validInstanceID reports whether s is an instance id as in the dtr entry
// (linking contract, section 2.2): 13 digits and 32 of A-Z0-9 on the web,
// decimal on mobile.
func validInstanceID(s string) bool {
	if len(s) == 45 {
		return allDigits(s[:13]) && all(s[13:], func(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' })
	}
	return len(s) <= maxDecimalID && allDigits(s)
}

// validSessionID reports whether s is a session id as in the dtr entry
// (linking contract, section 2.2): 32 of A-Z, a hyphen and a number on the
// web, digits_digits-digits on mobile.
func validSessionID(s string) bool {
	if len(s) > 33 && s[32] == '-' && all(s[:32], func(c byte) bool { return c >= 'A' && c <= 'Z' }) {
		return len(s) <= 33+maxDecimalID && allDigits(s[33:])
	}
	first, rest, _ := strings.Cut(s, "_")
	second, third, _ := strings.Cut(rest, "-")
	return len(s) <= 3*maxDecimalID && allDigits(first) && allDigits(second) && allDigits(third)
}

// maxDecimalID bounds the numbers in ids: as many digits as a uint64 has.
const maxDecimalID = 20

func allDigits(s string) bool {
	return s != "" && all(s, func(c byte) bool { return c >= '0' && c <= '9' })
}

func all(s string, holds func(byte) bool) bool {
	for i := range len(s) {
		if !holds(s[i]) {
			return false
		}
	}
	return true
}

// within reports whether ms lies from zero to MaxAge, as the length of
// anything that an event tells must.
func within(ms float64) bool { return ms >= 0 && ms <= float64(MaxAge.Milliseconds()) }

// maybeAt reports whether a time, in ms after the time origin, may be one of
// this beacon's: at most MaxAge before it was sent, and MaxAhead after.
func (d *decoder) maybeAt(start float64) bool {
	age := d.beacon.Sent - (d.beacon.TimeOrigin + start)
	return !math.IsNaN(age) && age <= float64(MaxAge.Milliseconds()) && age >= -float64(MaxAhead.Milliseconds())
}

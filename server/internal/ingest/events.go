package ingest

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// The body of a record of RecordEvents is a beacon that was read and checked, with the events
// that were good (docs/format-journal.md): a version byte, the envelope, then of each kind of
// events their number (a varint) and the events. The envelope and each event are an item: which
// fields are there (eight bytes, a bit a field, the first the lowest), and those fields. A field
// that is zero is left out; so new ones may follow the last without a new version. A list that an older reader
// does not look for needs one: version 1, which is still read, ends before the page events.
const (
	eventsVersion      = 2
	eventsVersionFirst = 1
)

// The limits of what is read. Those of texts are the beacon's.
const (
	itemBytes          = 8                        // of an item without fields
	maxIDBytes         = 128                      // of an id that is text
	maxAttributesBytes = 4 * beacon.MaxEventBytes // as written, an event's attributes are at most three times as long as they were sent
	maxEventNumber     = 1 << 53                  // more than any time or size in a beacon
)

var errEvents = errors.New("the record does not hold events as this server writes them; start the version that wrote it")

// eventsCodec goes over the fields of a beacon, and either writes or reads them: one list of
// fields for both, so that they cannot differ. It is for one goroutine.
type eventsCodec struct {
	reading bool
	failed  bool   // while reading
	written []byte // while writing
	text    string // while reading; the strings that are read are parts of it
	at      int    // what is read next
	version byte   // of what is read or written

	present, bit uint64 // of the item at hand: the fields that are there, and the next field's bit
	item         int    // where it begins in written

	clock    [2]float64     // what the envelope that is read points to
	pointers []eventPointer // what requests that are read point to
}

// eventPointer is what a request points to: one of both.
type eventPointer struct {
	responseID int32
	sampled    bool
}

// encode writes the envelope and the events of a beacon. What is counted as it comes in, such as what
// was left out of it, is not written. The body is good until the next call.
func (c *eventsCodec) encode(b *beacon.Beacon) []byte {
	c.reading, c.version, c.written = false, eventsVersion, append(c.written[:0], eventsVersion)
	c.beacon(b)
	return c.written
}

// decode reads what encode wrote into b, whose memory is used again. On an error b is of no use.
// The strings share one piece of memory; the clock is good until the next call.
func (c *eventsCodec) decode(b *beacon.Beacon, body []byte) error {
	if len(body) == 0 || body[0] < eventsVersionFirst || body[0] > eventsVersion {
		return errEvents
	}
	c.reading, c.failed, c.version, c.text, c.at = true, false, body[0], string(body), 1
	*b = beacon.Beacon{
		Requests: b.Requests, Navigations: b.Navigations, WebVitals: b.WebVitals, Errors: b.Errors, Actions: b.Actions, PageEvents: b.PageEvents,
	}
	c.beacon(b)
	if c.failed || c.at != len(c.text) || b.Accepted() > beacon.MaxEvents {
		return errEvents
	}
	return nil
}

func (c *eventsCodec) beacon(b *beacon.Beacon) {
	c.begin()
	c.number(&b.Sent)
	c.number(&b.TimeOrigin)
	c.numberOrNil(&b.ClockOffset, &c.clock[0])
	c.numberOrNil(&b.ClockUncertainty, &c.clock[1])
	c.string(&b.ApplicationID, maxIDBytes)
	c.string(&b.InstanceID, maxIDBytes)
	c.string(&b.SessionID, maxIDBytes)
	c.string(&b.PageID, maxIDBytes)
	c.string(&b.ViewID, maxIDBytes)
	c.string(&b.AgentName, beacon.MaxAgentBytes)
	c.string(&b.AgentVersion, beacon.MaxAgentBytes)
	c.end()
	items(c, &b.Requests, (*eventsCodec).request)
	items(c, &b.Navigations, (*eventsCodec).navigation)
	items(c, &b.WebVitals, (*eventsCodec).webVital)
	items(c, &b.Errors, (*eventsCodec).errorEvent)
	items(c, &b.Actions, (*eventsCodec).action)
	if c.version == eventsVersionFirst {
		clear(b.PageEvents)
		b.PageEvents = b.PageEvents[:0]
		return
	}
	items(c, &b.PageEvents, (*eventsCodec).pageEvent)
}

func (c *eventsCodec) event(e *beacon.Event) {
	c.bytes(e.ID[:])
	c.number(&e.Start)
	c.string(&e.ViewID, maxIDBytes)
	c.string(&e.ActionID, maxIDBytes)
	c.string(&e.Attributes, maxAttributesBytes)
	if c.reading && e.ID == [8]byte{} {
		c.failed = true
	}
}

func (c *eventsCodec) request(r *beacon.Request) {
	c.event(&r.Event)
	c.string(&r.Kind, beacon.MaxStringBytes)
	c.number(&r.Duration)
	c.string(&r.URL, beacon.MaxURLBytes)
	c.string(&r.Method, beacon.MaxMethodBytes)
	status := int64(r.StatusCode)
	c.integer(&status)
	r.StatusCode = int(status)
	c.string(&r.Error, beacon.MaxStringBytes)
	c.string(&r.TraceContextHint, beacon.MaxStringBytes)
	c.string(&r.ServerTimingHint, beacon.MaxStringBytes)
	c.bytes(r.TraceID[:])
	c.bytes(r.SpanID[:])
	c.bytes(r.ServerTimingTraceID[:])
	c.bytes(r.ServerTimingSpanID[:])
	c.answer(r)
	c.string(&r.InitiatorType, beacon.MaxStringBytes)
	c.string(&r.NextHopProtocol, beacon.MaxStringBytes)
	c.string(&r.Delivery, beacon.MaxStringBytes)
	c.integer(&r.TransferSize)
	c.integer(&r.EncodedBodySize)
	c.integer(&r.DecodedBodySize)
	t := &r.Timing
	c.number(&t.RedirectStart)
	c.number(&t.RedirectEnd)
	c.number(&t.WorkerStart)
	c.number(&t.FetchStart)
	c.number(&t.DomainLookupStart)
	c.number(&t.DomainLookupEnd)
	c.number(&t.ConnectStart)
	c.number(&t.ConnectEnd)
	c.number(&t.SecureConnectionStart)
	c.number(&t.RequestStart)
	c.number(&t.FirstInterimResponseStart)
	c.number(&t.ResponseStart)
	c.number(&t.ResponseEnd)
}

// answer has what of an answer may be missing, which is not the same as zero: a byte, and a varint as of integer.
func (c *eventsCodec) answer(r *beacon.Request) {
	if c.next(r.Sampled == nil) {
		if !c.reading {
			c.written = append(c.written, 0)
			if *r.Sampled {
				c.written[len(c.written)-1] = 1
			}
		} else {
			p := c.pointer()
			p.sampled = c.take(1) == "\x01"
			r.Sampled = &p.sampled
		}
	}
	if c.next(r.ResponseID == nil) {
		if !c.reading {
			c.written = binary.AppendVarint(c.written, int64(*r.ResponseID))
		} else {
			p := c.pointer()
			p.responseID = int32(c.signed()) //nolint:gosec // as it was written
			r.ResponseID = &p.responseID
		}
	}
}

// pointer returns memory that a request may point to. Many share one piece.
func (c *eventsCodec) pointer() *eventPointer {
	if len(c.pointers) == cap(c.pointers) {
		c.pointers = make([]eventPointer, 0, 64)
	}
	c.pointers = append(c.pointers, eventPointer{})
	return &c.pointers[len(c.pointers)-1]
}

func (c *eventsCodec) navigation(n *beacon.Navigation) {
	c.event(&n.Event)
	c.number(&n.Duration)
	c.string(&n.URL, beacon.MaxURLBytes)
	c.string(&n.Type, beacon.MaxStringBytes)
	c.string(&n.Title, beacon.MaxStringBytes)
	c.string(&n.Referrer, beacon.MaxURLBytes)
	t := &n.Timing
	c.number(&t.ActivationStart)
	c.number(&t.DOMInteractive)
	c.number(&t.DOMContentLoadedEventStart)
	c.number(&t.DOMContentLoadedEventEnd)
	c.number(&t.DOMComplete)
	c.number(&t.LoadEventStart)
	c.number(&t.LoadEventEnd)
}

func (c *eventsCodec) webVital(v *beacon.WebVital) {
	c.event(&v.Event)
	c.string(&v.Name, beacon.MaxStringBytes)
	c.number(&v.Value)
	c.string(&v.Rating, beacon.MaxStringBytes)
	c.string(&v.URL, beacon.MaxURLBytes)
}

func (c *eventsCodec) errorEvent(e *beacon.ErrorEvent) {
	c.event(&e.Event)
	c.string(&e.Source, beacon.MaxStringBytes)
	c.string(&e.Type, beacon.MaxStringBytes)
	c.string(&e.Message, beacon.MaxStringBytes)
	c.string(&e.Stack, beacon.MaxStackBytes)
	c.flag(&e.Handled)
	c.bytes(e.RequestID[:])
	c.string(&e.URL, beacon.MaxURLBytes)
}

func (c *eventsCodec) action(a *beacon.Action) {
	c.event(&a.Event)
	c.string(&a.Kind, beacon.MaxStringBytes)
	c.string(&a.Name, beacon.MaxActionNameBytes)
	c.number(&a.Duration)
	c.string(&a.URL, beacon.MaxURLBytes)
}

func (c *eventsCodec) pageEvent(e *beacon.PageEvent) {
	c.event(&e.Event)
	c.string(&e.Type, beacon.MaxStringBytes)
	c.string(&e.Name, beacon.MaxEventNameBytes)
	c.number(&e.Duration)
	c.string(&e.URL, beacon.MaxURLBytes)
}

// items goes over a list of events. What is read goes to the memory of the list.
func items[T any](c *eventsCodec, list *[]T, fields func(*eventsCodec, *T)) {
	if !c.reading {
		c.written = binary.AppendUvarint(c.written, uint64(len(*list)))
	} else {
		n := c.size(min(beacon.MaxEvents, (len(c.text)-c.at)/itemBytes))
		clear(*list)
		*list = slices.Grow((*list)[:0], n)[:n]
	}
	for i := range *list {
		c.begin()
		fields(c, &(*list)[i])
		c.end()
		if c.failed {
			return
		}
	}
}

// begin begins an item.
func (c *eventsCodec) begin() {
	c.present, c.bit = 0, 1
	if !c.reading {
		c.item = len(c.written)
		c.written = append(c.written, 0, 0, 0, 0, 0, 0, 0, 0)
		return
	}
	if bits := c.take(itemBytes); bits != "" {
		c.present = littleEndian(bits)
	}
}

// end ends an item. One with fields that are not known is of a later version.
func (c *eventsCodec) end() {
	switch {
	case !c.reading:
		binary.LittleEndian.PutUint64(c.written[c.item:], c.present)
	case c.present&^(c.bit-1) != 0:
		c.failed = true
	}
}

// next goes to the next field, and reports whether it is to be written or read. zero says whether
// it has nothing to write.
func (c *eventsCodec) next(zero bool) bool {
	bit := c.bit
	c.bit <<= 1
	if c.reading {
		return c.present&bit != 0
	}
	if !zero {
		c.present |= bit
	}
	return !zero
}

// take takes n bytes off the record; none where it has fewer.
func (c *eventsCodec) take(n int) string {
	if n > len(c.text)-c.at {
		c.failed = true
		c.at, c.present = len(c.text), 0 // what follows of the item is not there
		return ""
	}
	from := c.at
	c.at += n
	return c.text[from:c.at]
}

func littleEndian(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// varint reads a varint.
func (c *eventsCodec) varint() (v uint64) {
	for shift := 0; shift < 64 && c.at < len(c.text); shift += 7 {
		b := c.text[c.at]
		c.at++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.failed = true
	return 0
}

// size reads a length or a number of items, of at most limit.
func (c *eventsCodec) size(limit int) int {
	v := c.varint()
	if v > uint64(limit) { //nolint:gosec // limits are not negative
		c.failed = true
		return 0
	}
	return int(v) //nolint:gosec // within the limit
}

// string is a text: its length and its bytes.
func (c *eventsCodec) string(s *string, limit int) {
	if !c.next(*s == "") {
		return
	}
	if !c.reading {
		c.written = append(binary.AppendUvarint(c.written, uint64(len(*s))), *s...)
		return
	}
	*s = c.take(c.size(limit))
}

// number is a float64: its bits.
func (c *eventsCodec) number(f *float64) {
	bits := math.Float64bits(*f)
	if !c.next(bits == 0) {
		return
	}
	if !c.reading {
		c.written = binary.LittleEndian.AppendUint64(c.written, bits)
		return
	}
	*f = c.float()
}

func (c *eventsCodec) float() float64 {
	bits := c.take(8)
	if bits == "" {
		return 0
	}
	f := math.Float64frombits(littleEndian(bits))
	if math.IsNaN(f) || math.Abs(f) > maxEventNumber {
		c.failed = true
		return 0
	}
	return f
}

// numberOrNil is a number that may be missing. What is read goes to memory.
func (c *eventsCodec) numberOrNil(f **float64, memory *float64) {
	if !c.next(*f == nil) {
		return
	}
	if !c.reading {
		c.written = binary.LittleEndian.AppendUint64(c.written, math.Float64bits(**f))
		return
	}
	*memory = c.float()
	*f = memory
}

// integer is an int64: a varint, positive and negative in turn as in protobuf's sint64.
func (c *eventsCodec) integer(n *int64) {
	if !c.next(*n == 0) {
		return
	}
	if !c.reading {
		c.written = binary.AppendVarint(c.written, *n)
		return
	}
	*n = c.signed()
}

func (c *eventsCodec) signed() int64 {
	v := c.varint()
	return int64(v>>1) ^ -int64(v&1)
}

// flag is a bool: its bit alone.
func (c *eventsCodec) flag(b *bool) { *b = c.next(!*b) }

// bytes is an id: its bytes.
func (c *eventsCodec) bytes(id []byte) {
	zero := true
	for _, b := range id {
		zero = zero && b == 0
	}
	if !c.next(zero) {
		return
	}
	if !c.reading {
		c.written = append(c.written, id...)
		return
	}
	copy(id, c.take(len(id)))
}

package traffic

import (
	"math"
	"strconv"
	"time"
)

// EventsPerBeacon is how many events a beacon holds, its session's last one apart.
const EventsPerBeacon = 20

// Beacon is the body of one request to the intake.
type Beacon struct {
	Body   []byte
	Events int
	Client string // address of the browser that sends it
}

// Beacons returns the session in the form of wire/beacon, version 1, in portions of
// EventsPerBeacon. A portion begins anew with each page, since a beacon is one page's. Each is sent soon
// after its page's last request, by a clock that is not quite the server's.
func (v *Session) Beacons() []Beacon {
	return v.beacons(func(p *Page) time.Time {
		last := p.Requests[len(p.Requests)-1]
		return last.Start.Add(21 * time.Second) // more than any request takes
	}, -12.4)
}

// Queued returns the beacons of Beacons as an agent sends them that was offline until a given time, at most six
// days after the session. Its clock is the server's, so the server keeps the events' times as they are.
func (v *Session) Queued(sent time.Time) []Beacon {
	return v.beacons(func(*Page) time.Time { return sent }, 0)
}

// beacons makes beacons; offset is the clock's, in milliseconds.
func (v *Session) beacons(sent func(*Page) time.Time, offset float64) []Beacon {
	var all []Beacon
	for i := range v.Pages {
		p := &v.Pages[i]
		events := make([]func(b *writer), 0, len(p.Requests)+3)
		for j := range p.Requests {
			events = append(events, func(b *writer) { requestEvent(b, p, &p.Requests[j]) })
		}
		events = append(events,
			func(b *writer) { navigationEvent(b, p) },
			func(b *writer) { vitalEvent(b, p, false) },
			func(b *writer) { vitalEvent(b, p, true) })
		for len(events) > 0 {
			n := min(EventsPerBeacon, len(events))
			b := &writer{to: make([]byte, 0, 16<<10)}
			v.envelope(b, p, sent(p), offset)
			for k, event := range events[:n] {
				if k > 0 {
					b.raw(",")
				}
				event(b)
			}
			events = events[n:]
			all = append(all, Beacon{Body: b.raw("]}").to, Events: n, Client: v.ClientAddress})
		}
	}
	return all
}

// envelope begins a beacon.
func (v *Session) envelope(b *writer, p *Page, sent time.Time, offset float64) {
	b.raw(`{"v":1,"sent":`).ms(epochMs(sent)).
		raw(`,"agent.name":"throughline-browser","agent.version":"0.1.0","rum.application.id":"`+applicationID+`"`).
		text("rum.instance.id", v.InstanceID).text("session.id", v.SessionID).
		text("page.instance_id", p.ID.String()).text("view.instance_id", p.View.String()).
		raw(`,"time_origin":`).ms(epochMs(p.Start)).
		raw(`,"clock.offset":`).ms(offset).raw(`,"clock.uncertainty":3.1,"events":[`)
}

func requestEvent(b *writer, p *Page, r *Request) {
	total := ms(r.Duration)
	b.raw(`{"type":"request","id":"`).raw(r.ID.String()).raw(`","start":`).ms(ms(r.Start.Sub(p.Start))).
		raw(`,"duration":`).ms(total).
		text("request.kind", r.kind).text("http.request.method", r.Method).text("url.full", r.URL)
	if r.Status > 0 {
		b.raw(`,"http.response.status_code":`).number(r.Status)
	}
	if r.failure != "" {
		b.text("error.reason", r.failure)
	}
	b.text("request.trace_context_hint", r.contextHint).text("request.server_timing_hint", r.timingHint)
	if !r.TraceID.IsZero() {
		id := r.SpanID
		if r.fromServer {
			id = r.EntrySpan
		}
		b.text("trace.id", r.TraceID.String()).text("span.id", id.String())
		if r.timingHint == "received" {
			b.raw(`,"trace.is_sampled":true`)
			if !r.fromServer {
				b.text("request.server_timing.span_id", r.EntrySpan.String())
			}
			b.raw(`,"request.server_timing.response_id":`).number(int(r.responseID))
		}
	}
	b.text("performance.initiator_type", initiator(r)).text("performance.next_hop_protocol", "h2")
	if r.cached {
		b.raw(`,"performance.delivery":"cache","performance.transfer_size":0`)
	} else {
		b.raw(`,"performance.delivery":"network","performance.transfer_size":`).number(r.size + 300)
	}
	b.raw(`,"performance.encoded_body_size":`).number(r.size).raw(`,"performance.decoded_body_size":`).number(r.size * 3).
		raw(`,"performance.timing":{"fetch_start":0.2,"request_start":1.4,"response_start":`).ms(total * 0.9).
		raw(`,"response_end":`).ms(total).raw(`},"view.name":"/products/:id"}`)
}

func initiator(r *Request) string {
	switch r.kind {
	case "xhr":
		return "xmlhttprequest"
	case "document":
		return "navigation"
	case "resource":
		return "script"
	default:
		return r.kind
	}
}

func navigationEvent(b *writer, p *Page) {
	b.raw(`{"type":"navigation","id":"`).raw(p.load.String()).raw(`","start":0,"duration":1204.5,"url.full":"https://` + shopHost).raw(p.path).
		raw(`","navigation.type":"navigate","page.title":"Shop","performance.timing":{"fetch_start":0.2,"request_start":2.1,"response_start":91.5,` +
			`"response_end":120.1,"dom_interactive":400.5,"dom_content_loaded_event_start":410.5,"dom_content_loaded_event_end":421.5,` +
			`"dom_complete":1190.2,"load_event_start":1190.4,"load_event_end":1204.5}}`)
}

func vitalEvent(b *writer, p *Page, second bool) {
	name, id, value := "LCP", p.vitals[0], `1250.5`
	if second {
		name, id, value = "INP", p.vitals[1], `88`
	}
	b.raw(`{"type":"web_vital","id":"`).raw(id.String()).raw(`","start":1500.2`).text("web_vital.name", name).
		raw(`,"web_vital.value":` + value + `,"web_vital.rating":"good","url.full":"https://` + shopHost).raw(p.path).raw(`"}`)
}

// writer appends JSON. It escapes nothing: all text is made here, of plain letters.
type writer struct{ to []byte }

func (b *writer) raw(s string) *writer {
	b.to = append(b.to, s...)
	return b
}

func (b *writer) text(name, value string) *writer {
	return b.raw(`,"`).raw(name).raw(`":"`).raw(value).raw(`"`)
}

func (b *writer) number(n int) *writer {
	b.to = strconv.AppendInt(b.to, int64(n), 10)
	return b
}

// ms appends milliseconds to a tenth, as browsers give them.
func (b *writer) ms(v float64) *writer {
	b.to = strconv.AppendFloat(b.to, math.Round(v*10)/10, 'f', -1, 64)
	return b
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func epochMs(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

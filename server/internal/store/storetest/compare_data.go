package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// world draws random data: few ids, sessions, hosts and traces, so that they repeat
// and meet, with empty, foreign and extreme values among them.
type world struct {
	*rand.Rand
	memory *Memory // what was written, to ask for things that are there

	firstID  int // ids are drawn from here on
	position store.Position
	now      time.Time   // of the link pass
	writes   int         // so many were drawn
	days     []time.Time // about which events happen, far from each other
}

func newWorld(rnd *rand.Rand, memory *Memory) *world {
	day := epoch.Truncate(time.Hour)
	return &world{
		Rand: rnd, memory: memory, firstID: 1, now: epoch,
		days: []time.Time{day, day.Add(24 * time.Hour), day.Add(48 * time.Hour)},
	}
}

func pick[T any](w *world, of ...T) T { return of[w.IntN(len(of))] }

// often returns the value in all but one of n cases, else the zero value.
func often[T any](w *world, n int, v T) (none T) {
	if w.IntN(n) == 0 {
		return none
	}
	return v
}

var (
	applications = []string{"", "745a78fe5b6e57f6", "00000000000000ff", "Äpp'\";--"}
	sessions     = []string{"", "S1", "s1", "SESSION-0", "sitzung ß", "s\x002", "s10"}
	pages        = []string{"", "p1", "p2", "P2", "p3"}
	hostNames    = []string{"", "shop.example", "shop.example:8443", "cdn.example", "größe.example"}
	serviceNames = []string{"", "checkout", "cart", "Größe", "a", "proxy"}
	routes       = []string{"", "/cart/{id}", "/Search", "POST /x%_y", "ЩУКА"}
	texts        = []string{"", "a", "A", "äöü ÄÖÜ", "100%", "a_b", "東京", "…", "null", "NULL", "nul\x00nul", `"quoted" 'text' \`, "long" + strings.Repeat(" text", 12)}
	statuses     = []int{0, 200, 200, 200, 204, 304, 399, 400, 404, 500, 599, 65535}
	reasons      = []model.ErrorReason{"", "", "", "", model.ErrorAbortUnsent, model.ErrorOffline, model.ErrorBlocked, model.ErrorInvalidCall, model.ErrorUnknownReason, "timeout"}
)

func (w *world) id() (id model.EventID) {
	id = eventID(w.firstID + w.IntN(600))
	if id[7]%4 == 0 { // some have their first bit set
		id[0] = 0x80 | id[7]
	}
	return id
}

func (w *world) traceID() tracecontext.TraceID {
	n := pick(w, 1, 1+w.IntN(20), 1+w.IntN(500)) // one trace is much larger than the others
	id := traceID(n)
	if n%5 == 0 {
		id[0] = 0xf0
	}
	return id
}

func (w *world) spanID() tracecontext.SpanID {
	id := spanID(w.firstID + w.IntN(200))
	if id[7]%4 == 0 {
		id[0] = 0xff
	}
	return id
}

// time returns a moment of one of the days, often the same one; now and then one far off.
func (w *world) time() time.Time {
	if w.IntN(40) == 0 {
		return pick(w, time.Unix(0, 0), time.Unix(-1, 999), time.Unix(0, 1), time.Date(1700, 1, 1, 0, 0, 0, 5, time.UTC),
			time.Date(2200, 2, 2, 2, 2, 2, 2, time.UTC)).UTC()
	}
	at := pick(w, w.days...)
	switch w.IntN(3) {
	case 0:
		return at.Add(time.Duration(w.IntN(12)) * time.Second)
	case 1:
		return at.Add(time.Duration(w.IntN(5)))
	default:
		return at.Add(time.Duration(w.IntN(int(time.Hour))))
	}
}

// received is the server's clock, which all of a write have in common.
func (w *world) received() time.Time { return epoch.Add(time.Duration(w.writes) * time.Second) }

func (w *world) duration() time.Duration {
	switch w.IntN(6) {
	case 0:
		return pick(w, 0, 1, 999, time.Microsecond, time.Millisecond, 20*time.Millisecond, time.Hour, 1<<53)
	case 1:
		d := model.BucketDuration(int16(1 + w.IntN(model.MaxDurationBucket-1)))
		return d + time.Duration(w.IntN(3)) - 1
	default:
		return time.Duration(w.IntN(int(2 * time.Second)))
	}
}

func (w *world) frontend() model.Frontend {
	return model.Frontend{
		ApplicationID: pick(w, applications...), InstanceID: pick(w, texts...), SessionID: pick(w, sessions...), PageID: pick(w, pages...),
		ViewID: pick(w, pages...), ActionID: pick(w, pages...), AgentName: pick(w, texts...), AgentVersion: "1.0." + pick(w, "0", strconv.Itoa(w.IntN(30))),
		Client: model.Client{
			Browser: pick(w, "", "Chrome", "Firefox"), BrowserVersion: pick(w, "", "130"), OS: pick(w, "", "Windows", "macOS"),
			Device: pick(w, "", "desktop", "mobile"), Country: pick(w, "", "DE", "JP"), Address: pick(w, "", "192.0.2.0/24"),
		},
	}
}

func (w *world) clock() model.Clock {
	return model.Clock{Offset: -w.duration(), Uncertainty: w.duration(), Source: pick(w, "", model.ClockServerTiming, model.ClockBeacon)}
}

func (w *world) url() string { return "https://shop.example/" + pick(w, texts...) + pick(w, routes...) }

// host is mostly one of a few, else one of many that come up for the first time now
// and then, with requests before there are spans.
func (w *world) host() string {
	if w.IntN(4) > 0 {
		return pick(w, hostNames...)
	}
	return fmt.Sprintf("host-%d.example", w.IntN(2*w.writes+2))
}

func (w *world) attributes() model.Attributes {
	if w.IntN(2) == 0 {
		return ""
	}
	return attributes(pick(w, texts...))
}

func (w *world) request() model.RequestEvent {
	e := model.RequestEvent{
		ID: w.id(), Frontend: w.frontend(), Kind: pick(w, model.KindDocument, model.KindFetch, model.KindXHR, model.KindResource),
		Initiator: pick(w, "", "fetch", "img"), Start: w.time(), Duration: w.duration(), Clock: w.clock(), Received: w.received(),
		URL: w.url(), Host: w.host(), URLPattern: pick(w, routes...), Method: pick(w, "GET", "GET", "POST", ""),
		StatusCode: pick(w, statuses...), Error: pick(w, reasons...),
		TraceContextHint: pick(w, "", model.ContextSet, model.ContextFromServer), ServerTimingHint: pick(w, "", model.TimingReceived, model.TimingMismatch),
		Delivery: pick(w, "", model.Delivery("cache")), Protocol: pick(w, "", "h2", "h3"),
		TransferSize: w.Int64N(1 << 40), EncodedBodySize: w.Int64N(5), DecodedBodySize: w.Int64N(math.MaxInt64), Attributes: w.attributes(),
	}
	if w.IntN(4) > 0 {
		e.Sent = model.SpanContext{TraceID: w.traceID(), SpanID: w.spanID()}
	}
	if w.IntN(2) == 0 {
		e.Answer.TraceID = w.traceID()
		e.Answer.SpanID = often(w, 2, w.spanID())
	}
	if w.IntN(3) == 0 {
		sampled, response := w.IntN(2) == 0, pick[int32](w, 0, 1, 2, math.MinInt32)
		e.Answer.Sampled, e.Answer.ResponseID = &sampled, &response
	}
	if t := &e.Timing; w.IntN(3) > 0 {
		for _, phase := range []*time.Duration{
			&t.RedirectStart, &t.RedirectEnd, &t.WorkerStart, &t.FetchStart, &t.DomainLookupStart, &t.DomainLookupEnd, &t.ConnectStart,
			&t.ConnectEnd, &t.SecureConnectionStart, &t.RequestStart, &t.FirstInterimResponseStart, &t.ResponseStart, &t.ResponseEnd,
		} {
			*phase = often(w, 4, time.Duration(w.Int64N(int64(e.Duration)+1)))
		}
	}
	return e
}

func (w *world) navigation() model.NavigationEvent {
	return model.NavigationEvent{
		ID: w.id(), Frontend: w.frontend(), Start: w.time(), Duration: w.duration(), Clock: w.clock(), Received: w.received(), URL: w.url(),
		URLPattern: pick(w, routes...), Referrer: pick(w, texts...), Title: pick(w, texts...), Type: pick(w, "navigate", "soft"),
		ActivationStart: w.duration(), DOMInteractive: w.duration(), DOMContentLoadedEventStart: w.duration(),
		DOMContentLoadedEventEnd: w.duration(), DOMComplete: w.duration(), LoadEventStart: w.duration(), LoadEventEnd: w.duration(),
		Attributes: w.attributes(),
	}
}

func (w *world) webVital() model.WebVital {
	return model.WebVital{
		ID: w.id(), Frontend: w.frontend(), Time: w.time(), Clock: w.clock(), Received: w.received(), URL: w.url(),
		Name: pick(w, "LCP", "CLS"), Value: pick(w, 0, 0.1+0.2, 1e300, 1234.5), Rating: pick(w, "", "good", "poor"),
		Attributes: w.attributes(),
	}
}

func (w *world) error() model.ErrorEvent {
	return model.ErrorEvent{
		ID: w.id(), Frontend: w.frontend(), Time: w.time(), Clock: w.clock(), Received: w.received(), URL: w.url(),
		Source: pick(w, "exception", "csp", "resource"), Type: pick(w, "", "TypeError", "typeerror"), Message: pick(w, texts...),
		Stack: pick(w, texts...), Handled: w.IntN(2) == 0, RequestID: often(w, 2, w.id()), Fingerprint: w.fingerprint(), Attributes: w.attributes(),
	}
}

func (w *world) fingerprint() [8]byte {
	return pick(w, [8]byte{}, [8]byte{7: 1}, [8]byte{7: 2}, [8]byte{0: 0xff}, [8]byte{0: 0xff, 7: 1})
}

func (w *world) action() model.ActionEvent {
	return model.ActionEvent{
		ID: w.id(), Frontend: w.frontend(), Start: w.time(), Duration: w.duration(), Clock: w.clock(), Received: w.received(), URL: w.url(),
		Kind: pick(w, "click", "key"), Name: pick(w, texts...), Attributes: w.attributes(),
	}
}

func (w *world) pageEvent() model.PageEvent {
	return model.PageEvent{
		ID: w.id(), Frontend: w.frontend(), Start: w.time(), Duration: w.duration(), Clock: w.clock(), Received: w.received(), URL: w.url(),
		Type: pick(w, "custom", "long_frame", "visibility"), Name: pick(w, texts...), Attributes: w.attributes(),
	}
}

func (w *world) span() model.Span {
	s := model.Span{
		TraceID: w.traceID(), SpanID: w.spanID(), ParentSpanID: often(w, 4, w.spanID()), Name: pick(w, texts...),
		Kind: model.SpanKind(w.IntN(6)), Flags: w.Uint32(), Start: w.time(), Duration: w.duration(), Received: w.received(),
		TraceState: pick(w, texts...), Service: pick(w, serviceNames...), Scope: pick(w, texts...), StatusCode: int8(w.IntN(3)),
		StatusMessage: pick(w, texts...), Entry: w.IntN(2) == 0, Route: pick(w, routes...), HTTPStatus: pick(w, statuses...) % 1000,
		Via: pick(w, "", "1.1 nginx"), Attributes: w.attributes(), Resource: w.attributes(),
	}
	if w.IntN(2) == 0 {
		s.Kind, s.Entry, s.Host = model.SpanServer, true, w.host()
		s.DtrState = pick(w, model.DtrAbsent, model.DtrValid, model.DtrValid, model.DtrInvalid)
	}
	if s.DtrState == model.DtrValid {
		s.Dtr = model.Dtr{
			SpanID: w.spanID(), Sampled: w.IntN(2) == 0, ApplicationID: pick(w, applications...),
			InstanceID: pick(w, texts...), SessionID: pick(w, sessions...),
		}
	}
	if w.IntN(8) == 0 {
		s.Kind = model.SpanClient // whose dtr names nothing
	}
	for range w.IntN(2) {
		s.Events = append(s.Events, model.SpanEvent{Name: pick(w, texts...), Time: w.time(), Attributes: w.attributes()})
	}
	return s
}

func several[T any](w *world, draw func() T) []T {
	all := make([]T, pick(w, 0, 1, w.IntN(5), w.IntN(25), w.IntN(80)))
	for i := range all {
		all[i] = draw()
	}
	return all
}

// batch draws a batch. Its position is none, the next, or one that was committed.
func (w *world) batch() store.Batch {
	b := store.Batch{
		Requests: several(w, w.request), Navigations: several(w, w.navigation), WebVitals: several(w, w.webVital),
		Errors: several(w, w.error), Actions: several(w, w.action), PageEvents: several(w, w.pageEvent), Spans: slices.Concat(several(w, w.span), several(w, w.span)),
	}
	switch w.IntN(5) {
	case 0:
	case 1:
		b.Position = store.Position(w.Uint64N(uint64(w.position) + 1))
	default:
		w.position += store.Position(1 + w.IntN(100))
		b.Position = w.position
	}
	return b
}

// step draws what happens next.
func (w *world) step(t *testing.T, i, steps int) question {
	if third := steps/3 + 1; i > 0 && i%third == 0 {
		return w.expiry(w.days[i/third])
	}
	switch w.IntN(12) {
	case 0:
		return question{text: "restart", ask: func(_ context.Context, s *side) (any, error) {
			s.st = s.st.Reopen(t)
			return nil, nil
		}}
	case 1, 2, 3, 4:
		return w.round()
	case 5:
		return w.verdicts()
	case 6, 7:
		a := store.Annotation{
			ID: eventID(1 + w.IntN(4)), Time: w.time(), End: often(w, 2, w.time()), ApplicationID: pick(w, applications...),
			Title: pick(w, texts...), Text: pick(w, texts...), Tags: slices.Clone(texts[:w.IntN(4)]),
		}
		if w.IntN(3) == 0 {
			return question{text: fmt.Sprintf("DeleteAnnotation %v", a.ID), ask: func(ctx context.Context, s *side) (any, error) {
				return nil, s.st.DeleteAnnotation(ctx, a.ID)
			}}
		}
		return question{text: fmt.Sprintf("PutAnnotation %+v", a), ask: func(ctx context.Context, s *side) (any, error) {
			return nil, s.st.PutAnnotation(ctx, a)
		}}
	default:
		w.writes++
		b := w.batch()
		q := writing(b)
		for _, part := range parts(b) {
			q.parts = append(q.parts, writing(part))
		}
		return q
	}
}

func writing(b store.Batch) question {
	text := fmt.Sprintf("Write at position %d of %d values", b.Position, b.Len())
	if b.Len() == 1 {
		text += fmt.Sprintf(": %+v", b)
		if len(b.Requests) == 1 && b.Requests[0].Answer.ResponseID != nil {
			answer := b.Requests[0].Answer
			text += fmt.Sprintf(", response %d, sampled %v", *answer.ResponseID, *answer.Sampled)
		}
	}
	return question{text: text, ask: func(ctx context.Context, s *side) (any, error) {
		if err := s.st.Write(ctx, b); err != nil {
			return nil, err
		}
		_, end, err := s.st.Tail(ctx, 0, store.Filter{}, 0)
		s.bookmarks = append(s.bookmarks, end)
		return nil, err
	}}
}

// parts returns a batch as batches of one value each.
func parts(b store.Batch) []store.Batch {
	var all []store.Batch
	for i := range b.Requests {
		all = append(all, store.Batch{Requests: b.Requests[i : i+1]})
	}
	for i := range b.Navigations {
		all = append(all, store.Batch{Navigations: b.Navigations[i : i+1]})
	}
	for i := range b.WebVitals {
		all = append(all, store.Batch{WebVitals: b.WebVitals[i : i+1]})
	}
	for i := range b.Errors {
		all = append(all, store.Batch{Errors: b.Errors[i : i+1]})
	}
	for i := range b.Actions {
		all = append(all, store.Batch{Actions: b.Actions[i : i+1]})
	}
	for i := range b.PageEvents {
		all = append(all, store.Batch{PageEvents: b.PageEvents[i : i+1]})
	}
	for i := range b.Spans {
		all = append(all, store.Batch{Spans: b.Spans[i : i+1]})
	}
	return all
}

// expiry lets everything before a day go. Nothing lies in the hour before it, which
// engines may keep; ids are new from then on, since those that went may be known still.
func (w *world) expiry(day time.Time) question {
	w.firstID += 10_000
	r := store.Retention{Requests: day, Navigations: day, Errors: day, Spans: day}
	for _, kind := range []*time.Time{&r.Requests, &r.Navigations, &r.Errors, &r.Spans} {
		*kind = often(w, 4, day)
	}
	return question{text: fmt.Sprintf("Expire %+v", r), ask: func(ctx context.Context, s *side) (any, error) {
		return nil, s.st.Expire(ctx, r)
	}}
}

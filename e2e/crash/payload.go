package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// The shape of the load: what one visit of a page makes.
const (
	maxVisitRequests = 10
	maxInnerSpans    = 3 // below one entry span
	maxVisitExports  = 3 // payloads over which the spans of a visit are spread
)

const applicationID = "745a78fe5b6e57f6"

// event is a request event that a beacon carries.
type event struct {
	id    string // 16 hexadecimal digits
	span  tracecontext.SpanID
	entry tracecontext.SpanID // of the entry span that some export carries; zero: none does
}

// span is a span that an export carries.
type span struct {
	id, parent tracecontext.SpanID
	state      string // the trace state of an entry span; empty for those below
}

// payload is what one message carries, either request events or spans. All of it
// belongs to one trace. It is built anew for each sending, so that a repeat may
// take another way in.
type payload struct {
	trace    tracecontext.TraceID
	hint     string // of the events
	session  string
	instance string
	measured bool      // the page's clock was measured
	origin   time.Time // the page's time origin; spans start after it
	pad      int       // bytes that are added to each event and span
	events   []event
	spans    []span
}

func (p *payload) len() int { return len(p.events) + len(p.spans) }

// generator makes payloads, the same ones for the same source of randomness.
type generator struct {
	rng   *rand.Rand
	now   func() time.Time
	pad   int
	queue []*payload // of the last visit, not yet given out
}

func (g *generator) next() *payload {
	if len(g.queue) == 0 {
		g.visit()
	}
	p := g.queue[0]
	g.queue = g.queue[1:]
	return p
}

// visit makes the payloads of one page and of the backends behind it, in any order.
func (g *generator) visit() {
	base := payload{
		hint:     "set",
		session:  g.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 32) + "-0",
		instance: "1777270045450" + g.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 32),
		measured: g.rng.IntN(2) == 0,
		origin:   g.now().Add(-time.Duration(g.rng.Int64N(int64(10 * time.Minute)))),
		pad:      g.pad,
	}
	g.fill(base.trace[:])
	page := base
	n := 1 + g.rng.IntN(maxVisitRequests)
	if n > 1 {
		page.hint = "external" // only an application's own trace holds many requests
	}
	var spans []span
	for range n {
		var id [8]byte
		g.fill(id[:])
		e := event{id: hex.EncodeToString(id[:]), span: g.spanID()}
		if g.rng.IntN(10) < 7 {
			e.entry = g.spanID()
			spans = append(spans, span{id: e.entry, parent: e.span, state: dtrState(&page, e.span)})
			parent := e.entry
			for range g.rng.IntN(maxInnerSpans + 1) {
				child := g.spanID()
				spans = append(spans, span{id: child, parent: parent})
				parent = child
			}
		}
		page.events = append(page.events, e)
	}
	g.queue = append(g.queue, &page)
	g.rng.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	for exports := 1 + g.rng.IntN(maxVisitExports); len(spans) > 0; exports-- {
		part := base
		cut := len(spans)
		if exports > 1 {
			cut = 1 + g.rng.IntN(len(spans))
		}
		part.spans, spans = spans[:cut], spans[cut:]
		g.queue = append(g.queue, &part)
	}
	g.rng.Shuffle(len(g.queue), func(i, j int) { g.queue[i], g.queue[j] = g.queue[j], g.queue[i] })
}

func dtrState(p *payload, sent tracecontext.SpanID) string {
	state, err := tracecontext.PutDtr("", tracecontext.DefaultTenant, tracecontext.Dtr{
		SpanID: sent, Sampled: true, ApplicationID: applicationID, InstanceID: p.instance, SessionID: p.session,
	})
	if err != nil {
		panic("crash: a dtr entry of our own making: " + err.Error())
	}
	return state
}

func (g *generator) spanID() (id tracecontext.SpanID) {
	g.fill(id[:])
	return id
}

// fill draws an id. All zero would be illegal, and comes once in 2^64.
func (g *generator) fill(id []byte) {
	for len(id) > 0 {
		binary.LittleEndian.PutUint64(id, g.rng.Uint64())
		id = id[8:]
	}
}

func (g *generator) text(alphabet string, n int) string {
	return randomText(g.rng, alphabet, n)
}

func randomText(rng *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(b)
}

// padding returns n bytes that do not compress to nothing, the same for the same id.
func padding(id uint64, n int) string {
	return randomText(newRand(id, 0), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", n)
}

// beacon returns the payload as a beacon of version 1.
func (p *payload) beacon(now time.Time) ([]byte, error) {
	milliseconds := func(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }
	events := make([]map[string]any, len(p.events))
	for i, e := range p.events {
		events[i] = map[string]any{
			"type": "request", "id": e.id, "start": 10 * i, "duration": 50,
			"request.kind": "fetch", "http.request.method": "GET",
			"url.full":                   "https://shop.example/api/items/" + e.id,
			"http.response.status_code":  200,
			"request.trace_context_hint": p.hint, "request.server_timing_hint": "not_available",
			"trace.id": p.trace.String(), "span.id": e.span.String(),
		}
		if p.pad > 0 {
			events[i]["padding"] = padding(binary.LittleEndian.Uint64(e.span[:]), p.pad)
		}
	}
	body := map[string]any{
		"v": 1, "sent": milliseconds(now), "time_origin": milliseconds(p.origin),
		"agent.name": "throughline-crash", "rum.application.id": applicationID,
		"rum.instance.id": p.instance, "session.id": p.session, "events": events,
	}
	if p.measured {
		body["clock.offset"], body["clock.uncertainty"] = 0, 1
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("writing a beacon: %w", err)
	}
	return text, nil
}

// export returns the payload as an OTLP export.
func (p *payload) export() ptraceotlp.ExportRequest {
	td := ptrace.NewTraces()
	of := td.ResourceSpans().AppendEmpty()
	of.Resource().Attributes().PutStr("service.name", "shop")
	spans := of.ScopeSpans().AppendEmpty().Spans()
	for _, s := range p.spans {
		to := spans.AppendEmpty()
		to.SetTraceID(pcommon.TraceID(p.trace))
		to.SetSpanID(pcommon.SpanID(s.id))
		to.SetParentSpanID(pcommon.SpanID(s.parent))
		to.SetStartTimestamp(pcommon.NewTimestampFromTime(p.origin.Add(20 * time.Millisecond)))
		to.SetEndTimestamp(pcommon.NewTimestampFromTime(p.origin.Add(40 * time.Millisecond)))
		to.SetName("SELECT items")
		if s.state != "" {
			const remoteAndSampled = 0x301 // has-is-remote, is-remote (OTLP, SpanFlags); sampled
			to.SetFlags(remoteAndSampled)
			to.SetName("GET /api/items/{id}")
			to.SetKind(ptrace.SpanKindServer)
			to.TraceState().FromRaw(s.state)
			to.Attributes().PutStr("http.request.method", "GET")
			to.Attributes().PutStr("server.address", "shop.example")
		}
		if p.pad > 0 {
			to.Attributes().PutStr("padding", padding(binary.LittleEndian.Uint64(s.id[:]), p.pad))
		}
	}
	return ptraceotlp.NewExportRequestFromTraces(td)
}

// newRand returns the source of one stream of choices.
func newRand(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream)) //nolint:gosec // choices that can be repeated, no secrets
}

package duckdb

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// traffic makes requests and the spans that answer them, as a shop would.
type traffic struct {
	rnd *rand.Rand
	now time.Time
}

func newTraffic(seed uint64) *traffic {
	return &traffic{rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 4, 27, 6, 0, 0, 0, time.UTC)}
}

func attributes(m map[string]any) model.Attributes {
	a, err := model.NewAttributes(m)
	if err != nil {
		panic(err)
	}
	return a
}

func (g *traffic) id() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], g.rnd.Uint64()|1)
	return id
}

func (g *traffic) traceID() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], g.rnd.Uint64())
	binary.BigEndian.PutUint64(id[8:], g.rnd.Uint64()|1)
	return id
}

func (g *traffic) request() model.RequestEvent {
	g.now = g.now.Add(time.Duration(g.rnd.IntN(2_000_000)))
	return model.RequestEvent{
		ID: g.id(),
		Frontend: model.Frontend{
			ApplicationID: "745a78fe5b6e57f6", InstanceID: fmt.Sprintf("%013d7QJCFPI7NLPJ913DJBJK2MLMAS2UG2FA", g.rnd.IntN(1000)),
			SessionID: fmt.Sprintf("VAELUWHBCWKLNEOKJHEPMSKMITTK%04d-0", g.rnd.IntN(1000)), PageID: fmt.Sprintf("%016x", g.rnd.IntN(5000)),
			ViewID: "0f6c2ab98d1e7733", AgentName: "throughline-browser", AgentVersion: "0.1.0",
		},
		Kind: model.KindFetch, Initiator: "fetch", Start: g.now, Duration: time.Duration(g.rnd.IntN(300_000_000)),
		Clock:    model.Clock{Offset: -12_400_000, Uncertainty: 3_100_000, Source: model.ClockServerTiming},
		Received: g.now.Add(5 * time.Second),
		URL:      fmt.Sprintf("https://shop.example/api/v1/items/%d?page=%d", g.rnd.IntN(100_000), g.rnd.IntN(20)),
		Host:     "shop.example", Method: "GET", StatusCode: 200,
		TraceContextHint: model.ContextSet, ServerTimingHint: model.TimingReceived,
		Sent:     model.SpanContext{TraceID: g.traceID(), SpanID: g.id()},
		Delivery: model.DeliveredByNetwork, Protocol: "h2", TransferSize: int64(g.rnd.IntN(50_000)),
		Timing: model.ResourceTiming{
			FetchStart: 100_000, RequestStart: time.Duration(g.rnd.IntN(9_000_000)),
			ResponseStart: time.Duration(g.rnd.IntN(200_000_000)), ResponseEnd: time.Duration(g.rnd.IntN(300_000_000)),
		},
		Attributes: attributes(map[string]any{"view.name": "/items/:id", "cart.size": int64(g.rnd.IntN(9))}),
	}
}

func (g *traffic) span(r *model.RequestEvent, entry bool) model.Span {
	s := model.Span{
		TraceID: r.Sent.TraceID, SpanID: g.id(), ParentSpanID: r.Sent.SpanID, Name: "GET /api/v1/items/{id}",
		Kind: model.SpanInternal, Flags: 0x101, Start: r.Start.Add(time.Duration(g.rnd.IntN(50_000_000))),
		Duration: time.Duration(g.rnd.IntN(100_000_000)), Received: r.Received, Service: "catalogue", Scope: "otelhttp",
		Attributes: attributes(map[string]any{
			"http.request.method": "GET", "url.path": fmt.Sprintf("/api/v1/items/%d", g.rnd.IntN(100_000)),
			"http.response.status_code": int64(200), "server.address": "shop.example", "server.port": int64(443),
			"client.address": fmt.Sprintf("10.0.%d.%d", g.rnd.IntN(256), g.rnd.IntN(256)), "network.protocol.version": "1.1",
		}),
		Resource: attributes(map[string]any{
			"service.name": "catalogue", "service.version": "1.2.3", "telemetry.sdk.language": "go",
			"telemetry.sdk.version": "1.47.0", "k8s.pod.name": fmt.Sprintf("catalogue-7d9f-%d", g.rnd.IntN(20)),
		}),
	}
	if entry {
		s.Kind, s.Flags, s.Host = model.SpanServer, 0x301, "shop.example"
		s.TraceState = "2ead957c-980df25b@dtr=1;97039bf817c8584a;1;745a78fe5b6e57f6;" + r.InstanceID + ";" + r.SessionID
		s.DtrState = model.DtrValid
		s.Dtr = model.Dtr{
			SpanID: r.Sent.SpanID, Sampled: true,
			ApplicationID: r.ApplicationID, InstanceID: r.InstanceID, SessionID: r.SessionID,
		}
	}
	return s
}

// batch returns a batch of n values, a request for every three spans.
func (g *traffic) batch(n int) store.Batch {
	var b store.Batch
	var r model.RequestEvent
	for i := range n {
		switch i % 4 {
		case 0:
			r = g.request()
			b.Requests = append(b.Requests, r)
		case 1:
			b.Spans = append(b.Spans, g.span(&r, true))
		default:
			b.Spans = append(b.Spans, g.span(&r, false))
		}
	}
	return b
}

// preloaded returns a store of n values, one in four a request, all judged.
func preloaded(b *testing.B, n int) (*Store, *traffic) {
	b.Helper()
	s := openTest(b, filepath.Join(b.TempDir(), "bench.duckdb"))
	g := newTraffic(1)
	var next store.Watermark
	for range n / 4000 {
		batch := g.batch(4000)
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		var links []model.Link
		for i := range batch.Requests {
			r := &batch.Requests[i]
			links = append(links, model.Link{RequestID: r.ID, JudgedAt: r.Received, Verdict: model.Verdict{
				Status: model.Linked, Reason: model.Exact, Joined: r.Sent, Final: i%10 > 0,
			}})
		}
		next = join(s.writer.seq, 0)
		if err := s.PutLinks(b.Context(), links, next); err != nil {
			b.Fatal(err)
		}
	}
	return s, g
}

// BenchmarkWrite writes batches from 16 goroutines, and from one.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, 20, 200, 1000, 16_000} {
		b.Run(fmt.Sprintf("batch=%d/goroutines=1", size), func(b *testing.B) {
			s, g := preloaded(b, 0)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Write(b.Context(), g.batch(size)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
		b.Run(fmt.Sprintf("batch=%d/goroutines=16", size), func(b *testing.B) {
			s, _ := preloaded(b, 0)
			var seed atomic.Uint64
			b.ReportAllocs()
			b.SetParallelism(8) // times two cores
			b.RunParallel(func(pb *testing.PB) {
				g := newTraffic(seed.Add(1) + 10)
				for pb.Next() {
					if err := s.Write(b.Context(), g.batch(size)); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

const benchRows = 1_000_000

// BenchmarkStore measures what a server asks of a store of a million rows.
func BenchmarkStore(b *testing.B) {
	s, g := preloaded(b, benchRows)
	first, err := s.Requests(b.Context(), store.Filter{}, store.Page{Limit: store.MaxLimit})
	if err != nil {
		b.Fatal(err)
	}
	old := newTraffic(1).request().Sent.TraceID

	page := func(limit int, before *store.Place, terms ...store.Term) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Requests(b.Context(), store.Filter{Terms: terms}, store.Page{Limit: limit, Before: before}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("Requests/first page", page(100, nil))
	b.Run("Requests/next page", page(100, &store.Place{Start: first[99].Start, ID: first[99].ID}))
	b.Run("Requests/1000", page(1000, nil))
	b.Run("Requests/of a session", page(100, nil, store.Term{Field: store.FieldSession, Values: []string{first[0].SessionID}}))
	b.Run("Requests/by URL", page(100, nil, store.Term{Field: store.FieldURL, Op: store.Contains, Values: []string{"ITEMS/77"}}))
	b.Run("Requests/unlinked", page(100, nil, store.Term{Field: store.FieldStatus, Values: []string{string(model.Unlinked)}}))
	b.Run("Request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Request(b.Context(), first[0].ID); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, id := range map[string][16]byte{"new": first[0].Sent.TraceID, "old": old} {
		b.Run("Trace/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if found, err := s.Trace(b.Context(), id, 1000); err != nil || len(found) == 0 {
					b.Fatal(len(found), err)
				}
			}
		})
	}
	b.Run("Work and PutLinks/500 new of 2000 rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			mark, err := s.Watermark(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Write(b.Context(), g.batch(2000)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			w, err := s.Work(b.Context(), mark, g.now, 1000, 1000)
			if err != nil || len(w.Evidence) != 500 {
				b.Fatal(len(w.Evidence), err)
			}
			links := make([]model.Link, 0, len(w.Evidence))
			for i := range w.Evidence {
				links = append(links, model.Link{
					RequestID: w.Evidence[i].Request.ID, Row: w.Evidence[i].Row, JudgedAt: g.now,
					Verdict: model.Verdict{Status: model.Linked, Reason: model.Exact, Final: true},
				})
			}
			if err := s.PutLinks(b.Context(), links, w.Next); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Work/nothing to do", func(b *testing.B) {
		b.ReportAllocs()
		mark, err := s.Watermark(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.Work(b.Context(), mark, g.now, 1000, 1000); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package traffic

import (
	"bytes"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/throughline-rum/throughline/wire/beacon"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func shape() Shape {
	return Shape{
		Seed: 7, From: time.Date(2026, 4, 27, 6, 0, 0, 0, time.UTC), Over: 6 * 24 * time.Hour, Sessions: 40,
		Requests: 40, Pages: 2, MinSpans: 1, MaxSpans: 4,
	}
}

func exports(t *testing.T, s Shape, size int) (all []Export) {
	t.Helper()
	p := NewPacker(size)
	keep := func(e Export) error {
		all = append(all, e)
		return nil
	}
	for k := range s.Sessions {
		if err := p.Add(s.Session(k), keep); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(keep); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSameSettingsMakeTheSameBytes(t *testing.T) {
	for k := range 20 {
		a, b := shape().Session(k).Beacons(), shape().Session(k).Beacons()
		for i := range a {
			if !bytes.Equal(a[i].Body, b[i].Body) {
				t.Fatalf("session %d, beacon %d: %s\nand then\n%s", k, i, a[i].Body, b[i].Body)
			}
		}
	}
	a, b := exports(t, shape(), 200), exports(t, shape(), 200)
	for i := range a {
		if !bytes.Equal(a[i].Body, b[i].Body) {
			t.Fatalf("export %d differs", i)
		}
	}
	other := shape()
	other.Seed++
	if bytes.Equal(shape().Session(0).Beacons()[0].Body, other.Session(0).Beacons()[0].Body) {
		t.Error("another seed makes the same session")
	}
}

func TestEveryEventIsAccepted(t *testing.T) {
	s := shape()
	requests, events := 0, 0
	hints := map[string]int{}
	for k := range s.Sessions {
		for _, sent := range s.Session(k).Beacons() {
			body := sent.Body
			b, err := beacon.Decode(body)
			if err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if len(b.Rejected) > 0 || b.AttributesDropped > 0 {
				t.Fatalf("rejected %v in %s", b.Rejected, body)
			}
			requests += len(b.Requests)
			events += b.Accepted()
			for i := range b.Requests {
				hints[b.Requests[i].TraceContextHint]++
			}
		}
	}
	if want := s.Sessions * s.Requests; requests != want {
		t.Errorf("%d requests, want %d", requests, want)
	}
	if want := s.Sessions * (s.Requests + 3*s.Pages); events != want {
		t.Errorf("%d events, want %d", events, want)
	}
	for _, hint := range []string{"set", "included", "cross_origin", "not_set", "from_server"} {
		if hints[hint] == 0 {
			t.Errorf("no request has the hint %s: %v", hint, hints)
		}
	}
}

func TestQueuedEventsKeepTheirTimes(t *testing.T) {
	s := shape()
	sent := s.From.Add(s.Over + time.Hour)
	v := s.Session(0)
	starts := map[string]time.Time{}
	for _, queued := range v.Queued(sent) {
		b, err := beacon.Decode(queued.Body)
		if err != nil || b.Accepted() != queued.Events {
			t.Fatalf("%d events of %d, error %v", b.Accepted(), queued.Events, err)
		}
		if !beacon.EpochTime(b.Sent).Equal(sent) || b.ClockOffset == nil || *b.ClockOffset != 0 || b.ClockUncertainty == nil {
			t.Errorf("sent %v by a clock that is off by %v; want %v by the server's", beacon.EpochTime(b.Sent), b.ClockOffset, sent)
		}
		for i := range b.Requests {
			starts[string(b.Requests[i].ID[:])] = b.Time(b.Requests[i].Start)
		}
	}
	for _, p := range v.Pages {
		for i := range p.Requests {
			r := &p.Requests[i]
			if off := starts[string(r.ID[:])].Sub(r.Start).Abs(); off > time.Millisecond {
				t.Errorf("a request of %v is said to have begun %v away", r.Start, off)
			}
		}
	}
}

func TestBeaconsHoldTwentyEvents(t *testing.T) {
	s := shape()
	s.Requests, s.Pages = 34, 2
	for _, sent := range s.Session(3).Beacons() {
		if b, err := beacon.Decode(sent.Body); err != nil || b.Accepted() != EventsPerBeacon || sent.Events != EventsPerBeacon {
			t.Errorf("%d events, error %v", b.Accepted(), err)
		}
	}
}

func TestSpansAnswerTheRequests(t *testing.T) {
	s := shape()
	s.MinSpans, s.MaxSpans = 4, 8
	total, size := 0, 0
	parents := map[string]bool{}
	for _, e := range exports(t, s, 200) {
		var got collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(e.Body, &got); err != nil {
			t.Fatal(err)
		}
		count, last := 0, 0
		for _, ofResource := range got.GetResourceSpans() {
			for _, ofScope := range ofResource.GetScopeSpans() {
				count += len(ofScope.GetSpans())
				for _, span := range ofScope.GetSpans() {
					parents[string(span.GetParentSpanId())] = true
					if bytes.Equal(span.GetTraceId(), e.Last[:]) {
						last++
					}
					if state := span.GetTraceState(); state != "" {
						if _, found, err := tracecontext.FindDtr(state, ""); !found || err != nil {
							t.Fatalf("trace state %q: %v", state, err)
						}
					}
				}
			}
		}
		if count != e.Spans || last != e.LastSpans || count < 200 && total+count < 200 {
			t.Errorf("%d spans, said %d; last trace of %d, said %d", count, e.Spans, last, e.LastSpans)
		}
		total += count
		size += len(e.Body)
	}
	if perSpan := size/total + proto.Size(resource(storefront)); perSpan < 950 || perSpan > 1100 {
		t.Errorf("%d bytes a span and its resource, want about 1,015", perSpan)
	}
	answered := 0
	for k := range s.Sessions {
		for _, p := range s.Session(k).Pages {
			for i := range p.Requests {
				r := &p.Requests[i]
				if r.Spans > 0 && !r.fromServer && parents[string(r.SpanID[:])] {
					answered++
				}
			}
		}
	}
	if share := float64(answered) / float64(s.Sessions*s.Requests); share < 0.5 || share > 0.8 {
		t.Errorf("%.2f of the requests are answered by spans, want most", share)
	}
}

func TestSmallTracesComeToAboutOneSpanPerRequest(t *testing.T) {
	s := shape()
	total := 0
	for _, e := range exports(t, s, 200) {
		total += e.Spans
	}
	if per := float64(total) / float64(s.Sessions*s.Requests); per < 0.9 || per > 1.1 {
		t.Errorf("%.2f spans per request, want about 1", per)
	}
}

func TestLinkableSessionsHaveSpansForEveryRequest(t *testing.T) {
	s := shape()
	s.Linkable = true
	for _, p := range s.Session(1).Pages {
		for i := range p.Requests {
			if r := &p.Requests[i]; r.Spans == 0 || r.contextHint != "set" {
				t.Errorf("%+v", r)
			}
		}
	}
}

func TestRoutes(t *testing.T) {
	if len(routes) != 120 {
		t.Errorf("%d routes, want 120", len(routes))
	}
	seen := map[string]bool{}
	for _, r := range routes {
		if seen[r.route] {
			t.Errorf("%s comes twice", r.route)
		}
		seen[r.route] = true
	}
}

package traffic

import (
	"fmt"
	"strings"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Export is the body of one OTLP/HTTP request, in protobuf.
type Export struct {
	Body  []byte
	Spans int
	// Last is the trace whose spans were added last, and LastSpans how many it has: a server that
	// returns it whole has taken the export.
	Last      tracecontext.TraceID
	LastSpans int
}

// Packer gathers the spans of sessions into exports of a size. A trace is never
// split, so an export holds the size or a few more.
type Packer struct {
	size int
	held [3][]*tracepb.Span // by service
	last *Request
}

// NewPacker returns a Packer of exports of at least size spans.
func NewPacker(size int) *Packer { return &Packer{size: size} }

// Add adds the spans of a session and passes every export that became full to send.
func (p *Packer) Add(v *Session, send func(Export) error) error {
	for i := range v.Pages {
		requests := v.Pages[i].Requests
		for j := range requests {
			if requests[j].Spans == 0 {
				continue
			}
			v.spans(&requests[j], &p.held)
			p.last = &requests[j]
			if p.count() < p.size {
				continue
			}
			if err := p.Flush(send); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Packer) count() (n int) {
	for _, held := range p.held {
		n += len(held)
	}
	return n
}

// Flush passes what is held to send.
func (p *Packer) Flush(send func(Export) error) error {
	count := p.count()
	if count == 0 {
		return nil
	}
	request := &collectorpb.ExportTraceServiceRequest{}
	for service, spans := range p.held {
		if len(spans) > 0 {
			request.ResourceSpans = append(request.ResourceSpans, &tracepb.ResourceSpans{
				Resource: resource(service),
				ScopeSpans: []*tracepb.ScopeSpans{{
					Scope: &commonpb.InstrumentationScope{Name: "shop/" + services[service], Version: "0.70.0"}, Spans: spans,
				}},
			})
		}
	}
	body, err := proto.Marshal(request)
	if err != nil {
		return fmt.Errorf("encoding an export: %w", err)
	}
	export := Export{Body: body, Spans: count, Last: p.last.TraceID, LastSpans: p.last.Spans}
	p.held = [3][]*tracepb.Span{}
	return send(export)
}

// indexByte returns where c is in s, or the length of s.
func indexByte(s string, c byte) int {
	if i := strings.IndexByte(s, c); i >= 0 {
		return i
	}
	return len(s)
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// The encodings of OTLP/HTTP (OTLP 1.x, "OTLP/HTTP").
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// OTLP returns the handler of the OTLP/HTTP port: POST /v1/traces.
func (r *Receiver) OTLP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mediaType, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
		answer, refused := r.takeTracesHTTP(w, req, mediaType)
		if refused != nil {
			r.metrics.tracesRejected.WithLabelValues(refused.reason).Inc()
			if refused.status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", http.MethodPost)
			}
			refused.setHeaders(w.Header())
			writeStatus(w, refused, mediaType)
			return
		}
		writeAnswer(w, answer, mediaType)
	})
}

func (r *Receiver) takeTracesHTTP(w http.ResponseWriter, req *http.Request, mediaType string) (ptraceotlp.ExportResponse, *refusal) {
	none := ptraceotlp.ExportResponse{}
	if req.URL.Path != "/v1/traces" {
		return none, &refusal{http.StatusNotFound, "not_found", "only traces are taken here, at /v1/traces",
			"Switch the exporters of metrics and logs off (OTEL_METRICS_EXPORTER=none, OTEL_LOGS_EXPORTER=none), or send them elsewhere."}
	}
	if req.Method != http.MethodPost {
		return none, refuseMethod(http.MethodPost)
	}
	if err := r.Traces.Traces(req.Header.Get("Authorization")); err != nil {
		return none, refuseAt(err)
	}
	if mediaType != protobufType && mediaType != jsonType {
		return none, refuseMediaType("the content type is not one of OTLP/HTTP", "Send "+protobufType+" or "+jsonType+".")
	}
	if refused := r.traces.take(req.Context()); refused != nil {
		return none, refused
	}
	defer r.traces.free()
	boundBody(w, time.Now()) // a deadline of the operating system's clock, whatever Config.Now says
	reader := r.borrow()
	defer r.giveBack(reader)
	body, refused := reader.traces(w, req)
	if refused != nil {
		return none, refused
	}
	if mediaType == jsonType {
		var err error
		if body, err = protoOfJSON(body); err != nil {
			return none, refuseTraces(err)
		}
	}
	return r.takeTraces(req.Context(), body)
}

// takeTraces checks an export in protobuf and puts it into the journal. It returns the
// answer for the sender.
func (r *Receiver) takeTraces(ctx context.Context, body []byte) (ptraceotlp.ExportResponse, *refusal) {
	answer := ptraceotlp.NewExportResponse()
	received := r.Now().UTC()
	c := traceCheck{window: windowAt(received)}
	if err := c.export(body); err != nil {
		return answer, refuseTraces(err)
	}
	if c.accepted() > 0 {
		if refused := r.keep(ctx, RecordTraces, &recordHeader{received: received}, body); refused != nil {
			return answer, refused
		}
	}
	r.metrics.traces.Inc()
	r.metrics.spans.Add(float64(c.accepted()))
	if c.spans == c.accepted() {
		return answer, nil
	}
	for reason := spanGood + 1; reason < spanReasons; reason++ {
		r.metrics.spansRejected.WithLabelValues(reason.String()).Add(float64(c.rejected[reason]))
	}
	partial := answer.PartialSuccess()
	partial.SetRejectedSpans(int64(c.spans - c.accepted()))
	partial.SetErrorMessage(c.summary())
	return answer, nil
}

// summary puts the spans left out into words for the sender's log.
func (c *traceCheck) summary() string {
	var parts []string
	for reason := spanGood + 1; reason < spanReasons; reason++ {
		if n := c.rejected[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return "spans left out by reason: " + strings.Join(parts, ", ") +
		". Ids have 16 and 8 bytes (in JSON: hexadecimal, not base64) and are not all zero, a span is not its own parent, it has both times within 30 days before and 1 day after now, and its name at most 4096 bytes."
}

// refuseTraces turns an error of traceCheck or protoOfJSON into a refusal.
func refuseTraces(err error) *refusal {
	switch {
	case errors.Is(err, errTooManySpans), errors.Is(err, errTooManyMessages):
		return refuseTooLarge(err.Error(), "Send smaller batches.")
	case errors.Is(err, errTooDeep):
		return refuseMalformed(err.Error(), fmt.Sprintf("Nest the values of attributes at most %d deep.", maxValueDepth))
	default:
		return refuseMalformed(err.Error(), "Send an OTLP 1.x ExportTraceServiceRequest, and the Content-Type of its encoding: "+protobufType+" or "+jsonType+".")
	}
}

// writeAnswer writes an ExportTraceServiceResponse in the encoding of the request.
func writeAnswer(w http.ResponseWriter, answer ptraceotlp.ExportResponse, mediaType string) {
	marshal := answer.MarshalProto
	if mediaType == jsonType {
		marshal = answer.MarshalJSON
	}
	body, err := marshal()
	if err != nil {
		panic("ingest: an answer that cannot be written: " + err.Error()) // two fields of ours
	}
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(body) // a sender that is gone needs no answer
}

// writeStatus writes a refusal as the google.rpc.Status that OTLP asks for, in
// the encoding of the request; in JSON, also with the fields error and hint that
// every refusal of this server has. JSON too where the encoding is unknown.
func writeStatus(w http.ResponseWriter, refused *refusal, mediaType string) {
	message := refused.problem + ". " + refused.hint
	if mediaType != protobufType {
		writeJSON(w, refused.status, struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Error   string `json:"error"`
			Hint    string `json:"hint"`
		}{int(refused.code()), message, refused.problem, refused.hint})
		return
	}
	body, err := proto.Marshal(status.New(refused.code(), message).Proto())
	if err != nil {
		panic("ingest: a status that cannot be written: " + err.Error()) // two fields of ours
	}
	w.Header().Set("Content-Type", protobufType)
	w.WriteHeader(refused.status)
	_, _ = w.Write(body) //nolint:gosec // protobuf, declared as such and never sniffed
}

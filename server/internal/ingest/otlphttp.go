package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
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

// errTooLong reports a body that is longer than MaxTraceBytes once it is unpacked.
var errTooLong = errors.New("longer than the limit once it is unpacked")

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
	body, refused := readTraces(w, req)
	if refused != nil {
		return none, refused
	}
	decode := decodeProto
	if mediaType == jsonType {
		decode = decodeJSON
	}
	export, refused := decode(body)
	if refused != nil {
		return none, refused
	}
	return r.takeTraces(req.Context(), export)
}

// readTraces reads a body and unpacks it, as far as both stay within MaxTraceBytes.
func readTraces(w http.ResponseWriter, req *http.Request) ([]byte, *refusal) {
	var from io.Reader = http.MaxBytesReader(w, req.Body, MaxTraceBytes)
	switch encoding := strings.ToLower(req.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(from)
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, refuseMalformed("the body is not the gzip that its Content-Encoding promises", "Compress the body by gzip, or leave the header out.")
		}
		if err != nil {
			return nil, refuseBody(err, MaxTraceBytes)
		}
		from = unpacked
	default:
		return nil, refuseMediaType("the body is compressed by something else than gzip", "Set the exporter's compression to gzip or none.")
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(from, MaxTraceBytes+1))
	if n > MaxTraceBytes {
		err = errTooLong
	}
	if err != nil {
		return nil, refuseBody(err, MaxTraceBytes)
	}
	return body.Bytes(), nil
}

func decodeProto(body []byte) (ptraceotlp.ExportRequest, *refusal) {
	export := ptraceotlp.NewExportRequest()
	if err := scanProto(body); err != nil {
		return export, refuseScan(err)
	}
	if err := export.UnmarshalProto(body); err != nil {
		return export, refuseScan(errMalformedProto)
	}
	return export, nil
}

func decodeJSON(body []byte) (ptraceotlp.ExportRequest, *refusal) {
	export := ptraceotlp.NewExportRequest()
	if err := scanJSON(body); err != nil {
		return export, refuseScan(err)
	}
	if err := export.UnmarshalJSON(body); err != nil {
		return export, refuseScan(errMalformedJSON)
	}
	return export, nil
}

// refuseScan turns an error of scanProto or scanJSON into a refusal.
func refuseScan(err error) *refusal {
	switch {
	case errors.Is(err, errTooManyMessages):
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

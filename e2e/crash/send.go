package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // what OTLP exporters compress with; the import registers it
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The limits of one exchange.
const (
	sendTimeout = 45 * time.Second // beyond every deadline that the server documents
	maxAnswer   = 16 << 20         // bytes
)

// way is a way into the server.
type way int

// The ways; all but the first are for spans.
const (
	beaconWay way = iota
	otlpProto
	otlpProtoGzip
	otlpJSON
	otlpJSONGzip
	otlpGRPC
	otlpGRPCGzip
	ways
)

// family returns the way's name in figures: what differs in encoding only is one.
func (w way) family() string {
	switch w {
	case beaconWay:
		return "beacon"
	case otlpGRPC, otlpGRPCGzip:
		return "otlp/grpc"
	default:
		return "otlp/http"
	}
}

// families are all values of way.family.
var families = [...]string{"beacon", "otlp/http", "otlp/grpc"}

// result says what became of a message.
type result int

const (
	acknowledged result = iota + 1
	refused             // with a reason and a time to wait: to be sent again
	unanswered          // it may or may not have been taken
)

// outcome is what became of a message, and what was wrong with the answer.
type outcome struct {
	result result
	reason string // of a refusal, by the server; of no answer, in a word
	fault  string // how the answer breaks the contract; empty where it does not
}

// client sends to one server.
type client struct {
	addresses
	http  *http.Client
	conn  *grpc.ClientConn
	otlp  ptraceotlp.GRPCClient
	alive func() bool // whether the server is meant to run
}

func newClient(a addresses, alive func() bool) (*client, error) {
	conn, err := grpc.NewClient("passthrough:///"+a.otlpGRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("OTLP/gRPC: %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: sendTimeout}
	return &client{
		addresses: a, alive: alive, conn: conn, otlp: ptraceotlp.NewGRPCClient(conn),
		http: &http.Client{Transport: transport, Timeout: sendTimeout},
	}, nil
}

func (c *client) close() error {
	c.http.CloseIdleConnections()
	return c.conn.Close()
}

// send sends a payload once.
func (c *client) send(ctx context.Context, p *payload, by way) outcome {
	if len(p.events) > 0 {
		body, err := p.beacon(time.Now())
		if err != nil {
			return outcome{unanswered, "not sent", err.Error()}
		}
		return c.post(ctx, c.ui+"/beacon", "text/plain", "", body, checkBeaconAnswer(len(p.events)))
	}
	switch by {
	case otlpGRPC:
		return c.call(ctx, p.export())
	case otlpGRPCGzip:
		return c.call(ctx, p.export(), grpc.UseCompressor("gzip"))
	case otlpJSON, otlpJSONGzip:
		body, err := p.export().MarshalJSON()
		if err != nil {
			return outcome{unanswered, "not sent", err.Error()}
		}
		return c.export(ctx, "application/json", by == otlpJSONGzip, body)
	default:
		body, err := p.export().MarshalProto()
		if err != nil {
			return outcome{unanswered, "not sent", err.Error()}
		}
		return c.export(ctx, "application/x-protobuf", by == otlpProtoGzip, body)
	}
}

// export posts an export in an encoding of OTLP/HTTP.
func (c *client) export(ctx context.Context, mediaType string, packed bool, body []byte) outcome {
	encoding := ""
	if packed {
		encoding = "gzip"
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(body); err != nil {
			return outcome{unanswered, "not sent", err.Error()}
		}
		if err := z.Close(); err != nil {
			return outcome{unanswered, "not sent", err.Error()}
		}
		body = b.Bytes()
	}
	return c.post(ctx, c.otlpHTTP+"/v1/traces", mediaType, encoding, body, func(answer []byte) string {
		r := ptraceotlp.NewExportResponse()
		unmarshal := r.UnmarshalProto
		if mediaType == "application/json" {
			unmarshal = r.UnmarshalJSON
		}
		if err := unmarshal(answer); err != nil {
			return "a success whose body is no ExportTraceServiceResponse: " + err.Error()
		}
		return checkPartial(r)
	})
}

// post sends a body; check returns what is wrong with the body of a success.
func (c *client) post(ctx context.Context, url, mediaType, encoding string, body []byte, check func(answer []byte) string) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return outcome{unanswered, "not sent", err.Error()}
	}
	req.Header.Set("Content-Type", mediaType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.noAnswer(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode/100 == 2: // the status alone acknowledges, even where the rest is cut off
		o := outcome{result: acknowledged}
		if err == nil {
			o.fault = check(answer)
		}
		return o
	case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests:
		o := outcome{result: refused, reason: resp.Header.Get("Throughline-Reject-Reason")}
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 {
			o.fault = fmt.Sprintf("POST %s: status %d with Retry-After %q, want seconds", req.URL.Path, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if o.reason == "" {
			o.reason = "without a reason"
		}
		return o
	default:
		return outcome{refused, "status " + strconv.Itoa(resp.StatusCode), fmt.Sprintf("POST %s: status %d: %.200s", req.URL.Path, resp.StatusCode, answer)}
	}
}

// noAnswer tells a server that was killed from one that broke off by itself.
func (c *client) noAnswer(err error) outcome {
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		return outcome{unanswered, "timeout", ""}
	case !c.alive():
		return outcome{unanswered, "killed", ""}
	default:
		return outcome{unanswered, "connection", "no answer though the server was not killed: " + err.Error()}
	}
}

// call exports by gRPC.
func (c *client) call(ctx context.Context, export ptraceotlp.ExportRequest, options ...grpc.CallOption) outcome {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	var header metadata.MD
	answer, err := c.otlp.Export(ctx, export, append(options, grpc.Header(&header))...)
	if err == nil {
		return outcome{result: acknowledged, fault: checkPartial(answer)}
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.DeadlineExceeded:
		return outcome{unanswered, "timeout", ""}
	case codes.Unavailable, codes.ResourceExhausted:
		reason := "without a reason"
		if given := header.Get("Throughline-Reject-Reason"); len(given) > 0 {
			reason = given[0]
		}
		for _, detail := range s.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() > 0 {
				return outcome{result: refused, reason: reason}
			}
		}
		if len(header) == 0 { // gRPC's own word for a connection that broke
			return c.noAnswer(err)
		}
		return outcome{refused, reason, "OTLP/gRPC: " + s.Code().String() + " without RetryInfo"}
	default:
		return outcome{refused, s.Code().String(), "OTLP/gRPC: " + err.Error()}
	}
}

func checkPartial(r ptraceotlp.ExportResponse) string {
	if n := r.PartialSuccess().RejectedSpans(); n != 0 {
		return fmt.Sprintf("%d good spans were rejected: %s", n, r.PartialSuccess().ErrorMessage())
	}
	return ""
}

func checkBeaconAnswer(events int) func([]byte) string {
	return func(body []byte) string {
		var answer struct {
			Accepted int            `json:"accepted"`
			Rejected map[string]int `json:"rejected"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return "a beacon's success without its counts: " + err.Error()
		}
		if answer.Accepted != events || len(answer.Rejected) > 0 {
			return fmt.Sprintf("of %d good events %d were accepted, rejected %v", events, answer.Accepted, answer.Rejected)
		}
		return ""
	}
}

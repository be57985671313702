package ingest

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// dial starts the gRPC server of a receiver and connects to it.
func dial(t *testing.T, r *Receiver) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := r.GRPCServer()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		s.GracefulStop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return conn
}

func TestGRPCIsStored(t *testing.T) {
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
		w := &memory{}
		client := ptraceotlp.NewGRPCClient(dial(t, newReceiver(t, w)))
		answer, err := client.Export(t.Context(), oneSpan(nil), options...)
		if err != nil {
			t.Fatal(err)
		}
		if stored := w.stored().Spans; len(stored) != 1 || stored[0].Host != "shop.example:8443" || answer.PartialSuccess().RejectedSpans() != 0 {
			t.Errorf("stored %+v, rejected %d", stored, answer.PartialSuccess().RejectedSpans())
		}
	}
}

func TestGRPCPartialSuccess(t *testing.T) {
	client := ptraceotlp.NewGRPCClient(dial(t, newReceiver(t, &memory{})))
	answer, err := client.Export(t.Context(), oneSpan(func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) }))
	if err != nil {
		t.Fatal(err)
	}
	if p := answer.PartialSuccess(); p.RejectedSpans() != 1 || !strings.Contains(p.ErrorMessage(), "bad_trace_id 1") {
		t.Errorf("%d %s", p.RejectedSpans(), p.ErrorMessage())
	}
}

func TestGRPCJournalFails(t *testing.T) {
	client := ptraceotlp.NewGRPCClient(dial(t, newReceiver(t, &memory{err: errJournal})))
	_, err := client.Export(t.Context(), oneSpan(nil))
	s := status.Convert(err)
	if s.Code() != codes.Unavailable || strings.Contains(s.Message(), "secret") || len(s.Details()) != 1 {
		t.Fatalf("%v, details %v", s, s.Details())
	}
	if info, ok := s.Details()[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != retryAfter {
		t.Errorf("details %v, want RetryInfo of %v", s.Details(), retryAfter)
	}
}

func TestGRPCRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		body []byte
		code codes.Code
	}{
		"junk":       {[]byte("junk"), codes.InvalidArgument},
		"depth bomb": {protoBomb(100_000), codes.InvalidArgument},
		"flood":      {protoFlood(maxTraceSpans + 1), codes.InvalidArgument},
		"too long":   {make([]byte, MaxTraceBytes+1), codes.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			w := &memory{}
			r := newReceiver(t, w)
			reason := "malformed"
			if name == "flood" || name == "too long" {
				reason = "too_large"
			}
			t.Cleanup(func() { counted(t, r.metrics.tracesRejected, reason, 1) }) // once the server has stopped
			conn := dial(t, r)
			var header metadata.MD
			err := conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", frame(test.body), new(frame),
				grpc.ForceCodecV2(frameCodec{encoding.GetCodecV2("proto")}), grpc.Header(&header))
			if status.Code(err) != test.code || len(w.records) != 0 {
				t.Errorf("%v, want %v", err, test.code)
			}
			if reasons := header.Get(RejectReasonHeader); test.code == codes.InvalidArgument && len(reasons) != 1 {
				t.Errorf("headers %v, want the reason", header)
			}
		})
	}
}

// A stalled call gives its place back: sixteen of them would else shut everybody out.
func TestGRPCStalledCallLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, &memory{})
		ctx, end := context.WithCancel(t.Context())
		defer end()
		never := func(any) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		_, err := r.export(ctx, never)
		if waited := time.Since(begin); status.Code(err) != codes.Unavailable || waited != bodyTimeout {
			t.Errorf("%v after %v, want Unavailable after %v", err, waited, bodyTimeout)
		}
		if len(r.traces) != 0 {
			t.Errorf("%d places are still held", len(r.traces))
		}
	})
}

// A call must not be lost because its connection is.
func TestGRPCWriteOutlivesItsCall(t *testing.T) {
	w := &memory{entered: make(chan struct{}, 1), release: make(chan struct{})}
	t.Cleanup(func() { // the last: once the server has stopped, every call has ended
		if len(w.stored().Spans) != 1 {
			t.Error("the spans are lost")
		}
	})
	client := ptraceotlp.NewGRPCClient(dial(t, newReceiver(t, w)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := client.Export(ctx, oneSpan(nil))
		ended <- err
	}()
	<-w.entered
	cancel()
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Errorf("the call ended with %v", err)
	}
	close(w.release)
}

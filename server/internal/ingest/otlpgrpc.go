package ingest

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // what OTLP exporters compress with; the import registers it
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// maxHeaderBytes bounds the headers of a call, which come before any token is looked at.
const maxHeaderBytes = 64 << 10

// maxStreams bounds the calls under way on one connection; an exporter has one or two.
const maxStreams = 32

// What a connection and a call may send before anyone reads it. Set at all, they also keep
// grpc from making them larger by itself.
const (
	callWindow       = 1 << 20
	connectionWindow = 2 << 20
)

// GRPCServer returns a server of OTLP/gRPC's TraceService; the caller serves and
// stops it.
//
// It registers the service by hand rather than by ptraceotlp.RegisterGRPCServer,
// which decodes before anyone can look at the bytes: neither the limits of
// nesting and size would hold then, nor would the sender learn by InvalidArgument
// that it need not try again.
func (r *Receiver) GRPCServer() *grpc.Server {
	s := grpc.NewServer(
		grpc.MaxRecvMsgSize(MaxTraceBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.InitialWindowSize(callWindow),
		grpc.InitialConnWindowSize(connectionWindow),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 10 * time.Minute}), // more than exporters pause
		grpc.ForceServerCodecV2(frameCodec{encoding.GetCodecV2("proto")}),
	)
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Export",
			Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return r.export(ctx, read)
			},
		}},
	}, r)
	return s
}

// export answers one call of Export.
func (r *Receiver) export(ctx context.Context, read func(any) error) (any, error) {
	answer, refused := r.takeTracesGRPC(ctx, read)
	if refused != nil {
		r.metrics.tracesRejected.WithLabelValues(refused.reason).Inc()
		// Headers are a courtesy; the status says it all, so their loss is none.
		_ = grpc.SetHeader(ctx, metadata.Pairs(RejectReasonHeader, refused.reason))
		return nil, grpcStatus(refused).Err()
	}
	body, err := answer.MarshalProto()
	if err != nil {
		return nil, status.Error(codes.Internal, "the answer cannot be written")
	}
	return frame(body), nil
}

func (r *Receiver) takeTracesGRPC(ctx context.Context, read func(any) error) (ptraceotlp.ExportResponse, *refusal) {
	none := ptraceotlp.ExportResponse{}
	md, _ := metadata.FromIncomingContext(ctx)
	if err := r.Traces.Traces(authorizationOf(md)); err != nil {
		return none, refuseAt(err)
	}
	if refused := r.traces.take(ctx); refused != nil {
		return none, refused
	}
	defer r.traces.free()
	body, refused := readFrame(read)
	if refused != nil {
		return none, refused
	}
	return r.takeTraces(ctx, body)
}

// readFrame reads a call's message. A sender that stalls loses its place: the end of
// the call, which follows a refusal, ends the read that is still under way.
func readFrame(read func(any) error) (frame, *refusal) {
	type message struct {
		body frame
		err  error
	}
	arrived := make(chan message, 1)
	go func() {
		var m message
		m.err = read(&m.body)
		arrived <- m
	}()
	patience := time.NewTimer(bodyTimeout)
	defer patience.Stop()
	select {
	case m := <-arrived:
		if m.err != nil {
			// To such a call grpc itself has answered ResourceExhausted, which without RetryInfo says
			// not to try again.
			if status.Code(m.err) == codes.ResourceExhausted {
				return nil, refuseTooLarge(fmt.Sprintf("the message is longer than %d bytes", MaxTraceBytes), "Send smaller batches.")
			}
			return nil, refuseMalformed("the message could not be read", "Send an OTLP 1.x ExportTraceServiceRequest.")
		}
		return m.body, nil
	case <-patience.C:
		return nil, refuseUnavailable("the message did not arrive in time")
	}
}

// grpcStatus returns a refusal as a status, with the time to wait where a retry
// helps (OTLP, "OTLP/gRPC Throttling").
func grpcStatus(refused *refusal) *status.Status {
	s := status.New(refused.code(), refused.problem+". "+refused.hint)
	if refused.code() != codes.Unavailable && refused.code() != codes.ResourceExhausted {
		return s
	}
	detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if err != nil {
		return s // the code alone tells to retry
	}
	return detailed
}

// frame is a message in its wire format.
type frame []byte

// frameCodec passes frames through as they are and leaves every other message
// to the codec of protobuf.
type frameCodec struct{ encoding.CodecV2 }

func (c frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f)}, nil
	}
	data, err := c.CodecV2.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return data, nil
}

func (c frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		*f = data.Materialize()
		return nil
	}
	if err := c.CodecV2.Unmarshal(data, v); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	return nil
}

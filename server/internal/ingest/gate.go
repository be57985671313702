package ingest

import (
	"errors"
	"net/http"

	"google.golang.org/grpc/metadata"
)

// BeaconGate says who may send beacons. Its errors are Refusals.
type BeaconGate interface {
	// Sender is asked before a beacon's body is read.
	Sender(r *http.Request) error
	// Application is asked once a beacon is decoded, with its rum.application.id and
	// the Origin header; either may be empty.
	Application(id, origin string) error
	// AllowOrigin returns the value for Access-Control-Allow-Origin; empty: none.
	AllowOrigin(origin string) string
}

// TraceGate says who may send traces. Its errors are Refusals.
type TraceGate interface {
	// Traces is asked before a body is read, with the Authorization header.
	Traces(authorization string) error
}

// Refusal is an error of a gate that says what the sender is to be told: 401,
// 403 or 429, a fixed word, what to do, and by Error what is wrong.
type Refusal interface {
	error
	Status() int
	Reason() string
	Hint() string
}

// openGate lets everybody in.
type openGate struct{}

func (openGate) Sender(*http.Request) error       { return nil }
func (openGate) Application(string, string) error { return nil }
func (openGate) AllowOrigin(string) string        { return "*" }
func (openGate) Traces(string) error              { return nil }

// refuseAt turns an error of a gate into a refusal; nil stays nil.
func refuseAt(err error) *refusal {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[Refusal](err); ok {
		return &refusal{r.Status(), r.Reason(), r.Error(), r.Hint()}
	}
	return refuseUnavailable("the server cannot tell whether it may be taken")
}

// shareAnswer lets the page that sent a beacon read the answer.
func (r *Receiver) shareAnswer(h http.Header, origin string) {
	h.Add("Vary", "Origin")
	if allowed := r.Beacons.AllowOrigin(origin); allowed != "" {
		h.Set("Access-Control-Allow-Origin", allowed)
	}
	h.Set("Access-Control-Expose-Headers", RejectReasonHeader+", Retry-After")
}

// shareRefusal lets any page read that its beacon is refused: an agent that
// cannot tell would take it for a fault of the network, and try again.
func shareRefusal(h http.Header) {
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
}

// authorizationOf returns the Authorization header of a gRPC call.
func authorizationOf(md metadata.MD) string {
	if values := md.Get("authorization"); len(values) > 0 {
		return values[0]
	}
	return ""
}

package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"google.golang.org/grpc/codes"
)

// RejectReasonHeader carries the reason of a refusal, for who can see headers only.
const RejectReasonHeader = "Throughline-Reject-Reason"

// refusal says why nothing of a request was taken. No text repeats what was sent.
type refusal struct {
	status  int    // HTTP
	reason  string // a fixed word, for counters and the reason header
	problem string // what is wrong
	hint    string // what to do
}

func (r *refusal) Error() string { return r.problem }

func refuseMalformed(problem, hint string) *refusal {
	return &refusal{http.StatusBadRequest, "malformed", problem, hint}
}

func refuseTooLarge(problem, hint string) *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, "too_large", problem, hint}
}

func refuseUnavailable(problem string) *refusal {
	return &refusal{http.StatusServiceUnavailable, "unavailable", problem, "Send it again after the time that Retry-After says."}
}

func refuseMediaType(problem, hint string) *refusal {
	return &refusal{http.StatusUnsupportedMediaType, "unsupported_media_type", problem, hint}
}

func refuseMethod(allowed string) *refusal {
	return &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "the method is not one of " + allowed, "Send it by POST."}
}

// refuseBody tells why a body could not be read.
func refuseBody(err error, limit int) *refusal {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooLong) {
		return refuseTooLarge(fmt.Sprintf("the body is longer than %d bytes", limit), "Send smaller batches.")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // a slow network is no fault of the data
		return refuseUnavailable("the body did not arrive in time")
	}
	return refuseMalformed("the body did not arrive whole", "Send the whole body at once; look for a proxy that cuts it off.")
}

// code returns the gRPC code of a refusal (OTLP, "OTLP/gRPC Response" and
// "Failures": only InvalidArgument and Unavailable say clearly whether to retry).
func (r *refusal) code() codes.Code {
	switch r.status {
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusMethodNotAllowed, http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	default:
		return codes.InvalidArgument
	}
}

// setHeaders sets the headers that every refusal has.
func (r *refusal) setHeaders(h http.Header) {
	h.Set(RejectReasonHeader, r.reason)
	switch r.status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="throughline"`)
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic("ingest: an answer that is no JSON: " + err.Error()) // our own types, never input
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a sender that is gone needs no answer
}

package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

const (
	apiPrefix = "/api/v1/"
	tailPath  = apiPrefix + "tail"
)

func isAPI(path string) bool { return strings.HasPrefix(path, apiPrefix) }

// minCompressed is the size from which an answer is compressed: below, it fits one packet anyway.
const minCompressed = 1024

// answered makes complete answers of what the API's handlers write: with an ETag, not sent again to who has
// it, compressed. Pages of other origins may ask nothing that changes data.
func answered(next http.Handler) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusForbidden, Error{
			Message: "a page of another origin may not change data", Hint: "send the request from a program, or from a page of this server",
		})
	}))
	whole := protection.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answer{ResponseWriter: w}
		next.ServeHTTP(&a, r)
		a.finish(r)
	}))
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed))
	if err != nil {
		return nil, err
	}
	compressed := compress(whole)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tailPath { // a compressor would hold events back
			whole.ServeHTTP(w, r)
			return
		}
		compressed.ServeHTTP(w, r)
	}), nil
}

// answer holds an answer back until it is whole; a stream of events passes through.
type answer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	stream bool
}

// Unwrap lets an http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	if status == http.StatusUnprocessableEntity { // the framework's word for a bad parameter
		status = http.StatusBadRequest
	}
	a.status = status
	if a.stream = strings.HasPrefix(a.Header().Get("Content-Type"), eventStream); a.stream {
		a.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.stream {
		return a.ResponseWriter.Write(b)
	}
	return a.body.Write(b)
}

func (a *answer) finish(r *http.Request) {
	if a.stream {
		return
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	h := a.Header()
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache") // may be kept, and is asked for again each time
	}
	if a.status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		sum := sha256.Sum256(a.body.Bytes())
		// Weak (RFC 9110, section 8.8.1): the same answer has other bytes when it is compressed.
		tag := `W/"` + hex.EncodeToString(sum[:12]) + `"`
		h.Set("ETag", tag)
		if holdsTag(r.Header.Values("If-None-Match"), tag) {
			h.Del("Content-Type")
			a.ResponseWriter.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	a.ResponseWriter.WriteHeader(a.status)
	a.ResponseWriter.Write(a.body.Bytes())
}

// holdsTag compares weakly (RFC 9110, section 13.1.2).
func holdsTag(lists []string, tag string) bool {
	for _, list := range lists {
		for t := range strings.SplitSeq(list, ",") {
			t = strings.TrimSpace(t)
			if t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

package firstparty

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// script is a file of the agent in two codings.
type script struct{ plain, packed representation }

// representation is what is sent, and its entity tag.
type representation struct {
	content []byte
	etag    string
}

func newRepresentation(content []byte) representation {
	sum := sha256.Sum256(content)
	return representation{content, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func newScript(content []byte) (*script, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return &script{newRepresentation(content), newRepresentation(packed.Bytes())}, nil
}

// serve answers a request for the file; immutable: under a name that its content has.
func (s *script) serve(w http.ResponseWriter, r *http.Request, immutable, cross bool) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "A script can only be read.", http.StatusMethodNotAllowed)
		return
	}
	cacheControl := "no-cache"
	if immutable {
		cacheControl = "public, max-age=31536000, immutable" // RFC 8246
	}
	header.Set("Cache-Control", cacheControl)
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	if cross {
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	body := &s.plain
	if takesGzip(r.Header) && r.Header.Get("Range") == "" {
		header.Set("Content-Encoding", "gzip")
		body = &s.packed
	}
	header.Set("ETag", body.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body.content))
}

// takesGzip reports whether the client takes gzip (RFC 9110, section 12.5.3).
func takesGzip(header http.Header) bool {
	otherwise := false
	for _, field := range header["Accept-Encoding"] {
		for element := range strings.SplitSeq(field, ",") {
			coding, parameter, _ := strings.Cut(element, ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "gzip" && coding != "x-gzip" && coding != "*" {
				continue
			}
			takes := true
			if _, weight, found := strings.Cut(parameter, "="); found {
				q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
				takes = err == nil && q > 0
			}
			if coding != "*" {
				return takes
			}
			otherwise = takes
		}
	}
	return otherwise
}

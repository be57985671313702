package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// errTooLong reports a body that is longer than the limit once it is unpacked.
var errTooLong = errors.New("longer than the limit once it is unpacked")

// maxReused bounds the memory of one body that is kept for later ones.
const maxReused = 1 << 20

// bodyReader holds the memory that reading a body takes. It serves one body after the other:
// the journal keeps none.
type bodyReader struct {
	body     bytes.Buffer
	packed   gzip.Reader
	unpacked bytes.Buffer // a beacon that came compressed
	beacons  beacon.Decoder
	events   eventsCodec // writes those of the beacon in body
}

// borrow returns a bodyReader, to be given back once its body is in the journal.
func (r *Receiver) borrow() *bodyReader {
	if b, ok := r.bodies.Get().(*bodyReader); ok {
		return b
	}
	return new(bodyReader)
}

func (r *Receiver) giveBack(b *bodyReader) {
	if b.body.Cap() <= maxReused && b.unpacked.Cap() <= maxReused && cap(b.events.written) <= maxReused {
		b.body.Reset()
		b.unpacked.Reset()
		r.bodies.Put(b)
	}
}

// gzipMagic begins what is compressed by gzip (RFC 1952, section 2.3.1), and no JSON.
var gzipMagic = []byte{0x1f, 0x8b}

// beacon reads the body of a beacon and unpacks it, as far as both stay within beacon.MaxBytes. A page cannot say
// that it compressed the body without a preflight, so that the body itself may say so.
func (b *bodyReader) beacon(w http.ResponseWriter, req *http.Request) ([]byte, *refusal) {
	if _, err := b.body.ReadFrom(http.MaxBytesReader(w, req.Body, beacon.MaxBytes)); err != nil {
		return nil, refuseBody(err, beacon.MaxBytes)
	}
	body := b.body.Bytes()
	if !strings.EqualFold(req.Header.Get("Content-Encoding"), "gzip") && !bytes.HasPrefix(body, gzipMagic) {
		return body, nil
	}
	err := b.packed.Reset(bytes.NewReader(body))
	var n int64
	if err == nil {
		n, err = b.unpacked.ReadFrom(io.LimitReader(&b.packed, beacon.MaxBytes+1))
	}
	switch {
	case n > beacon.MaxBytes:
		return nil, refuseBody(errTooLong, beacon.MaxBytes)
	case err != nil:
		return nil, refuseMalformed("the body is not whole, or not the gzip that it promises to be", "Compress the body by gzip, or send it as it is and without Content-Encoding.")
	default:
		return b.unpacked.Bytes(), nil
	}
}

// traces reads a body of OTLP and unpacks it, as far as both stay within MaxTraceBytes.
func (b *bodyReader) traces(w http.ResponseWriter, req *http.Request) ([]byte, *refusal) {
	var from io.Reader = http.MaxBytesReader(w, req.Body, MaxTraceBytes)
	switch encoding := strings.ToLower(req.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		err := b.packed.Reset(from)
		if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, refuseMalformed("the body is not the gzip that its Content-Encoding promises", "Compress the body by gzip, or leave the header out.")
		}
		if err != nil {
			return nil, refuseBody(err, MaxTraceBytes)
		}
		from = &b.packed
	default:
		return nil, refuseMediaType("the body is compressed by something else than gzip", "Set the exporter's compression to gzip or none.")
	}
	n, err := b.body.ReadFrom(io.LimitReader(from, MaxTraceBytes+1))
	if n > MaxTraceBytes {
		err = errTooLong
	}
	if err != nil {
		return nil, refuseBody(err, MaxTraceBytes)
	}
	return b.body.Bytes(), nil
}

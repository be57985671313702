package inject

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding (RFC 9110, section 8.4.1).
type coding uint8

const (
	none coding = iota
	gzipCoding
	brotliCoding
	zstdCoding
	deflateCoding
	codings
)

// codingOf returns the coding of a name, none for others and for identity.
func codingOf(name string) coding {
	switch name = strings.TrimSpace(name); {
	case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
		return gzipCoding
	case strings.EqualFold(name, "br"):
		return brotliCoding
	case strings.EqualFold(name, "zstd"):
		return zstdCoding
	case strings.EqualFold(name, "deflate"):
		return deflateCoding
	default:
		return none
	}
}

// Levels that cost about what decoding and sending do: what passes through is a page
// that somebody waits for.
const (
	deflateLevel = 5
	brotliLevel  = 4
	zstdLevel    = zstd.SpeedDefault
)

// Windows of zstd: RFC 9659, section 3, allows 8 MB; ours is of a page's size.
const (
	maxZstdWindow = 8 << 20
	zstdWindow    = 512 << 10
)

// encoder is what the writers of all codings have.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// errStopped ends a decoder whose input will not come.
var errStopped = errors.New("inject: the response ended")

// recoder decodes a body that is written to it piece by piece and codes it again in the
// same way. The decoder runs as a coroutine, on the goroutine of who feeds it, so that
// all that came in has come out when feed returns.
type recoder struct {
	coding coding
	in     []byte // that the decoder has not read
	closed bool   // no more comes
	ended  bool   // the decoder has returned
	err    error  // with which it did
	yield  func(struct{}) bool
	next   func() (struct{}, bool)
	stop   func()

	buffered *bufio.Reader
	decode   func(sink func([]byte) error) error
	bare     bool       // deflate without the zlib format
	encoder  encoder    // nil before start
	encoders [2]encoder // of the coding, and of it when bare
	buf      [16 << 10]byte
}

var recoders [codings]sync.Pool

// newRecoder returns one that gives what it decodes to sink.
func newRecoder(c coding, sink func([]byte) error) *recoder {
	r, ok := recoders[c].Get().(*recoder)
	if !ok {
		r = &recoder{coding: c}
		r.buffered = bufio.NewReaderSize(r, 4<<10)
		r.decode = r.decoder()
	}
	r.buffered.Reset(r)
	r.next, r.stop = iter.Pull(func(yield func(struct{}) bool) {
		r.yield = yield
		r.err = r.decode(sink)
		r.ended = true
	})
	return r
}

// Read is what the decoder reads from.
func (r *recoder) Read(p []byte) (int, error) {
	for len(r.in) == 0 {
		if r.closed {
			return 0, io.EOF
		}
		if !r.yield(struct{}{}) {
			return 0, errStopped
		}
	}
	n := copy(p, r.in)
	r.in = r.in[n:]
	return n, nil
}

// feed decodes p. What follows the end of the coded data is ignored, as in browsers.
func (r *recoder) feed(p []byte) error {
	if !r.ended {
		r.in = p
		r.next()
		r.in = nil
	}
	return r.err
}

// finish tells the decoder that no more comes.
func (r *recoder) finish() error {
	r.closed = true
	return r.feed(nil)
}

// release ends the decoder and keeps the room that it took for another response.
func (r *recoder) release() {
	r.stop()
	for _, e := range r.encoders {
		if e != nil {
			e.Reset(nil)
		}
	}
	r.in, r.closed, r.ended, r.err, r.yield, r.next, r.stop, r.encoder = nil, false, false, nil, nil, nil, nil, nil
	recoders[r.coding].Put(r)
}

// copy gives all of src to sink.
func (r *recoder) copy(src io.Reader, sink func([]byte) error) error {
	for {
		n, err := src.Read(r.buf[:])
		if n > 0 {
			if err := sink(r.buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *recoder) decoder() func(sink func([]byte) error) error {
	switch r.coding {
	case gzipCoding:
		z := new(gzip.Reader)
		return func(sink func([]byte) error) error { return r.members(z, sink) }
	case brotliCoding:
		z := brotli.NewReader(nil)
		return func(sink func([]byte) error) error {
			if err := z.Reset(r.buffered); err != nil {
				return err
			}
			return r.copy(z, sink)
		}
	case zstdCoding:
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		return func(sink func([]byte) error) error {
			if err != nil {
				return err
			}
			if err := z.Reset(r.buffered); err != nil {
				return err
			}
			return r.copy(z, sink)
		}
	default:
		return r.deflate()
	}
}

// members decodes gzip, which may have several members (RFC 1952, section 2.2).
func (r *recoder) members(z *gzip.Reader, sink func([]byte) error) error {
	for n := 0; ; n++ {
		if _, err := r.buffered.Peek(1); n > 0 && errors.Is(err, io.EOF) {
			return nil
		}
		switch err := z.Reset(r.buffered); {
		case err != nil && n > 0 && !errors.Is(err, errStopped):
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		z.Multistream(false)
		if err := r.copy(z, sink); err != nil {
			return err
		}
	}
}

// deflate decodes what the name stands for, the zlib format (RFC 1950), and what some
// servers send, deflate without it (RFC 1951).
func (r *recoder) deflate() func(sink func([]byte) error) error {
	var decoders [2]io.ReadCloser // as encoders
	return func(sink func([]byte) error) error {
		head, err := r.buffered.Peek(2)
		if len(head) < 2 {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		// CMF and FLG (RFC 1950, section 2.2).
		r.bare = head[0]&0x0f != 8 || (int(head[0])<<8|int(head[1]))%31 != 0
		decoder := &decoders[0]
		if r.bare {
			decoder = &decoders[1]
		}
		switch known := (*decoder).(type) {
		case zlib.Resetter: // flate's is the same
			err = known.Reset(r.buffered, nil)
		default:
			if r.bare {
				*decoder = flate.NewReader(r.buffered)
			} else {
				*decoder, err = zlib.NewReader(r.buffered)
			}
		}
		if err != nil {
			return err
		}
		return r.copy(*decoder, sink)
	}
}

// start has the encoder write to w.
func (r *recoder) start(w io.Writer) error {
	e := &r.encoders[0]
	if r.bare && r.coding == deflateCoding {
		e = &r.encoders[1]
	}
	if *e == nil {
		var err error
		if *e, err = newEncoder(r.coding, r.bare); err != nil {
			return err
		}
	}
	(*e).Reset(w)
	r.encoder = *e
	return nil
}

func newEncoder(c coding, bare bool) (encoder, error) {
	switch {
	case c == gzipCoding:
		return gzip.NewWriterLevel(nil, deflateLevel)
	case c == brotliCoding:
		return brotli.NewWriterLevel(nil, brotliLevel), nil
	case c == zstdCoding:
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstdLevel),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
	case bare:
		return flate.NewWriter(nil, deflateLevel)
	default:
		return zlib.NewWriterLevel(nil, deflateLevel)
	}
}

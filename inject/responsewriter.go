package inject

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// Limits of what is kept of a response, beside maxScanned.
const (
	// sniffed is how much net/http looks at for a media type.
	sniffed = 512
	// unflushed is how much a net/http server itself keeps of a handler that does not
	// flush: so far nothing is delayed.
	unflushed = 2 << 10
	// maxOriginal is how much of a coded body is kept until there is a decision.
	maxOriginal = 32 << 10
)

type mode uint8

const (
	fresh    mode = iota // the headers are not looked at
	sniffing             // the body says what media type it is
	scanning             // the document is read, and may be changed
	passing              // everything goes to the writer below
)

// errLeave ends the decoding of a document that is left alone.
var errLeave = errors.New("inject: the document is left alone")

// responseWriter puts the element into a response, and adapts its headers at the moment
// they go out.
type responseWriter struct {
	http.ResponseWriter
	handler *handler
	request *http.Request
	purpose purpose
	mode    mode
	coding  coding
	html    bool // the media type is
	sent    bool // the headers are
	flushed bool // by the handler
	status  int  // 0: WriteHeader was not called
	result  Result
	// declared is the Content-Length that was dropped, so that it is ours to hold the
	// handler to it; negative: none.
	declared int64
	received int64 // bytes of the body, as the handler writes it
	policies policies
	scanner  scanner
	held     []byte // of the document, not passed on
	original []byte // the coded body, until anything is passed on
	recoder  *recoder
	broken   error // why the coded body cannot be finished
	gone     bool  // the client, so far as a write tells
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends the headers of responses that are left alone for sure; those of
// others wait for the first bytes of the body. Interim responses go out as they are; 101
// is the last that HTTP sends on the connection.
func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status == http.StatusSwitchingProtocols && !w.sent:
		w.status = status
		w.leave(NotHTML)
	case status >= 100 && status <= 199:
		w.ResponseWriter.WriteHeader(status)
	case w.sent:
		w.ResponseWriter.WriteHeader(status) // which reports the mistake
	case w.status == 0 && w.mode == fresh:
		w.status = status
		w.start()
	}
}

// start looks at the headers.
func (w *responseWriter) start() {
	w.mode = scanning
	if r := w.judge(); r != undecided {
		w.leave(r)
		return
	}
	if w.coding != none {
		w.recoder = newRecoder(w.coding, w.document)
	}
}

// leave decides that the response stays as it is.
func (w *responseWriter) leave(r Result) {
	w.result = r
	w.mode = passing
	w.send(r, 0)
}

// send sends the headers, adapted where the document is changed or may yet be.
func (w *responseWriter) send(r Result, change int) {
	if w.sent {
		return
	}
	w.sent = true
	header := w.Header()
	changes := r == Injected || r == undecided
	if changes {
		w.adapt(change)
	}
	if r != AlreadyThere && (changes || w.handler.debug) {
		header[headerInjection] = []string{r.String()}
	}
	if w.html && !hasDirective(header[headerCacheControl], "no-store") {
		varyByPurpose(header)
	}
	if w.status == http.StatusNotModified && w.purpose != fetched {
		revalidated(header, w.request.Header)
	}
	if w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.mode == passing && w.declared < 0 {
		return w.ResponseWriter.Write(p)
	}
	return w.take(p)
}

// WriteString implements io.StringWriter.
func (w *responseWriter) WriteString(s string) (int, error) {
	if w.mode == fresh {
		w.start()
	}
	if w.mode == passing && w.declared < 0 {
		return io.WriteString(w.ResponseWriter, s)
	}
	return w.take([]byte(s))
}

// ReadFrom implements io.ReaderFrom, and so keeps sendfile where the writer below has
// it, from where nothing is to be put in any more.
func (w *responseWriter) ReadFrom(src io.Reader) (n int64, err error) {
	if w.mode == fresh {
		w.start()
	}
	if w.mode != passing {
		buf := buffer()
		defer recycle(buf)
		room := buf[:cap(buf)]
		for w.mode != passing {
			m, err := src.Read(room)
			if m > 0 {
				m, err := w.take(room[:m])
				n += int64(m)
				if err != nil {
					return n, err
				}
			}
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			if err != nil {
				return n, err
			}
		}
	}
	if w.declared >= 0 {
		src = io.LimitReader(src, w.declared-w.received)
	}
	m, err := io.Copy(w.ResponseWriter, src)
	w.received += m
	return n + m, err
}

// take takes the next bytes of the body.
func (w *responseWriter) take(p []byte) (int, error) {
	if w.mode == fresh {
		w.start()
	}
	if w.declared >= 0 && w.received+int64(len(p)) > w.declared {
		return 0, http.ErrContentLength // as net/http does
	}
	w.received += int64(len(p))
	var err error
	switch {
	case w.mode == passing:
		return w.ResponseWriter.Write(p)
	case w.mode == sniffing:
		w.hold(p)
		if len(w.held) >= sniffed {
			err = w.sniff()
		}
	case w.coding != none:
		err = w.coded(p)
	default:
		err = w.document(p)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// sniff decides by the first bytes of the body what net/http would take it for.
func (w *responseWriter) sniff() error {
	b := w.held
	contentType := http.DetectContentType(b)
	w.mode = scanning
	if r := w.judgeHTML(contentType); r != undecided {
		w.leave(r)
		return w.releaseHeld()
	}
	w.Header()[headerContentType] = []string{contentType}
	w.held = nil
	defer recycle(b)
	return w.document(b)
}

// hold keeps p, at most maxScanned with what is held.
func (w *responseWriter) hold(p []byte) {
	if w.held == nil {
		w.held = buffer()
	}
	w.held = append(w.held, p...)
}

// releaseHeld passes on what is held.
func (w *responseWriter) releaseHeld() error {
	b := w.held
	w.held = nil
	defer recycle(b)
	return w.out(b)
}

// document takes the next bytes of the document.
func (w *responseWriter) document(p []byte) error {
	if w.result != undecided {
		return w.out(p)
	}
	var rest []byte
	if over := w.scanner.passed + len(w.held) + len(p) - maxScanned; over > 0 {
		p, rest = p[:len(p)-over], p[len(p)-over:]
	}
	b := p
	if len(w.held) > 0 {
		w.hold(p)
		b = w.held
	}
	r := w.scanner.scan(b)
	if r == undecided && len(rest) > 0 {
		r = NoPoint
	}
	if r != undecided {
		return w.decide(r, b, rest)
	}
	if len(w.held) == 0 {
		w.hold(p)
	}
	if len(w.held) > unflushed {
		return w.passOn()
	}
	return nil
}

// decide passes on b, all of the document that is held, with or without the element, and
// rest.
func (w *responseWriter) decide(r Result, b, rest []byte) error {
	w.result = r
	if r != Injected && w.recoder != nil && w.recoder.encoder == nil {
		return errLeave
	}
	held := w.held
	w.held = nil
	defer recycle(held)
	var element []byte
	point := 0
	if r == Injected {
		element, point = w.handler.script.element(w.scanner.nonce), w.scanner.candidate
	}
	change := len(element)
	if w.coding != none {
		change = -1
	}
	w.send(r, change)
	if w.coding == none {
		w.mode = passing
	}
	for _, part := range [...][]byte{b[:point], element, b[point:], rest} {
		if err := w.out(part); err != nil {
			return err
		}
	}
	return nil
}

// passOn passes on of what is held all that is before the place in any case; where
// the place is found but for what may follow, it takes it.
func (w *responseWriter) passOn() error {
	s := &w.scanner
	if r := s.settle(w.held); r != undecided {
		return w.decide(r, w.held, nil)
	}
	n := min(s.pos, len(w.held))
	if n == 0 {
		return nil
	}
	w.send(undecided, -1)
	err := w.out(w.held[:n])
	w.held = w.held[:copy(w.held, w.held[n:])]
	s.pass(n)
	return err
}

// out writes bytes of the document.
func (w *responseWriter) out(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if w.recoder == nil {
		_, err := w.ResponseWriter.Write(p)
		w.gone = w.gone || err != nil
		return err
	}
	if w.recoder.encoder == nil {
		recycle(w.original)
		w.original = nil
		if err := w.recoder.start(w.ResponseWriter); err != nil {
			return err
		}
	}
	_, err := w.recoder.encoder.Write(p)
	w.gone = w.gone || err != nil
	return err
}

// coded takes the next bytes of a coded body.
func (w *responseWriter) coded(p []byte) error {
	for len(p) > 0 && w.broken == nil {
		piece := p[:min(len(p), unflushed)]
		if w.recoder.encoder != nil {
			piece = p
		} else {
			if w.original == nil {
				w.original = buffer()
			}
			w.original = append(w.original, piece...)
		}
		p = p[len(piece):]
		err := w.recoder.feed(piece)
		if err == nil && w.recoder.encoder == nil && len(w.original) > maxOriginal {
			w.result, err = NoPoint, errLeave
		}
		if err == nil {
			continue
		}
		if w.recoder.encoder == nil {
			if err := w.revert(err); err != nil {
				return err
			}
			_, err := w.ResponseWriter.Write(p)
			return err
		}
		w.broken = err
	}
	return w.broken
}

// revert goes back to the coded body as it came, of which nothing was passed on, for the
// reason err.
func (w *responseWriter) revert(err error) error {
	if !errors.Is(err, errLeave) {
		w.result = Undecodable
	}
	w.mode = passing
	w.send(w.result, 0)
	w.recoder.release()
	w.recoder = nil
	b := w.original
	w.original = nil
	recycle(w.held)
	w.held = nil
	defer recycle(b)
	return w.out(b)
}

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	if !canFlush(w.ResponseWriter) {
		return http.ErrNotSupported
	}
	if err := w.flushBody(); err != nil {
		return err
	}
	w.flushed = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// flushBody passes on what can be, and the headers in any case.
func (w *responseWriter) flushBody() error {
	if w.mode == fresh {
		w.start()
	}
	if w.mode == sniffing {
		if len(w.held) == 0 {
			w.leave(NotHTML) // net/http sends no media type then
			return nil
		}
		if err := w.sniff(); err != nil {
			return err
		}
	}
	if w.mode != scanning || w.broken != nil {
		return w.broken
	}
	if w.result == undecided {
		err := w.passOn()
		if errors.Is(err, errLeave) {
			return w.revert(err)
		}
		if err != nil {
			return err
		}
		w.send(w.result, -1)
	}
	if w.recoder != nil && w.recoder.encoder != nil {
		return w.recoder.encoder.Flush()
	}
	return nil
}

// canFlush reports whether http.ResponseController finds a way to flush w.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// end ends the response of a handler that returned, or panicked.
func (w *responseWriter) end(returned bool) {
	var err error
	if returned {
		err = w.finish()
	} else {
		w.abandon()
	}
	if w.recoder != nil && returned {
		w.recoder.release()
	} else if w.recoder != nil {
		w.recoder.stop()
	}
	recycle(w.held)
	recycle(w.original)
	w.recoder, w.held, w.original = nil, nil, nil
	if f := w.handler.onResult; f != nil {
		f(w.request, w.result)
	}
	if err != nil && !w.gone {
		// What came is the client's, and that it is not all.
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
}

// finish passes on the rest. An error means that it is not whole.
func (w *responseWriter) finish() error {
	if w.mode == fresh {
		w.start()
	}
	if w.mode != passing && w.received == 0 {
		if w.mode == scanning && w.request.Method == http.MethodHead {
			w.send(undecided, -1)
		}
		w.leave(NoBody)
		return w.short()
	}
	var err error
	if w.mode == sniffing {
		err = w.sniff()
	}
	if w.mode == scanning {
		if w.recoder != nil {
			err = w.finishCoded()
		} else {
			err = w.decide(NoPoint, w.held, nil)
		}
	}
	if w.result == Injected {
		dropDigests(w.Header()) // as trailers
	}
	if err == nil {
		err = w.short()
	}
	return err
}

// short reports a body shorter than the Content-Length that was dropped.
func (w *responseWriter) short() error {
	if w.declared > w.received && w.request.Method != http.MethodHead {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (w *responseWriter) finishCoded() error {
	if w.broken != nil {
		if w.recoder.encoder != nil {
			_ = w.recoder.encoder.Flush()
		}
		return w.broken
	}
	err := w.recoder.finish()
	if err == nil && w.result == undecided {
		err = w.decide(NoPoint, w.held, nil)
	}
	switch {
	case w.recoder.encoder == nil && err != nil:
		return w.revert(err)
	case w.recoder.encoder == nil: // nothing was in it
		w.result = NoBody
		return w.revert(errLeave)
	case err != nil:
		_ = w.recoder.encoder.Flush()
		return err
	}
	err = w.recoder.encoder.Close()
	w.gone = w.gone || err != nil
	return err
}

// abandon passes on what a handler wrote before it panicked, as far as the writer below
// would have it without us; errors do not matter any more.
func (w *responseWriter) abandon() {
	if w.result == undecided {
		w.result = Aborted
	}
	if w.mode == fresh || w.mode == passing || w.status == 0 && w.received == 0 {
		return
	}
	switch {
	case w.recoder != nil && w.recoder.encoder == nil:
		w.send(w.result, 0)
		_, _ = w.ResponseWriter.Write(w.original)
	case w.recoder != nil:
		_ = w.out(w.held)
		_ = w.recoder.encoder.Flush()
	default:
		w.send(w.result, 0)
		_ = w.out(w.held)
	}
	if w.flushed {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
	}
}

// buffers are of 4 KB, and some grew to what is held at most.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func buffer() []byte {
	if p, _ := buffers.Get().(*[]byte); p != nil && *p != nil {
		return (*p)[:0]
	}
	return make([]byte, 0, 4<<10)
}

func recycle(b []byte) {
	if b != nil {
		p := b // so that nil allocates nothing
		buffers.Put(&p)
	}
}

func (w *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.mode, w.sent, w.result, w.declared = passing, true, NotHTML, -1
	}
	return conn, rw, err
}

func (w *responseWriter) push(target string, opts *http.PushOptions) error {
	pusher, ok := w.ResponseWriter.(http.Pusher)
	if !ok {
		return http.ErrNotSupported
	}
	return pusher.Push(target, opts)
}

package throughline_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
)

// The capabilities that a ResponseWriter may have.
type (
	flusher  struct{ calls *[]string }
	hijacker struct{ calls *[]string }
	pusher   struct{ calls *[]string }
)

func (f flusher) Flush() { *f.calls = append(*f.calls, "Flush") }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*h.calls = append(*h.calls, "Hijack")
	return nil, nil, errBoom
}
func (p pusher) Push(string, *http.PushOptions) error {
	*p.calls = append(*p.calls, "Push")
	return errBoom
}

// The writer that a handler sees can do what the one below can, and no more.
func TestCapabilities(t *testing.T) {
	type writer struct{ http.ResponseWriter }
	for bits := range 8 {
		can := [3]bool{bits&1 != 0, bits&2 != 0, bits&4 != 0} // Flush, Hijack, Push
		t.Run(fmt.Sprintf("Flush %t, Hijack %t, Push %t", can[0], can[1], can[2]), func(t *testing.T) {
			var calls []string
			recorder := httptest.NewRecorder()
			w, f, h, p := writer{hide(recorder)}, flusher{&calls}, hijacker{&calls}, pusher{&calls}
			below := [8]http.ResponseWriter{
				w,
				struct {
					writer
					flusher
				}{w, f},
				struct {
					writer
					hijacker
				}{w, h},
				struct {
					writer
					flusher
					hijacker
				}{w, f, h},
				struct {
					writer
					pusher
				}{w, p},
				struct {
					writer
					flusher
					pusher
				}{w, f, p},
				struct {
					writer
					hijacker
					pusher
				}{w, h, p},
				struct {
					writer
					flusher
					hijacker
					pusher
				}{w, f, h, p},
			}[bits]
			span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				hj, canHijack := w.(http.Hijacker)
				ps, canPush := w.(http.Pusher)
				fl, canFlush := w.(http.Flusher)
				if got := [3]bool{canFlush, canHijack, canPush}; got != can {
					t.Errorf("Flush, Hijack, Push = %v, want %v", got, can)
				}
				if _, ok := w.(io.ReaderFrom); !ok {
					t.Error("no ReadFrom")
				}
				if _, ok := w.(io.StringWriter); !ok {
					t.Error("no WriteString")
				}
				if canPush {
					if err := ps.Push("/x", nil); !errors.Is(err, errBoom) {
						t.Errorf("Push: %v", err)
					}
				}
				if canHijack {
					if _, _, err := hj.Hijack(); !errors.Is(err, errBoom) {
						t.Errorf("Hijack: %v", err)
					}
				}
				if len(w.Header()) != 0 {
					t.Errorf("headers were added too early: %v", w.Header())
				}
				if canFlush {
					fl.Flush()
				}
				if err := http.NewResponseController(w).Flush(); canFlush != (err == nil) || err != nil && !errors.Is(err, http.ErrNotSupported) {
					t.Errorf("ResponseController.Flush: %v", err)
				}
				if got := len(w.Header()) != 0; got != canFlush {
					t.Errorf("headers after a flush: %t", got)
				}
			})
			traced(span, throughline.Wrap(handler)).ServeHTTP(below, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			wantOurs(t, recorder.Header())
			var want []string
			if can[2] {
				want = append(want, "Push")
			}
			if can[1] {
				want = append(want, "Hijack")
			}
			if can[0] {
				want = append(want, "Flush", "Flush")
			}
			if strings.Join(calls, " ") != strings.Join(want, " ") {
				t.Errorf("calls that arrived = %v, want %v", calls, want)
			}
		})
	}
}

// hide leaves of a writer what every ResponseWriter has.
func hide(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }

// unwrapping is a writer as other middleware makes it: what it lacks can be found below.
type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// A controller finds a Flush further down, and the headers are added before it.
func TestFlushFurtherDown(t *testing.T) {
	recorder := httptest.NewRecorder()
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	h := throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Flusher); ok {
			t.Error("the writer below has no Flush")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}))
	traced(span, h).ServeHTTP(unwrapping{recorder}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if !recorder.Flushed {
		t.Error("not flushed")
	}
	wantOurs(t, recorder.Result().Header)
}

// readerFrom counts what it was given by ReadFrom, as sendfile needs it.
type readerFrom struct {
	http.ResponseWriter
	n int64
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(r.ResponseWriter, src)
	r.n += n
	return n, err
}

func TestReadFromIsPassedDown(t *testing.T) {
	recorder := httptest.NewRecorder()
	below := &readerFrom{ResponseWriter: hide(recorder)}
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	h := throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n, err := io.Copy(w, io.LimitReader(strings.NewReader("hello"), 4)); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}))
	traced(span, h).ServeHTTP(below, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if below.n != 4 || recorder.Body.String() != "hell" {
		t.Errorf("ReadFrom got %d bytes, the client %q", below.n, recorder.Body)
	}
	wantOurs(t, recorder.Result().Header)
}

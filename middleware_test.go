package throughline_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/throughline-rum/throughline"
	"github.com/throughline-rum/throughline/wire/servertiming"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// serve starts a server whose panics and superfluous calls are not logged.
func serve(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if http2 {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	client := s.Client()
	client.Timeout = 30 * time.Second
	return s, client
}

func get(t *testing.T, client *http.Client, method, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// wantOurs checks that the response names the trace exactly once.
func wantOurs(t *testing.T, header http.Header) {
	t.Helper()
	var names []string
	for m := range servertiming.Metrics(header.Values("Server-Timing")...) {
		names = append(names, m.Name)
	}
	for _, name := range []string{"dtTrId", "dtSInfo", "dtRpid", "trace", "now"} {
		if n := len(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s != name })); n != 1 {
			t.Errorf("%d metrics named %s in %q", n, name, header.Values("Server-Timing"))
		}
	}
	info := servertiming.Read(header.Values("Server-Timing")...)
	if info.TraceID.String() != traceID || info.SpanID.String() != spanID {
		t.Errorf("Server-Timing names trace %v, span %v", info.TraceID, info.SpanID)
	}
}

var errBoom = errors.New("boom")

// paths are the ways in which a handler can send its headers.
var paths = []struct {
	name   string
	method string
	serve  http.HandlerFunc
	status int // 200 where zero
	body   string
}{
	{name: "Write", serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, body: "x"},
	{name: "empty Write", serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil) }},
	{name: "several Writes", serve: func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = w.Write([]byte("x"))
		}
	}, body: "xxx"},
	{name: "WriteString", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.(io.StringWriter).WriteString("x")
	}, body: "x"},
	{name: "ReadFrom", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
	}, body: "x"},
	{name: "io.Copy", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(strings.NewReader("xyz"), 1))
	}, body: "x"},
	{name: "ReadFrom of nothing", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader(""))
	}},
	{name: "Flush first", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "x")
	}, body: "x"},
	{name: "ResponseController.Flush first", serve: func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, "x")
	}, body: "x"},
	{name: "WriteHeader", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, status: 418},
	{name: "WriteHeader, then Write", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "x")
	}, status: 201, body: "x"},
	{name: "several WriteHeaders", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot)
	}, status: 201},
	{name: "WriteHeader after Write", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
		w.WriteHeader(http.StatusTeapot)
	}, body: "x"},
	{name: "204", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, status: 204},
	{name: "304", serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, status: 304},
	{name: "HEAD", method: http.MethodHead, serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }},
	{name: "nothing at all", serve: func(http.ResponseWriter, *http.Request) {}},
	{name: "http.Error", serve: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "x", http.StatusNotFound) }, status: 404, body: "x\n"},
	{name: "http.Redirect", serve: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/there", http.StatusFound)
	}, status: 302, body: "<a href=\"/there\">Found</a>.\n\n"},
	{name: "http.ServeContent", serve: func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader("x"))
	}, body: "x"},
	{name: "http.TimeoutHandler inside", serve: func(w http.ResponseWriter, r *http.Request) {
		http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
		}), time.Hour, "").ServeHTTP(w, r)
	}, body: "x"},
	{name: "writer unwrapped for a deadline", serve: func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, "x")
	}, body: "x"},
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, tt := range paths {
			t.Run(protocol+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
				s, client := serve(t, traced(span, throughline.Wrap(tt.serve)), protocol == "HTTP/2.0")
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				method := tt.method
				if method == "" {
					method = http.MethodGet
				}
				response := get(t, client, method, s.URL)
				if response.Proto != protocol {
					t.Errorf("protocol = %s", response.Proto)
				}
				want := tt.status
				if want == 0 {
					want = http.StatusOK
				}
				if response.StatusCode != want {
					t.Errorf("status = %d, want %d", response.StatusCode, want)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil || string(body) != tt.body {
					t.Errorf("body = %q, %v; want %q", body, err, tt.body)
				}
				wantOurs(t, response.Header)
				if got := response.Header.Values("Timing-Allow-Origin"); !slices.Equal(got, []string{"*"}) {
					t.Errorf("Timing-Allow-Origin = %q", got)
				}
				if len(response.Trailer) != 0 {
					t.Errorf("trailer = %v", response.Trailer)
				}
			})
		}
	}
}

// A 103 goes out without our headers, and the answer that follows has them.
func TestInterimResponse(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload; as=style")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "x")
	})
	for _, http2 := range []bool{false, true} {
		span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
		s, client := serve(t, traced(span, throughline.Wrap(h)), http2)
		var interim []http.Header
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
				interim = append(interim, http.Header(header))
				return nil
			},
		})
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		if len(interim) != 2 {
			t.Errorf("%d interim responses, want 2", len(interim))
		}
		for _, header := range interim {
			if header.Get("Link") == "" || header.Get("Server-Timing") != "" || header.Get("Timing-Allow-Origin") != "" {
				t.Errorf("interim response %v", header)
			}
		}
		wantOurs(t, response.Header)
	}
}

// What is written to a hijacked connection, or after 101, is the handler's alone.
func TestHijack(t *testing.T) {
	for name, hijack := range map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"Hijacker": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return w.(http.Hijacker).Hijack()
		},
		"ResponseController": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
		"after 101": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return http.NewResponseController(w).Hijack()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := hijack(w)
				if err != nil {
					panic(err)
				}
				if name != "after 101" {
					_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
				}
				_, _ = rw.WriteString("hello")
				_ = rw.Flush()
				_ = conn.Close()
			})
			span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
			s, _ := serve(t, traced(span, throughline.Wrap(h)), false)
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") || !strings.HasSuffix(string(got), "\r\n\r\nhello") {
				t.Errorf("got %q, %v", got, err)
			}
			if strings.Contains(string(got), "Server-Timing") || strings.Contains(string(got), "Timing-Allow-Origin") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// recoverer answers for a handler that panicked.
func recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func TestPanic(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	boom := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errBoom) })
	for name, h := range map[string]http.Handler{
		"recovered outside": recoverer(traced(span, throughline.Wrap(boom))),
		"recovered inside":  traced(span, throughline.Wrap(recoverer(boom))),
	} {
		t.Run(name, func(t *testing.T) {
			s, client := serve(t, h, false)
			response := get(t, client, http.MethodGet, s.URL)
			if response.StatusCode != http.StatusInternalServerError {
				t.Errorf("status = %d", response.StatusCode)
			}
			wantOurs(t, response.Header)
		})
	}
	for name, cause := range map[string]error{"http.ErrAbortHandler": http.ErrAbortHandler, "another": errBoom} {
		t.Run(name, func(t *testing.T) {
			var got any
			func() {
				defer func() { got = recover() }()
				h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(cause) })
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				traced(span, throughline.Wrap(h)).ServeHTTP(httptest.NewRecorder(), r)
			}()
			if err, ok := got.(error); !ok || !errors.Is(err, cause) {
				t.Errorf("the panic arrived as %v", got)
			}
		})
	}
	t.Run("aborted after the headers", func(t *testing.T) {
		s, client := serve(t, traced(span, throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))), false)
		response := get(t, client, http.MethodGet, s.URL)
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("the response ends as if it were whole")
		}
		wantOurs(t, response.Header)
	})
}

// The application's own values are kept, those set before the headers go out and those
// that an outer handler changes at that moment.
func TestOthersHeaders(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server-Timing", "db;dur=53")
		w.Header().Add("Server-Timing", "cache;desc=hit")
		w.Header().Set("Timing-Allow-Origin", "https://shop.example")
		_, _ = io.WriteString(w, "x")
	})
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Server-Timing", "outer")
			next.ServeHTTP(&mutating{ResponseWriter: w}, r)
		})
	}
	s, client := serve(t, outer(traced(span, throughline.Wrap(inner))), false)
	header := get(t, client, http.MethodGet, s.URL).Header
	wantOurs(t, header)
	values := header.Values("Server-Timing")
	if len(values) != 4 || values[0] != "db;dur=53" || values[1] != "cache;desc=hit" || values[3] != "late" {
		t.Errorf("Server-Timing = %q", values)
	}
	if got := header.Values("Timing-Allow-Origin"); !slices.Equal(got, []string{"https://shop.example", "https://late.example"}) {
		t.Errorf("Timing-Allow-Origin = %q", got)
	}
}

// mutating changes headers at the moment they go out.
type mutating struct{ http.ResponseWriter }

func (m *mutating) Write(p []byte) (int, error) {
	m.Header().Add("Server-Timing", "late")
	m.Header().Add("Timing-Allow-Origin", "https://late.example")
	return m.ResponseWriter.Write(p)
}

// Headers of one response are not those of another, whatever a handler does to them.
func TestNothingIsShared(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	h := traced(span, throughline.Wrap(hello))
	seen := make(map[int32]bool)
	for range 100 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		wantOurs(t, w.Header())
		if got := w.Header().Get("Timing-Allow-Origin"); got != "*" {
			t.Fatalf("Timing-Allow-Origin = %q", got)
		}
		seen[*servertiming.Read(w.Header().Values("Server-Timing")...).ResponseID] = true
		w.Header()["Timing-Allow-Origin"][0] = "changed"
		w.Header()["Server-Timing"][0] = "changed"
	}
	if len(seen) != 100 {
		t.Errorf("100 responses had %d response ids", len(seen))
	}
}

func TestEmptyTimingAllowOrigin(t *testing.T) {
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	h := traced(span, throughline.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Timing-Allow-Origin"] = nil // as in net/http: an entry without values suppresses a header
		w.WriteHeader(http.StatusOK)
	})))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if got := w.Result().Header.Values("Timing-Allow-Origin"); len(got) != 0 {
		t.Errorf("Timing-Allow-Origin = %q", got)
	}
}

func TestEntries(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries servertiming.Entries
		flags   trace.TraceFlags
		want    string
	}{
		{"traceparent", servertiming.Traceparent, trace.FlagsSampled, `traceparent;desc="00-` + traceID + "-" + spanID + `-01"`},
		{"not sampled", servertiming.DtSInfo | servertiming.Trace, 0, `dtSInfo;desc="0", trace;desc=00-` + traceID + "-" + spanID + "-00"},
		{"none", servertiming.NoEntries, trace.FlagsSampled, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := throughline.Middleware{Entries: tt.entries}
			h := traced(&testSpan{sc: spanContext(t, tt.flags, "")}, m.Wrap(hello))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if got := strings.Join(w.Header().Values("Server-Timing"), "|"); got != tt.want {
				t.Errorf("Server-Timing = %s, want %s", got, tt.want)
			}
		})
	}
}

// The server's clock in the header is that of the moment when the headers went out.
func TestNow(t *testing.T) {
	before := time.Now()
	w := httptest.NewRecorder()
	span := &testSpan{sc: spanContext(t, trace.FlagsSampled, "")}
	traced(span, throughline.Wrap(hello)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	now := servertiming.Read(w.Header().Values("Server-Timing")...).Now
	if low, high := float64(before.UnixMicro()-1)/1e3, float64(time.Now().UnixMicro()+1)/1e3; now < low || now > high {
		t.Errorf("now = %f, want %f to %f", now, low, high)
	}
}

// warnings collects what OnWarning is told.
type warnings struct {
	mu  sync.Mutex
	all []error
}

func (w *warnings) add(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, err)
}

// Without a span of this process nothing is added, and that is said once.
func TestNoSpan(t *testing.T) {
	remote := spanContext(t, trace.FlagsSampled, dtrMember)
	for name, ctx := range map[string]context.Context{
		"none":             t.Context(),
		"only remote":      remoteOnly(t.Context(), remote),
		"invalid":          trace.ContextWithSpan(t.Context(), &testSpan{}),
		"tracing disabled": trace.ContextWithSpan(t.Context(), &testSpan{sc: remote.WithRemote(true)}),
	} {
		t.Run(name, func(t *testing.T) {
			var told warnings
			m := throughline.Middleware{OnWarning: told.add}
			h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusTeapot)
			}))
			for range 3 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
				if w.Code != http.StatusTeapot || len(w.Header()) != 0 {
					t.Errorf("status %d, headers %v", w.Code, w.Header())
				}
			}
			if len(told.all) != 1 || !errors.Is(told.all[0], throughline.ErrNoSpan) {
				t.Errorf("warnings = %v", told.all)
			}
		})
	}
}

// Where nobody asked to be told, the server's own log says it.
func TestWarningInServerLog(t *testing.T) {
	var text bytes.Buffer
	s := httptest.NewUnstartedServer(throughline.Wrap(hello))
	s.Config.ErrorLog = log.New(&text, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	for range 3 {
		get(t, s.Client(), http.MethodGet, s.URL)
	}
	s.Close() // no handler writes to the log any more
	if got := text.String(); got != throughline.ErrNoSpan.Error()+"\n" {
		t.Errorf("log = %q", got)
	}
}

// What is skipped is served as without the middleware, by the very writer.
func TestSkip(t *testing.T) {
	var told warnings
	m := throughline.Middleware{
		Skip:      func(r *http.Request) bool { return r.URL.Path == "/healthz" },
		OnWarning: told.add,
	}
	var given http.ResponseWriter
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { given = w }))
	for path, skipped := range map[string]bool{"/healthz": true, "/": false} {
		span := &testSpan{sc: spanContext(t, trace.FlagsSampled, dtrMember)}
		w := httptest.NewRecorder()
		traced(span, h).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if (given == w) != skipped {
			t.Errorf("%s was served by a %T", path, given)
		}
		if !skipped {
			wantOurs(t, w.Header())
		} else if attributes := span.recorded(); len(w.Header()) != 0 || len(attributes) != 0 {
			t.Errorf("%s: header %v, attributes %v", path, w.Header(), attributes)
		}
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
	if len(told.all) != 0 {
		t.Errorf("warnings of a skipped request without a span: %v", told.all)
	}
}

func TestFrontendLink(t *testing.T) {
	const other = "11111111-22222222@dtr=" // another tenant
	value := strings.TrimPrefix(dtrMember, "7468726f-75676800@dtr=")
	link := map[string]string{
		"frontend.link.session.id":      "VAELUWHBCWKLNEOKJHEPMSKMITTKOBUT-0",
		"frontend.link.rum.instance.id": "1777270045450K7QJCFPI7NLPJ913DJBJK2MLMAS2UG2F",
		"frontend.link.span.id":         "97039bf817c8584a",
	}
	candidate := map[string]string{"frontend.link.is_linking_candidate": "true"}
	for _, tt := range []struct {
		name       string
		tenant     tracecontext.Tenant
		tracestate string
		flags      trace.TraceFlags
		want       map[string]string
		warning    error
	}{
		{name: "ours", tracestate: dtrMember, flags: 1, want: link},
		{name: "ours among others", tracestate: "rojo=1," + other + "1;x," + dtrMember, flags: 1, want: link},
		{name: "tenant configured", tenant: "11111111-22222222", tracestate: dtrMember + "," + other + value, flags: 1, want: link},
		{name: "another tenant", tracestate: other + value, flags: 1, want: candidate},
		{name: "none", flags: 1, want: candidate},
		{name: "not recording", tracestate: dtrMember},
		{name: "malformed", tracestate: "7468726f-75676800@dtr=1;x", flags: 1, want: candidate, warning: tracecontext.ErrDtr},
		{name: "unknown version", tracestate: "7468726f-75676800@dtr=2;x", flags: 1, want: candidate, warning: tracecontext.ErrDtrVersion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var told warnings
			m := throughline.Middleware{Tenant: tt.tenant, OnWarning: told.add}
			h := m.Wrap(hello)
			for range 2 {
				span := &testSpan{sc: spanContext(t, tt.flags, tt.tracestate)}
				w := httptest.NewRecorder()
				traced(span, h).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				wantOurs(t, w.Header())
				got := span.recorded()
				if len(got) != len(tt.want) {
					t.Errorf("attributes = %v, want %v", got, tt.want)
				}
				for key, want := range tt.want {
					if got[key] != want {
						t.Errorf("%s = %q, want %q", key, got[key], want)
					}
				}
			}
			if tt.warning == nil && len(told.all) != 0 || tt.warning != nil && (len(told.all) != 1 || !errors.Is(told.all[0], tt.warning)) {
				t.Errorf("warnings = %v, want %v once", told.all, tt.warning)
			}
		})
	}
}

func TestMalformedTenant(t *testing.T) {
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, tracecontext.ErrTenant) {
			t.Errorf("panic = %v", err)
		}
	}()
	m := throughline.Middleware{Tenant: "foo"}
	m.Wrap(hello)
}

// One handler serves many requests at once, each with its own span.
func TestConcurrentRequests(t *testing.T) {
	m := throughline.Middleware{OnWarning: func(error) {}}
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			ctx := t.Context()
			if i%5 != 0 {
				ctx = trace.ContextWithSpan(ctx, &testSpan{sc: spanContext(t, trace.FlagsSampled, dtrMember)})
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			if got := len(w.Header().Values("Server-Timing")); got != min(i%5, 1) {
				t.Errorf("%d Server-Timing fields", got)
			}
		})
	}
	wg.Wait()
}

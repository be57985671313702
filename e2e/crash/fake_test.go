package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// fakeSetting makes this test's own binary a server that keeps its word, or breaks
// it in a way that the setting names.
const fakeSetting = "CRASH_TEST_SERVER"

// The fake server's characters.
const (
	honest    = "honest"
	forgetful = "forgetful" // acknowledges now and then what it does not keep
	repeating = "repeating" // keeps what comes again once more
	undecided = "undecided" // leaves requests without a verdict
	heedless  = "heedless"  // goes on applying while the gate of its store is shut
	stalling  = "stalling"  // acknowledges nothing meanwhile
)

func TestMain(m *testing.M) {
	if character := os.Getenv(fakeSetting); character != "" {
		fmt.Fprintln(os.Stderr, serveFake(character, os.Args))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestHarnessTellsLiarsFromHonest: the whole harness passes a server that keeps what
// it acknowledges, and fails those that do not.
func TestHarnessTellsLiarsFromHonest(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ mode, character, told string }{
		{modeKill, honest, ""},
		{modeKill, forgetful, "lost: "},
		{modeKill, repeating, "doubled: "},
		{modeKill, undecided, "pending: "},
		{modeBlocked, honest, ""},
		{modeBlocked, heedless, "does not heed"},
		{modeBlocked, stalling, "nothing was acknowledged"},
	} {
		t.Run(test.mode+" "+test.character, func(t *testing.T) {
			t.Setenv(fakeSetting, test.character)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			folder := t.TempDir()
			var out bytes.Buffer
			args := []string{"-mode", test.mode, "-rounds", "4", "-seed", "7", "-load", "100ms", "-block", "2s", "-senders", "2", "-patience", "1s", "-dir", folder}
			err := run(ctx, args, &out, func(string) string { return self })
			if (err == nil) != (test.told == "") || !strings.Contains(out.String(), test.told) {
				t.Errorf("error %v, want one: %v; want %q told in\n%s", err, test.told != "", test.told, &out)
			}
			if left, err := filepath.Glob(folder + "/*/*"); err != nil || (len(left) > 0) != (test.told != "") {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// fakeServer keeps a line for each item in one file of its data folder.
type fakeServer struct {
	character string

	mu   sync.Mutex
	file *os.File
	has  map[string]bool // lines
	n    int

	view  *fakeAPI // of what is applied; nil: nothing yet
	stale bool     // more is on disk
}

// fakeItem is a request or a span.
type fakeItem struct {
	Request string `json:",omitempty"`
	Span    string `json:",omitempty"`
	Trace   string
	Parent  string // of a request: the span id that it carried
	Start   time.Time
}

// serveFake is `throughline serve` as far as the harness needs it; it returns on a
// failure only.
func serveFake(character string, args []string) error {
	data := ""
	for i, a := range args[:len(args)-1] {
		if a == "--data" {
			data = args[i+1]
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(data, "items"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s := &fakeServer{character: character, file: file, has: map[string]bool{}}
	for _, line := range s.lines() {
		s.has[key(line)] = true
	}
	var listeners [3]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	g := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(g, &fakeGRPC{s: s})
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listeners[0], http.HandlerFunc(s.main)) }()
	go func() { failed <- http.Serve(listeners[1], http.HandlerFunc(s.otlp)) }()
	go func() { failed <- g.Serve(listeners[2]) }()
	go func() {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		<-asked
		os.Exit(0)
	}()
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("ready", "ui", "http://"+listeners[0].Addr().String(),
		"otlp_http", "http://"+listeners[1].Addr().String(), "otlp_grpc", listeners[2].Addr().String())
	return <-failed
}

// lines returns the items on disk, without a line that a kill cut off.
func (s *fakeServer) lines() (items []fakeItem) {
	text, _ := os.ReadFile(s.file.Name())
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var i fakeItem
		if json.Unmarshal(lines.Bytes(), &i) == nil {
			items = append(items, i)
		}
	}
	return items
}

// gated reports whether the store's gate is shut.
func gated() bool {
	_, err := os.Stat(os.Getenv(storeGate))
	return err == nil
}

func key(i fakeItem) string { return i.Request + i.Trace + i.Span }

// keep puts items on disk by one write, which a kill does not tear.
func (s *fakeServer) keep(items []fakeItem) error {
	for look := time.NewTicker(10 * time.Millisecond); s.character == stalling && gated(); {
		<-look.C
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; s.character == forgetful && s.n%3 == 0 {
		return nil
	}
	var text bytes.Buffer
	for _, i := range items {
		if s.has[key(i)] && s.character != repeating {
			continue
		}
		s.has[key(i)] = true
		line, err := json.Marshal(i)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	s.stale = true
	_, err := s.file.Write(text.Bytes())
	return err
}

func (s *fakeServer) main(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/beacon" {
		s.api().ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b, err := beacon.Decode(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var items []fakeItem
	for _, q := range b.Requests {
		items = append(items, fakeItem{Request: hex.EncodeToString(q.ID[:]), Trace: q.TraceID.String(), Parent: q.SpanID.String(), Start: b.Time(q.Start)})
	}
	if err := s.keep(items); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"accepted":%d,"rejected":{}}`, len(items))
}

// api returns what the items amount to.
func (s *fakeServer) api() http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view != nil && (!s.stale || s.character != heedless && gated()) {
		return s.view
	}
	s.stale = false
	f := &fakeAPI{spans: map[string][]string{}}
	s.view = f
	children := map[string]string{} // span ids by parent
	items := s.lines()
	for _, i := range items {
		if i.Span != "" {
			f.spans[i.Trace] = append(f.spans[i.Trace], i.Span)
			children[i.Parent] = i.Span
		}
	}
	for _, i := range items {
		if i.Request == "" {
			continue
		}
		row := fakeRow{ID: i.Request, Start: i.Start, Status: "unlinked", sent: i.Trace}
		if child := children[i.Parent]; child != "" {
			row.Status, row.Trace, row.Span = "linked", i.Trace, child
		}
		if s.character == undecided {
			row.Status = "pending"
		}
		f.requests = append(f.requests, row)
	}
	return f
}

func (s *fakeServer) otlp(w http.ResponseWriter, r *http.Request) {
	from := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(from)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = z
	}
	body, err := io.ReadAll(from)
	if err != nil {
		return
	}
	export, answer := ptraceotlp.NewExportRequest(), ptraceotlp.NewExportResponse()
	unmarshal, marshal := export.UnmarshalProto, answer.MarshalProto
	if r.Header.Get("Content-Type") == "application/json" {
		unmarshal, marshal = export.UnmarshalJSON, answer.MarshalJSON
	}
	if err := errors.Join(unmarshal(body), s.keepSpans(export.Traces())); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, _ := marshal()
	w.Write(text)
}

func (s *fakeServer) keepSpans(td ptrace.Traces) error {
	var items []fakeItem
	for _, of := range td.ResourceSpans().All() {
		for _, scope := range of.ScopeSpans().All() {
			for _, sp := range scope.Spans().All() {
				items = append(items, fakeItem{Span: sp.SpanID().String(), Trace: sp.TraceID().String(), Parent: sp.ParentSpanID().String()})
			}
		}
	}
	return s.keep(items)
}

type fakeGRPC struct {
	ptraceotlp.UnimplementedGRPCServer
	s *fakeServer
}

func (g *fakeGRPC) Export(_ context.Context, export ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), g.s.keepSpans(export.Traces())
}

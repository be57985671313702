package subject

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

func TestSpansAreCountedInEveryAnswer(t *testing.T) {
	id := tracecontext.TraceID{15: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/traces/"+id.String(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"rows":[{"type":"request"},{"type":"span"},{"type":"span"}]}`))
	})
	mux.HandleFunc("/api/traces/"+id.String(), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"data":[{"spans":[{},{},{}]}]}`))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "spans")
	if err := os.WriteFile(file, append(append([]byte("x"), id[:]...), id[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		s     Server
		query string
		want  int
	}{
		{"ours", Server{countSpans: spansOfOurs}, server.URL, 2},
		{"Jaeger", Server{countSpans: spansOfJaeger}, server.URL, 3},
		{"file", Server{countSpans: spansInFile}, file, 2},
	} {
		r := &Running{Server: &c.s, QueryURL: c.query, Client: server.Client()}
		if n, err := r.Spans(t.Context(), id); n != c.want || err != nil {
			t.Errorf("%s: %d spans, %v; want %d", c.name, n, err, c.want)
		}
		if n, err := r.Spans(t.Context(), tracecontext.TraceID{15: 2}); n != 0 || err != nil {
			t.Errorf("%s: %d spans of a trace that is not there, %v", c.name, n, err)
		}
	}
}

func TestEveryRivalCanBeStarted(t *testing.T) {
	for _, r := range Rivals() {
		addresses, err := freeAddresses(t.Context(), r.ports)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.configure(t.TempDir(), addresses)
		if err != nil || c.ready == "" || len(c.args) == 0 || (c.eventURL == "") == r.Beacons {
			t.Errorf("%s: %+v, %v", r.Name, c, err)
		}
		if (r.Missing == "") == (r.Folder == "") {
			t.Errorf("%s: it is either built or says why not", r.Name)
		}
		if r.Folder != "" {
			if _, err := os.Stat(filepath.Join("..", "..", "rivals", r.Folder, "go.mod")); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestAServerThatEndsIsNotReady(t *testing.T) {
	s := Server{Name: "none", Binary: "false", configure: func(string, []string) (setup, error) {
		return setup{ready: "http://127.0.0.1:1/"}, nil
	}}
	if _, err := s.Start(t.Context(), t.TempDir()); err == nil {
		t.Error("no error")
	}
}

package backends

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// applicationID is the rum.application.id of every application here; each test
// has a server of its own.
// firstParty is the path under which the proxy serves the agent.
const firstParty = "/.throughline/"

const applicationID = "745a78fe5b6e57f6"

// rig is a server, and a proxy that stands before an application.
type rig struct {
	server string // origin of the UI, the API and the agent
	otlp   string // origin of OTLP/HTTP
	proxy  string // origin of the application as visitors see it
}

// proxyService is the service.name of the proxy's spans.
const proxyService = "front-door"

func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("THROUGHLINE_BINARY")
	if path == "" {
		t.Fatal("THROUGHLINE_BINARY does not name the built binary; run: make e2e")
	}
	return path
}

// serve starts a server that soon says what became of a link.
func serve(t *testing.T) *rig {
	t.Helper()
	said := start(t, command{
		ready: regexp.MustCompile(`msg=ready ui=(\S+) otlp_http=(\S+)`),
		args: []string{binary(t), "serve", "--listen=127.0.0.1:0", "--otlp-http=127.0.0.1:0", "--otlp-grpc=127.0.0.1:0",
			"--data=" + filepath.Join(t.TempDir(), "data"), "--link-wait=10s", "--link-interval=100ms"},
	})
	return &rig{server: said[0], otlp: said[1]}
}

// behind puts the proxy in front of the application at a URL.
func (r *rig) behind(t *testing.T, upstream string) {
	t.Helper()
	said := start(t, command{
		ready: regexp.MustCompile(`msg=ready proxy=(\S+)`),
		args: []string{binary(t), "proxy", "--upstream=" + upstream, "--listen=127.0.0.1:0", "--service=" + proxyService,
			"--otlp=" + r.otlp, "--server=" + r.server, "--application=" + applicationID},
	})
	r.proxy = said[0]
}

// testdata returns the absolute path of a file of the applications.
func testdata(t *testing.T, path ...string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

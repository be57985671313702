package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAnswersGolden holds the answer to each question against a file, byte by byte but for the indent.
func TestAnswersGolden(t *testing.T) {
	s := serve(t, shop(t))
	for name, path := range map[string]string{
		"annotations":      "annotations",
		"applications":     "applications",
		"coverage":         "coverage?from=-2h&step=1h",
		"coverage_by":      "coverage?from=-90m&to=-30m&by=reason&filter=kind:fetch,xhr",
		"endpoints":        "endpoints?from=-2h",
		"errors":           "errors",
		"errors_of_one":    "errors/0000000000000077",
		"explanations":     "explanations",
		"facets":           "requests/facets?fields=status,server.address,code,browser",
		"hosts":            "hosts",
		"page":             "pages/" + pageID,
		"pages":            "pages?filter=browser:Chrome",
		"request":          "requests/0000000000000001",
		"request_unlinked": "requests/0000000000000004",
		"requests":         "requests?limit=2",
		"service_map":      "service-map",
		"services":         "services",
		"session":          "sessions/S-0",
		"session_timeline": "sessions/S-0/timeline",
		"sessions":         "sessions?filter=host:shop.example,partner.example",
		"span_frontend":    "spans/" + traceID.String() + "/" + inner.String() + "/frontend",
		"trace":            "traces/" + traceID.String(),
		"traces":           "traces?service=shop&min_duration=50ms",
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := s.Client().Get(s.URL + "/api/v1/" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			raw, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("GET %s: %d, %v: %s", path, resp.StatusCode, err, raw)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, raw, "", "  "); err != nil {
				t.Fatal(err)
			}
			checkGolden(t, filepath.Join("testdata", "answers", name+".json"), got.Bytes())
		})
	}
}

func checkGolden(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(golden), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: if the change is meant, run make generate (-want +got):\n%s", golden, diff)
	}
}

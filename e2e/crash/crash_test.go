package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// TestThreeRounds kills the real binary three times.
func TestThreeRounds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	folder := t.TempDir()
	var out bytes.Buffer
	err := run(ctx, []string{"-mode", "kill", "-rounds", "3", "-load", "500ms", "-senders", "4", "-dir", folder}, &out, os.Getenv)
	t.Logf("\n%s", &out)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("%v was left behind", left)
	}
}

func TestFlagsThatCannotBeUsed(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-senders", "0"}, {"-load", "1ms"}, {"-disk", "1"}, {"-mode", "flood"}, {"-nothing"}} {
		err := run(t.Context(), args, new(bytes.Buffer), func(string) string { return "/nowhere" })
		if err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	err := run(t.Context(), nil, new(bytes.Buffer), func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "THROUGHLINE_BINARY") {
		t.Errorf("no binary: %v", err)
	}
}

// A binary that does not start is a failure, and the data is kept.
func TestBinaryThatDoesNotStart(t *testing.T) {
	folder := t.TempDir()
	var out bytes.Buffer
	err := run(t.Context(), []string{"-mode", "kill", "-rounds", "1", "-dir", folder}, &out, func(string) string { return "/bin/false" })
	if err == nil || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "-seed") {
		t.Errorf("error %v, want one that names the folder and the seed", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v; want the run's folder", left, err)
	}
}

func TestReadyLine(t *testing.T) {
	const line = `time=2026-01-02T03:04:05.678Z level=INFO msg=ready ui=http://127.0.0.1:1001 otlp_http=http://127.0.0.1:1002 otlp_grpc=127.0.0.1:1003 data=/tmp/x`
	want := addresses{"http://127.0.0.1:1001", "http://127.0.0.1:1002", "127.0.0.1:1003"}
	if got, ok := parseReady(line); !ok || got != want || !readyLine.MatchString(line) {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := parseReady("msg=ready ui=http://127.0.0.1:1001"); ok {
		t.Error("a line without all addresses was taken")
	}
}

// TestSeedRepeats: the same seed makes the same payloads, ids included.
func TestSeedRepeats(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(1777270045450) }
	a, b := generator{rng: newRand(7, 8), now: now}, generator{rng: newRand(7, 8), now: now}
	other := generator{rng: newRand(7, 9), now: now}
	for range 100 {
		x, y := a.next(), b.next()
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("%+v\n%+v", x, y)
		}
		if reflect.DeepEqual(x, other.next()) {
			t.Fatal("another stream makes the same payload")
		}
	}
}

// TestPayloadsAreGood: a server has no reason to reject anything of them.
func TestPayloadsAreGood(t *testing.T) {
	g := generator{rng: newRand(1, 1), now: time.Now, pad: 100}
	beacons, exports := 0, 0
	for range 200 {
		p := g.next()
		if len(p.spans) > 0 {
			exports++
			if n := p.export().Traces().SpanCount(); n != len(p.spans) {
				t.Errorf("%d spans, want %d", n, len(p.spans))
			}
			continue
		}
		beacons++
		body, err := p.beacon(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b, err := beacon.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Requests) != len(p.events) || len(b.Rejected) > 0 {
			t.Errorf("%d of %d events, rejected %v", len(b.Requests), len(p.events), b.Rejected)
		}
	}
	if beacons == 0 || exports == 0 {
		t.Errorf("%d beacons, %d exports", beacons, exports)
	}
}

// TestRefusalsAreChecked: a refusal without a time to wait breaks the contract.
func TestRefusalsAreChecked(t *testing.T) {
	tests := map[string]struct {
		status     int
		retryAfter string
		body       string
		want       result
		faulty     bool
	}{
		"accepted":                {202, "", `{"accepted":1,"rejected":{}}`, acknowledged, false},
		"accepted in part":        {202, "", `{"accepted":0,"rejected":{"bad_id":1}}`, acknowledged, true},
		"refused":                 {503, "5", "{}", refused, false},
		"limited":                 {429, "1", "{}", refused, false},
		"refused without a time":  {503, "", "{}", refused, true},
		"refused with a bad time": {503, "soon", "{}", refused, true},
		"limited without a time":  {429, "", "{}", refused, true},
		"good data called bad":    {400, "", "{}", refused, true},
	}
	p := &payload{origin: time.Now(), events: []event{{id: "00000000000000a1"}}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer srv.Close()
			c, err := newClient(addresses{ui: srv.URL, otlpGRPC: "127.0.0.1:1"}, func() bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			o := c.send(t.Context(), p, beaconWay)
			if o.result != test.want || (o.fault != "") != test.faulty {
				t.Errorf("outcome %+v, want result %v, faulty %v", o, test.want, test.faulty)
			}
		})
	}
}

package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-rum/throughline/server/internal/api"
)

// ready asks a handler with checks whether it is ready.
func ready(t *testing.T, h http.Handler) (status int, body api.Readiness, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	return w.Code, body, w.Body.String()
}

func withChecks(t *testing.T, onError func(error), checks ...api.Check) http.Handler {
	t.Helper()
	h, err := api.New(api.Config{Beacon: http.NotFoundHandler(), Metrics: http.NotFoundHandler(), Checks: checks, OnError: onError})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func well(context.Context) error { return nil }

func TestReadyzTellsTheReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged error
		full := &api.CheckError{Detail: "3 MiB are free", Hint: "free some"}
		h := withChecks(t, func(err error) { logged = err },
			api.Check{Name: "store", Run: well},
			api.Check{Name: "disk", Run: func(context.Context) error { return full }},
			api.Check{Name: "journal", Run: func(context.Context) error { return errors.New("no such file /secret/path") }})
		status, body, text := ready(t, h)
		want := api.Readiness{Status: "not ready", Checks: []api.CheckResult{
			{Name: "store", OK: true},
			{Name: "disk", Detail: "3 MiB are free", Hint: "free some"},
			{Name: "journal", Detail: "it does not work", Hint: "the server's log says why"},
		}}
		if status != http.StatusServiceUnavailable || !reflect.DeepEqual(body, want) {
			t.Errorf("answered %d, %+v", status, body)
		}
		if strings.Contains(text, "/secret") || logged == nil || !strings.Contains(logged.Error(), "/secret") {
			t.Errorf("answered %s, logged %v", text, logged)
		}
	})
}

func TestReadyzIsReadyAndAsksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := withChecks(t, failOn(t), api.Check{Name: "store", Run: func(context.Context) error { asked.Add(1); return nil }})
		for range 100 {
			if status, body, _ := ready(t, h); status != http.StatusOK || body.Status != "ready" {
				t.Fatalf("answered %d, %+v", status, body)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the check ran %d times within a second", n)
		}
		<-time.After(time.Second)
		ready(t, h)
		if n := asked.Load(); n != 2 {
			t.Errorf("the check ran %d times after a second", n)
		}
	})
}

// A check that hangs is told as one, is not started again, and may recover.
func TestReadyzWhenACheckHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var asked atomic.Int32
		h := withChecks(t, failOn(t),
			api.Check{Name: "store", Run: func(context.Context) error { asked.Add(1); <-release; return nil }},
			api.Check{Name: "disk", Run: well})
		for range 3 {
			before := time.Now()
			status, body, _ := ready(t, h)
			if status != http.StatusServiceUnavailable || body.Checks[0].OK || body.Checks[0].Hint == "" || !body.Checks[1].OK {
				t.Errorf("answered %d, %+v", status, body)
			}
			if took := time.Since(before); took > 2*time.Second {
				t.Errorf("the answer took %v", took)
			}
			<-time.After(time.Second)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the check was started %d times while it hung", n)
		}
		close(release)
		synctest.Wait()
		if status, body, _ := ready(t, h); status != http.StatusOK {
			t.Errorf("answered %d, %+v", status, body)
		}
	})
}

func failOn(t *testing.T) func(error) {
	t.Helper()
	return func(err error) { t.Errorf("the server reports: %v", err) }
}

package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// The times of readiness.
const (
	checkTimeout = 2 * time.Second // for one check
	checkedFor   = time.Second     // an answer holds, so that asking often costs little
)

// Check is something without which the server is not ready.
type Check struct {
	Name string // one word
	// Run returns nil where all is well. A *CheckError says to everybody what is
	// wrong; any other error is told to Config.OnError only.
	Run func(ctx context.Context) error
}

// CheckError is a reason for not being ready. Its texts are shown to whoever
// asks, so they name no path, address or id.
type CheckError struct{ Detail, Hint string }

// Error returns the detail.
func (e *CheckError) Error() string { return e.Detail }

// CheckResult is what became of a check.
type CheckResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// Readiness is the body of the answer to GET /readyz.
type Readiness struct {
	Status string        `json:"status"` // "ready" or "not ready"
	Checks []CheckResult `json:"checks"`
}

// readiness answers GET /readyz.
type readiness struct {
	checks  []Check
	onError func(error)

	mu      sync.Mutex
	answer  Readiness
	at      time.Time          // of the answer
	running []chan CheckResult // of checks that have not answered yet, by index; nil: none
}

func newReadiness(c Config) *readiness {
	return &readiness{checks: c.Checks, onError: c.OnError, running: make([]chan CheckResult, len(c.Checks))}
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	answer := r.ask()
	status := http.StatusOK
	if answer.Status != "ready" {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, answer)
}

// ask runs the checks at once, or gives the last answer where it is fresh.
func (r *readiness) ask() Readiness {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < checkedFor {
		return r.answer
	}
	// Not the request's context: the answer is for everybody who asks.
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	for i := range r.checks {
		if r.running[i] == nil { // else the last one hangs, and a second would too
			r.running[i] = make(chan CheckResult, 1)
			go func(done chan<- CheckResult) { done <- r.run(ctx, r.checks[i]) }(r.running[i])
		}
	}
	r.answer = Readiness{Status: "ready", Checks: make([]CheckResult, len(r.checks))}
	for i := range r.checks {
		r.answer.Checks[i] = r.await(ctx, i)
		if !r.answer.Checks[i].OK {
			r.answer.Status = "not ready"
		}
	}
	r.at = time.Now()
	return r.answer
}

// await returns what becomes of a check that runs, within ctx.
func (r *readiness) await(ctx context.Context, i int) CheckResult {
	select {
	case result := <-r.running[i]:
		r.running[i] = nil
		return result
	default:
	}
	select {
	case result := <-r.running[i]:
		r.running[i] = nil
		return result
	case <-ctx.Done():
		return CheckResult{Name: r.checks[i].Name, Detail: "no answer within " + checkTimeout.String(), Hint: "the server may be short of CPU or its disk slow"}
	}
}

func (r *readiness) run(ctx context.Context, c Check) CheckResult {
	result := CheckResult{Name: c.Name}
	err := c.Run(ctx)
	known, ok := errors.AsType[*CheckError](err)
	switch {
	case err == nil:
		result.OK = true
	case ok:
		result.Detail, result.Hint = known.Detail, known.Hint
	default:
		if ctx.Err() == nil {
			r.onError(err)
		}
		result.Detail, result.Hint = "it does not work", "the server's log says why"
	}
	return result
}

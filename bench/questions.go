package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/subject"
	"github.com/throughline-rum/throughline/bench/internal/table"
)

// question is a question that is asked many times.
type question struct {
	name   string
	url    func() string // of the next time
	holds  string        // what every answer has in it
	newer  bool          // builds that do not know it answer 404
	times  int
	judge  float64 // the percentile that has a target
	target time.Duration
}

// questions are those that a user of the UI asks. Ids are drawn from the stock.
func (b *bench) questions(r *subject.Running, s *stock) []question {
	rnd := rand.New(rand.NewPCG(9, 9)) //nolint:gosec // repeatable on purpose
	api := r.QueryURL + "/api/v1"
	to := time.Now().Add(time.Hour)
	between := func(path string, from time.Time) func() string {
		return func() string {
			return api + path + "?" + url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}.Encode()
		}
	}
	lastDay := s.From.Add((storeDays - 1) * 24 * time.Hour) // the stock's last, however old it is
	always := func(path string) func() string { return func() string { return api + path } }
	return []question{
		{"trace by id", func() string {
			request, _ := s.random(rnd)
			return api + "/traces/" + request.TraceID.String()
		}, `"span"`, false, 300, 99, targetTrace},
		{"session timeline", func() string {
			_, session := s.random(rnd)
			return api + "/sessions/" + url.PathEscape(session) + "/timeline"
		}, "", true, 200, 95, targetSession},
		{"one request with its waterfall", func() string {
			request, _ := s.random(rnd)
			return api + "/requests/" + request.ID.String()
		}, `"span"`, false, 100, 95, 0},
		{"list of requests, first page", always("/requests?limit=50"), `"link.status"`, false, 50, 95, 0},
		{"coverage, last day", between("/coverage", lastDay), "", true, 50, 95, targetLastDay},
		{"coverage, everything", between("/coverage", s.From), "", true, 20, 95, targetAll},
		{"endpoints, last day", between("/endpoints", lastDay), "", true, 50, 95, targetLastDay},
		{"endpoints, everything", between("/endpoints", s.From), "", true, 20, 95, targetAll},
	}
}

// ask asks a question and adds its row. One that this build does not know has a row that says so.
func (b *bench) ask(ctx context.Context, t *table.Table, r *subject.Running, live *live, q question) error {
	b.progress.say("asking: %s", q.name)
	var took table.Samples
	before, err := r.CPU()
	if err != nil {
		return err
	}
	failed := func(format string, args ...any) error {
		select {
		case <-r.Done():
			return fmt.Errorf("%s: the server ended; it printed: %s", q.name, r.LogTail())
		default:
		}
		t.Add(q.name, fmt.Sprintf("failed after %d answers: "+format, append([]any{len(took) - 1}, args...)...), "", table.Mark(false))
		return ctx.Err()
	}
	address := q.url()
	end := time.Now().Add(b.perMetric)
	for i := 0; i < q.times && time.Now().Before(end); i++ {
		if err := live.failed(); err != nil {
			return fmt.Errorf("the load: %w", err)
		}
		if i > 0 {
			address = q.url()
		}
		began := time.Now()
		status, body, err := r.Get(ctx, address)
		took = append(took, time.Since(began))
		switch {
		case err != nil:
			return failed("%v", err)
		case status == http.StatusNotFound && i == 0 && q.newer:
			t.Add(q.name, "not in this build")
			return nil
		case status != http.StatusOK:
			return failed("%s answered %d: %.200s", address, status, body)
		case !bytes.Contains(body, []byte(q.holds)):
			return failed("%s has no %s in its answer", address, q.holds)
		}
	}
	value := fmt.Sprintf("p50 %s, p%.0f %s (%d asked)", table.Time(took.Percentile(50)), q.judge, table.Time(took.Percentile(q.judge)), len(took))
	if b.rate == 0 { // else it would be that of the load
		after, err := r.CPU()
		if err != nil {
			return err
		}
		value += ", " + table.Time((after-before)/time.Duration(len(took))) + " of processor time each"
	}
	if q.target == 0 {
		t.Add(q.name, value, "-")
		return nil
	}
	t.Add(q.name, value, fmt.Sprintf("p%.0f %s", q.judge, table.Time(q.target)), table.Mark(took.Percentile(q.judge) <= q.target))
	return nil
}

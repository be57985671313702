package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/bench/internal/subject"
)

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-steps", "spans,store", "-bring", "A B@1.2=/x/a=b", "-bring", "C=c", "-rows", "5000"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(o.steps, "+"), "spans+store"; got != want {
		t.Errorf("steps %s, want %s", got, want)
	}
	if got, want := o.brought["A B"], (brought{"/x/a=b", "1.2"}); got != want {
		t.Errorf("brought %v, want %v", got, want)
	}
	if got := o.brought["C"]; !strings.HasSuffix(got.path, "/c") || got.version != "brought" {
		t.Errorf("brought %v", got)
	}
	for _, bad := range [][]string{{"-steps", "all"}, {"-rows", "1"}, {"-connections", "0"}, {"-bring", "x"}, {"more"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestPathsOfThisMachineAreNotShown(t *testing.T) {
	got := strings.Join(withoutFolders([]string{"-steps", "spans", "-data", "/var/tmp/filled", "-bring", "A, b@1=/opt/x/y", "-out=/a/b.md", "-server", "bin/throughline"}), " ")
	if want := `-steps spans -data filled -bring "A, b@1=y" -out=b.md -server bin/throughline`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestExportsAreAsManySpansAsWanted(t *testing.T) {
	const want = 3000
	all, err := exports(want, time.Date(2026, 4, 27, 6, 0, 0, 0, time.UTC), 1)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range all {
		total += all[i].Spans
	}
	if total < want || total > want+2*spansPerExport {
		t.Errorf("%d spans, want about %d", total, want)
	}
}

func TestServersTakeTurnsAndTheMedianCounts(t *testing.T) {
	b := &bench{options: options{count: 3}}
	rivals := []subject.Rival{{Server: subject.Server{Name: "good"}}, {Server: subject.Server{Name: "fails"}}, {Server: subject.Server{Name: "missing", Missing: "not served"}}}
	var order []string
	run := func(name string, items ...int) func() (cost, error) {
		i := 0
		return func() (cost, error) {
			order = append(order, name)
			i++
			return cost{items: items[i-1], cpu: time.Second}, nil
		}
	}
	good := run("good", 300, 100, 200)
	ours, theirs, err := b.inTurns(t.Context(), rivals, run("ours", 1, 3, 2), func(r *subject.Rival) (cost, error) {
		if r.Name == "fails" {
			return cost{}, errors.New("it ended")
		}
		return good()
	})
	if err != nil || ours.items != 2 || theirs[0].items != 200 || theirs[1].items != 0 || theirs[2].items != 0 {
		t.Errorf("%v, %v, %v", ours, theirs, err)
	}
	if got, want := strings.Join(order, " "), "ours good ours good ours good"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	if rivals[1].Missing != "failed: it ended" || rivals[2].Missing != "not served" {
		t.Errorf("%q, %q", rivals[1].Missing, rivals[2].Missing)
	}
}

func TestTheStockKnowsWhatItHolds(t *testing.T) {
	s := stock{Seed: 5, From: time.Date(2026, 4, 27, 6, 0, 0, 0, time.UTC), Sessions: 50}
	rnd := rand.New(rand.NewPCG(1, 1))
	sessions := map[string]bool{}
	for range 50 {
		r, session := s.random(rnd)
		if r.Spans == 0 || r.TraceID.IsZero() || session == "" {
			t.Fatalf("%+v of session %q", r, session)
		}
		sessions[session] = true
	}
	if len(sessions) < 10 {
		t.Errorf("only %d sessions are asked for", len(sessions))
	}
}

package store_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// TestPartsAddUp holds the parts of random requests against what they promise.
func TestPartsAddUp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	known := 0
	for range 10_000 {
		some := func() time.Duration { return time.Duration(rnd.IntN(12) - 1) }
		var r model.LinkedRequest
		r.Duration = some()
		r.Timing = model.ResourceTiming{
			RedirectStart: some(), RedirectEnd: some(), DomainLookupStart: some(), DomainLookupEnd: some(),
			ConnectStart: some(), ConnectEnd: some(), RequestStart: some(), ResponseStart: some(),
		}
		r.Link.Entry = model.EntryFacts{Start: time.Unix(1, 0), Duration: some()}
		p, ok := store.PartsOf(&r)
		switch {
		case !ok && p != store.Parts{}:
			t.Errorf("%+v: not known, and %+v", r, p)
		case ok && (p.Frontend < 0 || p.Network < 0 || p.Backend < 0 || p.Frontend+p.Network+p.Backend != r.Duration):
			t.Errorf("%+v: %+v do not add up", r, p)
		case ok:
			known++
		}
	}
	if known == 0 {
		t.Error("no request's time is known")
	}
}

func TestStepStart(t *testing.T) {
	for _, tc := range []struct {
		at, want time.Time
		step     time.Duration
	}{
		{time.Unix(59, 999_999_999), time.Unix(0, 0), time.Minute},
		{time.Unix(60, 0), time.Unix(60, 0), time.Minute},
		{time.Unix(0, -1), time.Unix(-60, 0), time.Minute},
		{time.Unix(-60, 0), time.Unix(-60, 0), time.Minute},
		{time.Unix(-60, -1), time.Unix(-120, 0), time.Minute},
		{time.Unix(5, 7), time.Unix(5, 7), 1},
	} {
		if got := store.StepStart(tc.at, tc.step); !got.Equal(tc.want) || got.Location() != time.UTC {
			t.Errorf("the step of %v in %v starts at %v, want %v", tc.at, tc.step, got, tc.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var none store.Buckets
	if got := none.Quantile(50); got != 0 {
		t.Errorf("of none: %v", got)
	}
	b := store.Buckets{0: 1, 10: 2, model.MaxDurationBucket: 1}
	for percent, want := range map[int64]int16{1: 0, 25: 0, 26: 10, 50: 10, 75: 10, 76: model.MaxDurationBucket, 100: model.MaxDurationBucket} {
		if got := b.Quantile(percent); got != model.BucketDuration(want) {
			t.Errorf("the %d %% quantile is %v, want that of bucket %d", percent, got, want)
		}
	}
}

func TestContainsFold(t *testing.T) {
	for _, tc := range []struct {
		text, part string
		want       bool
	}{
		{"Cart", "cART", true}, {"", "", true}, {"x", "", true}, {"", "x", false},
		{"ЩУКА", "щука", true}, {"Größe", "GRÖSSE", false}, {"a%b", "%", true}, {"ab", "_", false},
	} {
		if got := store.ContainsFold(tc.text, tc.part); got != tc.want {
			t.Errorf("%q contains %q: %v", tc.text, tc.part, got)
		}
	}
}

// TestFields holds what is known of each field together.
func TestFields(t *testing.T) {
	seen := map[store.Field]bool{}
	for _, f := range store.Fields() {
		if seen[f] {
			t.Errorf("%s is listed twice", f)
		}
		seen[f] = true
		if !f.OfRequest() && !f.OfNavigation() && !f.OfError() {
			t.Errorf("%s is a field of nothing", f)
		}
		if f.IsFacet() && !f.OfRequest() {
			t.Errorf("requests are counted by %s, which they have not", f)
		}
	}
}

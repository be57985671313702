package query

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/server/internal/store/storetest"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// TestMatchesAsTheStoreDoes: a filter selects the same requests here, for the live tail, as in the store.
func TestMatchesAsTheStoreDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := new(storetest.Memory)
		words := rapid.SampledFrom([]string{"", "a", "A", "b", "ab", "Ä", "ä"})
		ids := rapid.SampledFrom([]tracecontext.TraceID{{}, {15: 1}, {15: 2}})
		var requests []model.RequestEvent
		var links []model.Link
		for i := range rapid.IntRange(1, 6).Draw(t, "requests") {
			w := func() string { return words.Draw(t, "word") }
			r := model.RequestEvent{
				ID: model.EventID{7: byte(i + 1)}, Kind: model.RequestKind(w()), Initiator: w(), URL: w(), Host: w(), URLPattern: w(), Method: w(),
				Start: noon.Add(time.Duration(i) * time.Second), Duration: time.Duration(rapid.IntRange(0, 3).Draw(t, "ms")) * time.Millisecond,
				StatusCode: rapid.SampledFrom([]int{0, 200, 404}).Draw(t, "code"), Error: model.ErrorReason(w()),
				TraceContextHint: model.TraceContextHint(w()), ServerTimingHint: model.ServerTimingHint(w()), Delivery: model.Delivery(w()), Protocol: w(),
				Sent: model.SpanContext{TraceID: ids.Draw(t, "sent")}, Answer: model.ServerTiming{SpanContext: model.SpanContext{TraceID: ids.Draw(t, "answer")}},
				Frontend: model.Frontend{
					ApplicationID: w(), InstanceID: w(), SessionID: w(), PageID: w(), ViewID: w(), ActionID: w(), AgentVersion: w(),
					Client: model.Client{Browser: w(), OS: w(), Device: w(), Country: w()},
				},
			}
			requests = append(requests, r)
			if rapid.Bool().Draw(t, "judged") {
				links = append(links, model.Link{RequestID: r.ID, JudgedAt: noon, Entry: model.EntryFacts{Service: w(), Route: w()}, Verdict: model.Verdict{
					Status: model.LinkStatus(w()), Reason: model.LinkReason(w()), Detail: w(), Joined: model.SpanContext{TraceID: ids.Draw(t, "joined")},
				}})
			}
		}
		ctx := t.Context()
		if err := st.Write(ctx, store.Batch{Requests: requests}); err != nil {
			t.Fatal(err)
		}
		if err := st.PutLinks(ctx, links, 1); err != nil {
			t.Fatal(err)
		}
		f := drawFilter(t, words)
		all, err := st.Requests(ctx, store.Filter{}, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		want, err := st.Requests(ctx, f, store.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(all, func(r model.LinkedRequest) bool { return !matches(&f, &r) })
		if a, b := idsOf(want), idsOf(got); a != b {
			t.Fatalf("filter %+v selects %s in the store and %s here", f, a, b)
		}
	})
}

func drawFilter(t *rapid.T, words *rapid.Generator[string]) store.Filter {
	var f store.Filter
	if rapid.Bool().Draw(t, "from") {
		f.From = noon.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
	}
	if rapid.Bool().Draw(t, "to") {
		f.To = noon.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
	}
	fields := slices.DeleteFunc(store.Fields(), func(f store.Field) bool { return !f.OfRequest() })
	for range rapid.IntRange(0, 2).Draw(t, "terms") {
		term := store.Term{Field: rapid.SampledFrom(fields).Draw(t, "field"), Not: rapid.Bool().Draw(t, "not")}
		switch {
		case term.Field.IsNumber():
			term.Op = rapid.SampledFrom([]store.Op{store.Equal, store.Greater, store.Less}).Draw(t, "op")
			term.Values = []string{rapid.SampledFrom([]string{"0", "1", "1.5", "200", "404"}).Draw(t, "number")}
		case term.Field == store.FieldTrace:
			term.Values = []string{fmt.Sprintf("%032d", rapid.IntRange(1, 2).Draw(t, "trace"))}
		default:
			term.Op = rapid.SampledFrom([]store.Op{store.Equal, store.Contains}).Draw(t, "op")
			term.Values = rapid.SliceOfN(words, 1, 2).Draw(t, "values")
		}
		f.Terms = append(f.Terms, term)
	}
	return f
}

func idsOf(requests []model.LinkedRequest) string {
	var ids []byte
	for _, r := range requests {
		ids = append(ids, '0'+r.ID[7])
	}
	return string(ids)
}

package beacon

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func seeds(t testing.TB) [][]byte {
	t.Helper()
	all := [][]byte{
		example(t), twentyEvents(t), beaconOf(), beaconOf("1", "null", "[]", `{}`),
		beaconOf(requestWith(t, map[string]any{"custom": map[string]any{"a": []any{1, "b", nil}}})),
		[]byte(`{"v":2}`), []byte(`{"v":1,"v":1}`), []byte(`{"\u0076":1,"sent":1e400}`), []byte("\xff"), nil,
	}
	if len(all) < 10 {
		t.Fatal("the fuzz target has lost its seeds")
	}
	return all
}

func FuzzDecode(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := Decode(body)
		if err != nil {
			return
		}
		if !utf8.Valid(body) {
			t.Fatal("a body that is not UTF-8 was accepted")
		}
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(body, &envelope); err != nil {
			t.Fatalf("accepted, and encoding/json says: %v", err)
		}
		var events []json.RawMessage
		if err := json.Unmarshal(envelope["events"], &events); err != nil {
			t.Fatalf("events: %v", err)
		}
		handled := b.Accepted()
		for _, n := range b.Rejected {
			handled += n
		}
		if handled != len(events) {
			t.Fatalf("accepted and rejected %d events of %d", handled, len(events))
		}
		for _, r := range b.Requests {
			if r.ID == [8]byte{} || r.URL == "" || r.Kind == "" || r.Carried() && r.SpanID.IsZero() || len(r.Attributes) > MaxAttributes {
				t.Fatalf("accepted a request that is not good: %+v", r)
			}
			for name, value := range r.Attributes {
				if !utf8.ValidString(name) {
					t.Fatalf("attribute name %q", name)
				}
				if _, err := json.Marshal(value); err != nil {
					t.Fatalf("attribute %v: %v", value, err)
				}
			}
		}
	})
}

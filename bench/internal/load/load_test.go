package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllIsSentOnce(t *testing.T) {
	var got [100]atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got[body[0]].Add(1)
	}))
	defer server.Close()
	s := NewSender(4)
	defer s.Close()
	i := 0
	if err := s.All(t.Context(), 4, func() (Body, bool) {
		i++
		return Body{URL: server.URL, Type: Protobuf, Bytes: []byte{byte(i - 1)}, Items: 3}, i <= len(got)
	}); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if n := got[i].Load(); n != 1 {
			t.Errorf("body %d came %d times", i, n)
		}
	}
	if s.Sent() != 300 || s.Waits() != 0 {
		t.Errorf("%d sent, %d waits", s.Sent(), s.Waits())
	}
}

func TestARefusalEndsIt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer server.Close()
	s := NewSender(2)
	defer s.Close()
	if err := s.All(t.Context(), 2, func() (Body, bool) { return Body{URL: server.URL, Type: Text}, true }); err == nil {
		t.Error("no error")
	}
}

func TestEventsLeftOutAreAnError(t *testing.T) {
	for answer, bad := range map[string]bool{`{"accepted":2,"rejected":{"bad_id":1}}`: true, `{"accepted":3,"rejected":{}}`: false, `{"accepted":3}`: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		s := NewSender(1)
		if err := s.Send(t.Context(), Body{URL: server.URL, Type: Text}); (err != nil) != bad {
			t.Errorf("%s: %v", answer, err)
		}
		s.Close()
		server.Close()
	}
}

// answers is a transport that answers without a network.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

func TestASenderWaitsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSender(1)
		tries := 0
		s.client.Transport = answers(func() *http.Response {
			tries++
			res := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"3"}}, Body: http.NoBody}
			if tries == 3 {
				res.StatusCode = http.StatusAccepted
			}
			return res
		})
		began := time.Now()
		if err := s.Send(t.Context(), Body{URL: "http://server.example", Items: 5}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 6*time.Second || s.Waits() != 2 || s.Sent() != 5 {
			t.Errorf("took %v, %d waits, %d sent", took, s.Waits(), s.Sent())
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": time.Second, "7": 7 * time.Second, "-1": time.Second, "soon": time.Second, "999999": time.Second} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

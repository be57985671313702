// Package load sends bodies to a server over several connections, as fast as it
// takes them or at a fixed rate, and obeys when it asks to wait.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Body is one request to send.
type Body struct {
	URL, Type string
	Bytes     []byte
	Items     int    // events or spans in it
	Client    string // whose address it is to be taken for; empty: the sender's own
}

// The content types of what is sent.
const (
	Protobuf = "application/x-protobuf"
	Text     = "text/plain" // of beacons, as pages send them
	JSON     = "application/json"
)

// Sender sends bodies. It may be used by many goroutines.
type Sender struct {
	client  *http.Client
	waits   atomic.Int64 // answers that told to wait
	sent    atomic.Int64 // items that were taken
	maxWait time.Duration
}

// NewSender returns a Sender of so many connections.
func NewSender(connections int) *Sender {
	return &Sender{
		client: &http.Client{
			Timeout:   time.Minute,
			Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true},
		},
		maxWait: 10 * time.Second,
	}
}

// Close closes its connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Sent returns how many items were taken by the server.
func (s *Sender) Sent() int64 { return s.sent.Load() }

// Waits returns how often the server answered that it cannot take more now.
func (s *Sender) Waits() int64 { return s.waits.Load() }

// maxTries bounds how often one body is sent.
const maxTries = 60

// Send sends a body until the server has taken it. It waits and repeats where the
// server says that it cannot take it now, and fails on any other refusal.
func (s *Sender) Send(ctx context.Context, b Body) error {
	for range maxTries {
		wait, err := s.try(ctx, b)
		if err != nil {
			return err
		}
		if wait == 0 {
			s.sent.Add(int64(b.Items))
			return nil
		}
		s.waits.Add(1)
		timer := time.NewTimer(min(wait, s.maxWait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s refused one body %d times", b.URL, maxTries)
}

// try sends a body once; wait is how long to wait before the next time, 0 where it was taken.
func (s *Sender) try(ctx context.Context, b Body) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL, bytes.NewReader(b.Bytes))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", b.Type)
	if b.Client != "" {
		req.Header.Set("X-Forwarded-For", b.Client)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil {
		return 0, err
	}
	switch {
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable:
		return retryAfter(res.Header.Get("Retry-After")), nil
	case res.StatusCode/100 != 2:
		return 0, fmt.Errorf("%s answered %d: %.300s", b.URL, res.StatusCode, answer)
	case b.Type == Text && bytes.Contains(answer, []byte(`"rejected":{"`)):
		return 0, fmt.Errorf("%s left events out: %.300s", b.URL, answer)
	}
	return 0, nil
}

// retryAfter reads the header in seconds; a second where it says nothing of use.
func retryAfter(header string) time.Duration {
	if n, err := strconv.Atoi(header); err == nil && n > 0 && n < 3600 {
		return time.Duration(n) * time.Second
	}
	return time.Second
}

// All sends what next returns, over so many connections, until next has no more or one fails.
// next is called by one goroutine at a time.
func (s *Sender) All(ctx context.Context, connections int, next func() (Body, bool)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	take := func() (Body, bool) {
		mu.Lock()
		defer mu.Unlock()
		return next()
	}
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			for ctx.Err() == nil {
				b, ok := take()
				if !ok {
					return
				}
				if err := s.Send(ctx, b); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

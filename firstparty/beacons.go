package firstparty

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// The bounds of passing beacons on.
const (
	maxBeacons      = 512             // at once; beyond it senders are told to come again
	maxBeaconBytes  = 1 << 20         // the server's own limit is lower
	connectTimeout  = 5 * time.Second // to the server
	answerTimeout   = 20 * time.Second
	maxAnswerBytes  = 64 << 10
	retrySeconds    = "5"
	maxForwardedLen = 4 << 10 // of the addresses that trusted proxies told
)

// forwarder passes beacons on to the server.
type forwarder struct {
	target    string
	trusted   []netip.Prefix
	transport http.RoundTripper
	room      chan struct{}
}

func newForwarder(o *Options) *forwarder {
	f := &forwarder{
		target:    o.Server.JoinPath("beacon").String(),
		trusted:   o.TrustedProxies,
		transport: o.Transport,
		room:      make(chan struct{}, maxBeacons),
	}
	if f.transport == nil {
		f.transport = &http.Transport{
			DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:   connectTimeout,
			ResponseHeaderTimeout: answerTimeout,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   64,
			DisableCompression:    true,
			ForceAttemptHTTP2:     true,
		}
	}
	return f
}

// What goes on with a beacon, and what comes back with its answer; all else, cookies
// above all, is the application's alone.
var (
	sentHeaders    = [...]string{"Content-Type", "Content-Encoding", "Origin", "User-Agent", "Access-Control-Request-Method", "Access-Control-Request-Headers"}
	answerHeaders  = [...]string{"Content-Type", "Retry-After", "Throughline-Reject-Reason", "X-Content-Type-Options", "Allow"}
	sharingHeaders = [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Access-Control-Expose-Headers", "Vary"}
)

// serve passes a beacon on, and the server's answer back. A beacon that may have reached
// the server is not sent again: whether it is kept, the agent decides by the answer.
func (f *forwarder) serve(w http.ResponseWriter, r *http.Request, cross bool) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost && (r.Method != http.MethodOptions || !cross) {
		w.Header().Set("Allow", "POST")
		http.Error(w, "Beacons are sent with POST.", http.StatusMethodNotAllowed)
		return
	}
	select {
	case f.room <- struct{}{}:
		defer func() { <-f.room }()
	default:
		comeAgain(w, http.StatusServiceUnavailable, "Too many beacons are under way.")
		return
	}
	response, err := f.send(w, r)
	if err != nil {
		var tooLarge *http.MaxBytesError
		var timeout net.Error
		switch {
		case errors.As(err, &tooLarge):
			http.Error(w, "The beacon is too large.", http.StatusRequestEntityTooLarge)
		case errors.Is(err, context.Canceled):
			panic(http.ErrAbortHandler) // the page has gone
		case errors.As(err, &timeout) && timeout.Timeout():
			comeAgain(w, http.StatusGatewayTimeout, "The Throughline server does not answer.")
		default:
			comeAgain(w, http.StatusBadGateway, "The Throughline server cannot be reached.")
		}
		return
	}
	defer response.Body.Close()
	header := w.Header()
	pass(header, response.Header, answerHeaders[:])
	if cross {
		pass(header, response.Header, sharingHeaders[:])
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(response.Body, maxAnswerBytes))
}

// comeAgain tells the agent to keep the beacon.
func comeAgain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Retry-After", retrySeconds)
	http.Error(w, text, status)
}

func pass(to, from http.Header, names []string) {
	for _, name := range names {
		if values, ok := from[name]; ok {
			to[name] = values
		}
	}
}

// send asks the server.
func (f *forwarder) send(w http.ResponseWriter, r *http.Request) (*http.Response, error) {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, f.target, http.NoBody)
	if err != nil {
		return nil, err
	}
	if r.ContentLength != 0 {
		// Without GetBody the transport sends a body once, even where a kept connection turns
		// out to be closed after some of it was written.
		request.Body = http.MaxBytesReader(w, r.Body, maxBeaconBytes)
		request.ContentLength = r.ContentLength
	}
	pass(request.Header, r.Header, sentHeaders[:])
	if request.Header["User-Agent"] == nil {
		request.Header["User-Agent"] = []string{""} // or net/http would send its own
	}
	request.Header["X-Forwarded-For"] = []string{f.addresses(r)}
	return f.transport.RoundTrip(request)
}

// addresses returns the addresses through which a request came, as X-Forwarded-For.
func (f *forwarder) addresses(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	address := peer.Addr().Unmap().WithZone("")
	told := strings.Join(r.Header["X-Forwarded-For"], ", ")
	if told == "" || len(told) > maxForwardedLen {
		return address.String()
	}
	for _, trusted := range f.trusted {
		if trusted.Contains(address) {
			return told + ", " + address.String()
		}
	}
	return address.String()
}

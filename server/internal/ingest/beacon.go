package ingest

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/wire/beacon"
)

// Beacon returns the handler of POST /beacon (wire/beacon/beacon.md). Every page
// that Config.Beacons lets in may send to it and read the answer, without
// credentials.
func (r *Receiver) Beacon() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		r.shareAnswer(h, req.Header.Get("Origin"))
		if req.Method == http.MethodOptions {
			h.Set("Allow", "POST, OPTIONS")
			h.Set("Access-Control-Allow-Methods", "POST")
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		b, refused := r.takeBeacon(w, req)
		if refused != nil {
			r.metrics.beaconsRejected.WithLabelValues(refused.reason).Inc()
			if refused.status == http.StatusMethodNotAllowed {
				h.Set("Allow", "POST, OPTIONS")
			}
			refused.setHeaders(h)
			shareRefusal(h)
			writeJSON(w, refused.status, beaconRefusal{refused.problem, refused.hint})
			return
		}
		answer := beaconAnswer{Accepted: b.Accepted(), Rejected: b.Rejected}
		if answer.Rejected == nil {
			answer.Rejected = map[beacon.Reason]int{}
		}
		writeJSON(w, http.StatusAccepted, answer)
	})
}

// beaconRefusal and beaconAnswer are the bodies of the answers.
type (
	beaconRefusal struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	beaconAnswer struct {
		Accepted int                   `json:"accepted"`
		Rejected map[beacon.Reason]int `json:"rejected"`
	}
)

// takeBeacon reads a beacon, puts it into the journal and counts it. Of what it returns, the lists' lengths and the
// maps are good.
func (r *Receiver) takeBeacon(w http.ResponseWriter, req *http.Request) (beacon.Beacon, *refusal) {
	if req.Method != http.MethodPost {
		return beacon.Beacon{}, refuseMethod("POST, OPTIONS")
	}
	if err := r.Beacons.Sender(req); err != nil {
		return beacon.Beacon{}, refuseAt(err)
	}
	if refused := checkBeaconType(req.Header); refused != nil {
		return beacon.Beacon{}, refused
	}
	client := r.Client(req)
	if refused := r.crowd.enter(client.Address); refused != nil {
		return beacon.Beacon{}, refused
	}
	defer r.crowd.leave(client.Address)
	if refused := r.beacons.take(req.Context()); refused != nil {
		return beacon.Beacon{}, refused
	}
	defer r.beacons.free()
	received := r.Now().UTC()
	boundBody(w, time.Now()) // a deadline of the operating system's clock, whatever Config.Now says
	reader := r.borrow()
	defer r.giveBack(reader)
	body, refused := reader.beacon(w, req)
	if refused != nil {
		return beacon.Beacon{}, refused
	}
	b, err := reader.beacons.Decode(body)
	if err != nil {
		return beacon.Beacon{}, refuseBeacon(err)
	}
	if err := r.Beacons.Application(b.ApplicationID, req.Header.Get("Origin")); err != nil {
		return beacon.Beacon{}, refuseAt(err)
	}
	if b.Accepted() > 0 {
		if refused := r.keep(req.Context(), RecordEvents, &recordHeader{received: received, client: client}, reader.events.encode(b)); refused != nil {
			return beacon.Beacon{}, refused
		}
	}
	r.countBeacon(b)
	return *b, nil
}

// checkBeaconType lets pass what a page can send without a preflight, and JSON
// under its own name.
func checkBeaconType(h http.Header) *refusal {
	const hint = "Send JSON, compressed by gzip or not at all, as text/plain or application/json."
	switch strings.ToLower(h.Get("Content-Encoding")) {
	case "", "identity", "gzip":
	default:
		return refuseMediaType("the body is compressed by something else than gzip", hint)
	}
	contentType := h.Get("Content-Type")
	if contentType == "" {
		return nil
	}
	switch mediaType, _, _ := mime.ParseMediaType(contentType); mediaType {
	case "text/plain", "application/json":
		return nil
	default:
		return refuseMediaType("the content type is not one of a beacon", hint)
	}
}

// refuseBeacon turns an error of beacon.Decoder into a refusal.
func refuseBeacon(err error) *refusal {
	bad, ok := errors.AsType[*beacon.Error](err)
	if !ok {
		panic(fmt.Sprintf("ingest: beacon.Decoder returned a %T", err)) // its contract says never
	}
	status := http.StatusBadRequest
	if bad.Reason == beacon.TooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return &refusal{status, string(bad.Reason), bad.Problem, bad.Hint}
}

func (r *Receiver) countBeacon(b *beacon.Beacon) {
	m := r.metrics
	m.beacons.Inc()
	m.events.WithLabelValues("request").Add(float64(len(b.Requests)))
	m.events.WithLabelValues("navigation").Add(float64(len(b.Navigations)))
	m.events.WithLabelValues("web_vital").Add(float64(len(b.WebVitals)))
	m.events.WithLabelValues("error").Add(float64(len(b.Errors)))
	m.events.WithLabelValues("action").Add(float64(len(b.Actions)))
	for i := range b.PageEvents {
		m.events.WithLabelValues(b.PageEvents[i].Type).Inc()
	}
	for reason, n := range b.Rejected {
		m.eventsRejected.WithLabelValues(string(reason)).Add(float64(n))
	}
	for _, n := range b.Dropped {
		m.eventsLost.Add(float64(n))
	}
	m.attributesDropped.WithLabelValues("beacon").Add(float64(b.AttributesDropped))
}

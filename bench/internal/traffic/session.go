package traffic

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// applicationID is the shop's.
const applicationID = "745a78fe5b6e57f6"

// The shop's hosts.
const (
	shopHost    = "shop.example"
	apiHost     = "api.shop.example"
	cdnHost     = "cdn.shop.example"
	partnerHost = "partner.example"
)

// Shape says what the sessions are like.
type Shape struct {
	Seed     uint64
	From     time.Time     // start of the first session
	Over     time.Duration // the sessions' starts are spread evenly over this time
	Sessions int
	// Requests and Pages of each session. A page has a navigation and two web vitals beside its requests.
	Requests, Pages int
	// MaxSpans bounds the spans of one trace, at most 8. MinSpans spans are in every trace;
	// where it is below 4, most traces have no more, as those of a small service.
	MinSpans, MaxSpans int
	// Linkable makes every request one that its spans will answer.
	Linkable bool
}

// Session is the visit of one user.
type Session struct {
	shape                 Shape
	rnd                   *rand.Rand
	SessionID, InstanceID string
	ClientAddress         string // of the user's browser
	Pages                 []Page
}

// Page is one page load of a session.
type Page struct {
	ID, View tracecontext.SpanID
	Start    time.Time
	Requests []Request
	path     string
	vitals   [2]tracecontext.SpanID
	load     tracecontext.SpanID // the navigation's event id
}

// Request is one HTTP request that a page made.
type Request struct {
	ID          tracecontext.SpanID // of the event
	Start       time.Time
	Duration    time.Duration
	URL         string
	Method      string
	Status      int
	TraceID     tracecontext.TraceID // zero: the event names none
	SpanID      tracecontext.SpanID
	EntrySpan   tracecontext.SpanID // what Server-Timing named
	Spans       int                 // how many spans answer it; 0: none arrives
	route       string
	kind        string
	contextHint string
	timingHint  string
	failure     string
	cached      bool
	size        int
	fromServer  bool // the ids are Server-Timing's
	itemID      int
	responseID  int32 // of its own for each answer, as agents make it
}

// Session makes session k; the same k gives the same session.
func (s Shape) Session(k int) *Session {
	rnd := rand.New(rand.NewPCG(s.Seed, uint64(k)+1)) //nolint:gosec // repeatable on purpose; k counts from 0
	start := s.From.Add(time.Duration(float64(s.Over) * float64(k) / float64(max(1, s.Sessions))))
	v := &Session{
		shape: s, rnd: rnd,
		SessionID:  letters(rnd, 32) + "-0",
		InstanceID: fmt.Sprintf("%013d%s", start.UnixMilli()-rnd.Int64N(1e9), letters(rnd, 32)),
	}
	v.ClientAddress = fmt.Sprintf("10.%d.%d.%d", rnd.IntN(256), rnd.IntN(256), rnd.IntN(256))
	at := start
	for p := range s.Pages {
		page := Page{ID: spanID(rnd), View: spanID(rnd), Start: at, load: spanID(rnd), vitals: [2]tracecontext.SpanID{spanID(rnd), spanID(rnd)}}
		requests := s.Requests / s.Pages
		if p < s.Requests%s.Pages {
			requests++
		}
		page.path = fmt.Sprintf("/products/%d", rnd.IntN(50_000))
		for i := range requests {
			at = at.Add(time.Duration(rnd.Int64N(int64(time.Second))))
			r := s.request(rnd, i == 0, at, page.path)
			page.Requests = append(page.Requests, r)
		}
		at = at.Add(5 * time.Second)
		v.Pages = append(v.Pages, page)
	}
	return v
}

// The kinds of request, by their share in a hundred. They cover the verdicts that
// a healthy site has, and some of an unhealthy one.
const (
	shareResource     = 20 // from the CDN, half of them from the cache
	shareIncluded     = 6  // to the API's own host
	shareLost         = 4  // context sent, no spans come
	shareCrossOrigin  = 4  // to a partner, no context
	shareAborted      = 2
	shareOfXHR        = 4 // one in so many calls
	shareOfErrors     = 40
	sharesBeforeCalls = shareResource + shareIncluded + shareLost + shareCrossOrigin + shareAborted
)

func (s Shape) request(rnd *rand.Rand, first bool, at time.Time, pagePath string) Request {
	r := Request{
		ID: spanID(rnd), Start: at, Duration: 20*time.Millisecond + time.Duration(rnd.ExpFloat64()*float64(80*time.Millisecond)),
		Method: "GET", Status: 200, size: 300 + rnd.IntN(40_000), itemID: rnd.IntN(100_000),
		contextHint: "set", timingHint: "received", kind: "fetch",
	}
	r.Duration = min(r.Duration, 20*time.Second)
	r.TraceID, r.SpanID, r.EntrySpan = traceID(rnd), spanID(rnd), spanID(rnd)
	r.Spans, r.responseID = s.spans(rnd), int32(rnd.Uint32()) //nolint:gosec // its bits
	share := rnd.IntN(100)
	pattern := int(float64(len(routes)) * rnd.Float64() * rnd.Float64())
	if rnd.IntN(shareOfXHR) == 0 {
		r.kind = "xhr"
	}
	if rnd.IntN(shareOfErrors) == 0 {
		r.Status = 404 + 96*rnd.IntN(2)
	}
	host := shopHost
	r.route = routes[pattern].route
	path := routes[pattern].path(r.itemID)
	if routes[pattern].write {
		r.Method = "POST"
	}
	if !s.Linkable && !first {
		host, path = s.vary(&r, share, path)
	}
	if first && !s.Linkable {
		r.kind, r.contextHint, r.route, path, r.Method = "document", "from_server", "/products/{id}", pagePath, "GET"
		r.fromServer = true
	}
	r.URL = "https://" + host + path
	return r
}

// vary makes a call into one of the other kinds of request.
func (s Shape) vary(r *Request, share int, path string) (host, newPath string) {
	none := func() {
		r.TraceID, r.SpanID, r.EntrySpan, r.Spans = tracecontext.TraceID{}, tracecontext.SpanID{}, tracecontext.SpanID{}, 0
	}
	switch {
	case share < shareResource:
		none()
		r.kind, r.contextHint, r.timingHint, r.Method = "resource", "not_set", "not_available", "GET"
		r.cached, r.Status, r.route = share < shareResource/2, 200, "/assets/{file}"
		return cdnHost, fmt.Sprintf("/assets/%08x.js", r.itemID)
	case share < shareResource+shareIncluded:
		r.contextHint = "included"
		return apiHost, path
	case share < shareResource+shareIncluded+shareLost:
		r.Spans = 0
		r.timingHint, r.EntrySpan = "not_available", tracecontext.SpanID{}
		return shopHost, path
	case share < shareResource+shareIncluded+shareLost+shareCrossOrigin:
		none()
		r.contextHint, r.timingHint = "cross_origin", "not_available"
		return partnerHost, path
	case share < sharesBeforeCalls:
		r.Spans, r.Status, r.failure = 0, 0, "abort"
		r.timingHint, r.EntrySpan = "not_available", tracecontext.SpanID{}
		return shopHost, path
	default:
		return shopHost, path
	}
}

// spans draws how many spans a trace has.
func (s Shape) spans(rnd *rand.Rand) int {
	const small, mostly = 4, 4 // below so many spans, three traces of four are the smallest
	draw, more := rnd.IntN(mostly), rnd.IntN(s.MaxSpans-s.MinSpans+1)
	if s.MinSpans < small && draw > 0 {
		return s.MinSpans
	}
	return s.MinSpans + more
}

func spanID(rnd *rand.Rand) (id tracecontext.SpanID) {
	binary.BigEndian.PutUint64(id[:], rnd.Uint64()|1)
	return id
}

func traceID(rnd *rand.Rand) (id tracecontext.TraceID) {
	binary.BigEndian.PutUint64(id[:8], rnd.Uint64()|1)
	binary.BigEndian.PutUint64(id[8:], rnd.Uint64())
	return id
}

func letters(rnd *rand.Rand, n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'A' + byte(rnd.IntN(26)) //nolint:gosec // below 26
	}
	return string(text)
}

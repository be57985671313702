package query

import (
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Attributes are further fields of an event or a span: a JSON object, handed on as it is
// stored. Empty: none.
type Attributes model.Attributes

// MarshalJSON returns the object.
func (a Attributes) MarshalJSON() ([]byte, error) {
	if a == "" {
		return []byte("{}"), nil
	}
	return []byte(a), nil
}

// UnmarshalJSON takes the object as it is written.
func (a *Attributes) UnmarshalJSON(object []byte) error {
	*a = Attributes(object)
	return nil
}

// Client is what is known of the user's device; each is left out where it is not known.
type Client struct {
	Browser        string `json:"user_agent.name,omitempty"`
	BrowserVersion string `json:"user_agent.version,omitempty" doc:"The major version"`
	OS             string `json:"os.name,omitempty"`
	Device         string `json:"device.type,omitempty" doc:"desktop, mobile, tablet or bot"`
	Country        string `json:"geo.country.iso_code,omitempty"`
	Address        string `json:"client.address,omitempty" doc:"Masked to its network"`
}

func newClient(c *model.Client) Client {
	return Client{c.Browser, c.BrowserVersion, c.OS, c.Device, c.Country, c.Address}
}

// Source says which application, profile, session and page an event is of.
type Source struct {
	ApplicationID string `json:"rum.application.id,omitempty"`
	InstanceID    string `json:"rum.instance.id,omitempty"`
	SessionID     string `json:"session.id,omitempty"`
	PageID        string `json:"page.instance_id,omitempty"`
	ViewID        string `json:"view.instance_id,omitempty"`
	ActionID      string `json:"action.id,omitempty"`
	Client
}

func newSource(f *model.Frontend) Source {
	return Source{f.ApplicationID, f.InstanceID, f.SessionID, f.PageID, f.ViewID, f.ActionID, newClient(&f.Client)}
}

func traceIDText(id tracecontext.TraceID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func spanIDText(id tracecontext.SpanID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// timeOrNil leaves a time out that is not known.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Request is a request event with its verdict, as the API shows it. The names
// are those of the linking contract, section 5.
type Request struct {
	ID            string    `json:"id" doc:"Event id, 16 hexadecimal digits" example:"5be1c9d07f3a2244"`
	StartTime     time.Time `json:"start_time" doc:"Start of the request in the server's time, clock offset applied"`
	DurationMs    float64   `json:"duration_ms"`
	Kind          string    `json:"request.kind" enum:"document,resource,fetch,xhr"`
	InitiatorType string    `json:"performance.initiator_type,omitempty" doc:"Resource Timing's initiatorType"`
	URL           string    `json:"url.full"`
	Method        string    `json:"http.request.method"`
	StatusCode    int       `json:"http.response.status_code,omitempty" doc:"Left out: no answer, or not readable"`
	ErrorReason   string    `json:"error.reason,omitempty"`
	Host          string    `json:"server.address,omitempty" doc:"With the port where it is not the scheme's default"`
	Endpoint      string    `json:"endpoint,omitempty" doc:"The entry span's route, else the URL's pattern"`

	TraceID          string `json:"trace.id,omitempty"`
	SpanID           string `json:"span.id,omitempty"`
	Sampled          *bool  `json:"trace.is_sampled,omitempty"`
	TraceContextHint string `json:"request.trace_context_hint"`
	ServerTimingHint string `json:"request.server_timing_hint"`

	ApplicationID string `json:"rum.application.id,omitempty"`
	InstanceID    string `json:"rum.instance.id,omitempty"`
	SessionID     string `json:"session.id,omitempty"`
	PageID        string `json:"page.instance_id,omitempty"`
	ViewID        string `json:"view.instance_id,omitempty"`
	ActionID      string `json:"action.id,omitempty"`
	Client

	Protocol        string `json:"performance.next_hop_protocol,omitempty"`
	Delivery        string `json:"performance.delivery,omitempty" doc:"network, cache or service_worker, where the browser tells"`
	TransferSize    int64  `json:"performance.transfer_size,omitempty" doc:"Bytes"`
	EncodedBodySize int64  `json:"performance.encoded_body_size,omitempty" doc:"Bytes"`
	DecodedBodySize int64  `json:"performance.decoded_body_size,omitempty" doc:"Bytes"`

	LinkStatus  string `json:"link.status" enum:"linked,partial,unlinked,not_applicable,pending"`
	LinkReason  string `json:"link.reason,omitempty"`
	LinkDetail  string `json:"link.detail,omitempty"`
	LinkTraceID string `json:"link.trace_id,omitempty" doc:"The backend trace that the request is joined to"`
	LinkSpanID  string `json:"link.span_id,omitempty" doc:"Its entry span, where it is known"`
	Service     string `json:"service.name,omitempty" doc:"Of the entry span"`
}

// RequestPage is one page of a listing of requests.
type RequestPage struct {
	Requests   []Request `json:"requests" nullable:"false"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Pass as cursor for the next page; left out on the last one"`
}

// RequestDetail is everything about one request.
type RequestDetail struct {
	Request     Request     `json:"request"`
	Explanation Explanation `json:"explanation"`
	Evidence    Evidence    `json:"evidence"`
	Attributes  Attributes  `json:"attributes,omitempty" doc:"Fields of the event that have no place of their own"`
	Trace       Trace       `json:"trace" doc:"The request as root, the spans that answered it below"`
}

// Explanation says in plain words what a verdict means and what to do.
type Explanation struct {
	Title string `json:"title" doc:"A few words"`
	Text  string `json:"text" doc:"What happened"`
	Fix   string `json:"fix,omitempty" doc:"What to change, and where; left out where nothing needs fixing"`
}

// Trace is a backend trace with the frontend requests that led to it, in the
// order of a waterfall.
type Trace struct {
	TraceID    string    `json:"trace.id,omitempty"`
	StartTime  time.Time `json:"start_time" doc:"Start of the first row"`
	DurationMs float64   `json:"duration_ms" doc:"To the end of the last row"`
	Clock      *Clock    `json:"clock,omitempty" doc:"The correction applied to the times of all requests; left out where no frontend took part, and where the requests differ"`
	Rows       []Row     `json:"rows" nullable:"false" doc:"Depth first; a row's parent stands before it"`
	Truncated  bool      `json:"truncated,omitempty" doc:"The trace has more spans than are shown"`
}

// Clock is the correction that was applied to the frontend's times.
type Clock struct {
	OffsetMs      float64 `json:"offset_ms" doc:"Server clock minus frontend clock"`
	UncertaintyMs float64 `json:"uncertainty_ms,omitempty" doc:"Half the round trip of the measurement"`
	Fitted        bool    `json:"fitted,omitempty" doc:"Moved within the uncertainty, so that the request was sent before its entry span began"`
	Source        string  `json:"source" enum:"server_timing,beacon" doc:"server_timing: measured by the agent; beacon: from the beacon's time of arrival"`
}

// Row is one bar of the waterfall: a frontend request or a span.
type Row struct {
	Type       string  `json:"type" enum:"request,span"`
	ID         string  `json:"id" doc:"Event id or span id"`
	ParentID   string  `json:"parent_id,omitempty" doc:"Id of the row above"`
	Depth      int     `json:"depth"`
	StartMs    float64 `json:"start_ms" doc:"After the start of the trace"`
	DurationMs float64 `json:"duration_ms"`
	Name       string  `json:"name"`
	Service    string  `json:"service.name,omitempty"`
	Kind       string  `json:"span.kind,omitempty" enum:"unspecified,internal,server,client,producer,consumer"`
	Entry      bool    `json:"entry,omitempty" doc:"The span with which the backend answered the frontend's request"`
	Error      string  `json:"error,omitempty" doc:"Why it failed; left out where it did not"`

	Clock      *Clock     `json:"clock,omitempty" doc:"Of a request: the correction applied to its times"`
	Phases     []Phase    `json:"phases,omitempty" nullable:"false" doc:"Of a request: what the browser did, in order"`
	Attributes Attributes `json:"attributes,omitempty"`
	Resource   Attributes `json:"resource,omitempty"`
	Events     []RowEvent `json:"events,omitempty" nullable:"false"`
}

// Phase is a stretch of a request's time.
type Phase struct {
	Name       string  `json:"name" enum:"redirect,queueing,service_worker,dns,connect,tls,request,waiting,download"`
	StartMs    float64 `json:"start_ms" doc:"After the start of the trace"`
	DurationMs float64 `json:"duration_ms"`
}

// RowEvent is something that happened at one moment of a span.
type RowEvent struct {
	Name       string     `json:"name"`
	StartMs    float64    `json:"start_ms" doc:"After the start of the trace"`
	Attributes Attributes `json:"attributes,omitempty"`
}

// Frontend is the way back from a span to the user: the request event whose
// answer the span belongs to, and its session.
type Frontend struct {
	Request     *Request `json:"request,omitempty" doc:"Left out where the event has not arrived"`
	SessionID   string   `json:"session.id,omitempty"`
	InstanceID  string   `json:"rum.instance.id,omitempty"`
	EntrySpanID string   `json:"entry_span_id" doc:"The span through which the request came into the backend"`
	Via         string   `json:"via" enum:"trace_context,server_timing" doc:"What proves it: the dtr entry in the span's trace state, or the trace that Server-Timing named"`
}

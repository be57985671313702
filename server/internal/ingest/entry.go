package ingest

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// entryFacts are the attributes of a span that tell how a service took a request in, as
// the OpenTelemetry semantic conventions name them today and named them before (HTTP before
// 1.21, messaging before 1.17). Each is an AnyValue as sent; nil where it is missing.
type entryFacts struct {
	httpMethod, httpRoute, httpStatus       []byte
	httpTarget                              []byte // url.path, http.target
	httpScheme                              []byte // url.scheme, http.scheme
	serverAddress, serverPort               []byte
	httpHost                                []byte // http.host
	netHostName, netHostPort                []byte
	fullURL                                 []byte // url.full, http.url
	serverName                              []byte // http.server_name
	hostHeader                              []byte // http.request.header.host, .:authority
	rpcSystem, rpcService, rpcMethod        []byte
	messagingSystem, messagingOperation     []byte
	messagingTemplate, messagingDestination []byte

	requestVia, responseVia, responseServer []byte
	forwarded                               [forwardedHeaders]bool
}

// The request headers by which intermediaries show that they were there, in the order of
// Span.Via.
const (
	headerForwarded = iota
	headerForwardedFor
	headerForwardedHost
	headerForwardedProto
	headerForwardedPort
	headerForwardedServer
	headerRealIP
	headerEnvoy
	headerCloudFront
	headerCloudflare
	headerAmazon
	headerAzure
	headerGoogle
	forwardedHeaders
)

var forwardedNames = [forwardedHeaders]string{
	"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-server", "x-real-ip",
	"x-envoy-external-address", "x-amz-cf-id", "cf-ray", "x-amzn-trace-id", "x-azure-ref", "x-cloud-trace-context",
}

const (
	requestHeader  = "http.request.header."
	responseHeader = "http.response.header."
)

// note keeps an attribute where it is one of the facts.
func (e *entryFacts) note(kv *keyValue) {
	if len(kv.key) < len("url.full") {
		return
	}
	switch kv.key[0] {
	case 'h':
		e.noteHTTP(kv)
	case 'u', 's', 'n', 'r', 'm':
		e.noteOther(kv)
	}
}

func (e *entryFacts) noteHTTP(kv *keyValue) {
	switch string(kv.key) {
	case "http.request.method":
		e.httpMethod = kv.value
	case "http.method":
		older(&e.httpMethod, kv)
	case "http.route":
		e.httpRoute = kv.value
	case "http.response.status_code":
		e.httpStatus = kv.value
	case "http.status_code":
		older(&e.httpStatus, kv)
	case "http.target":
		older(&e.httpTarget, kv)
	case "http.scheme":
		older(&e.httpScheme, kv)
	case "http.host":
		e.httpHost = kv.value
	case "http.url":
		older(&e.fullURL, kv)
	case "http.server_name":
		e.serverName = kv.value
	default:
		if name, ok := bytes.CutPrefix(kv.key, []byte(requestHeader)); ok {
			e.noteRequestHeader(name, kv.value)
		} else if name, ok := bytes.CutPrefix(kv.key, []byte(responseHeader)); ok {
			switch string(name) {
			case "via":
				e.responseVia = kv.value
			case "server":
				e.responseServer = kv.value
			}
		}
	}
}

func (e *entryFacts) noteOther(kv *keyValue) {
	switch string(kv.key) {
	case "url.full":
		e.fullURL = kv.value
	case "url.path":
		e.httpTarget = kv.value
	case "url.scheme":
		e.httpScheme = kv.value
	case "server.address":
		e.serverAddress = kv.value
	case "server.port":
		e.serverPort = kv.value
	case "net.host.name":
		e.netHostName = kv.value
	case "net.host.port":
		e.netHostPort = kv.value
	case "rpc.system", "rpc.system.name":
		e.rpcSystem = kv.value
	case "rpc.service":
		e.rpcService = kv.value
	case "rpc.method":
		e.rpcMethod = kv.value
	case "messaging.system":
		e.messagingSystem = kv.value
	case "messaging.operation.name":
		e.messagingOperation = kv.value
	case "messaging.operation.type", "messaging.operation":
		older(&e.messagingOperation, kv)
	case "messaging.destination.template":
		e.messagingTemplate = kv.value
	case "messaging.destination.name":
		e.messagingDestination = kv.value
	case "messaging.destination":
		older(&e.messagingDestination, kv)
	}
}

// older keeps a value under an older name, where the one of today is not there.
func older(fact *[]byte, kv *keyValue) {
	if *fact == nil {
		*fact = kv.value
	}
}

func (e *entryFacts) noteRequestHeader(name, value []byte) {
	switch string(name) {
	case "via":
		e.requestVia = value
		return
	case "host", ":authority":
		e.hostHeader = value
		return
	}
	if len(name) > len("x-envoy-external-address") {
		return
	}
	var plain [len("x-envoy-external-address")]byte
	for i, c := range name {
		if c == '_' { // as header names were written before 1.24
			c = '-'
		}
		plain[i] = c
	}
	for i, known := range forwardedNames {
		if string(plain[:len(name)]) == known {
			e.forwarded[i] = true
			return
		}
	}
}

// entry fills in what the facts say of a span.
func (d *traceDecoder) entry(s *model.Span) {
	e := &d.facts
	http := e.isHTTP()
	s.Entry = s.Kind == model.SpanServer || s.Kind == model.SpanConsumer ||
		s.Flags&(model.SpanFlagRemoteKnown|model.SpanFlagRemote) == model.SpanFlagRemoteKnown|model.SpanFlagRemote ||
		s.Kind <= model.SpanInternal && s.ParentSpanID.IsZero() && e.servesRoot(http)
	if http {
		s.HTTPStatus = statusOf(e.httpStatus)
		if s.Kind == model.SpanServer || s.Entry && s.Kind <= model.SpanInternal {
			s.Host = e.host()
		}
	}
	s.Route = d.route(s)
	if http {
		s.Via = d.via()
	}
}

// isHTTP reports whether the span is of HTTP.
func (e *entryFacts) isHTTP() bool {
	if e.httpMethod != nil || e.httpHost != nil || e.fullURL != nil || e.httpRoute != nil {
		return true
	}
	scheme := textOf(e.httpScheme)
	return e.httpTarget != nil && e.httpScheme == nil || bytes.EqualFold(scheme, []byte("http")) || bytes.EqualFold(scheme, []byte("https"))
}

// servesRoot reports whether the facts are those of a server, on a span that does not say
// so by its kind, as some SDKs and hand-written instrumentation leave it out.
func (e *entryFacts) servesRoot(http bool) bool {
	switch {
	case http:
		return e.httpRoute != nil || e.httpTarget != nil || e.serverName != nil
	case e.rpcSystem != nil:
		return e.rpcMethod != nil
	case e.messagingSystem != nil:
		switch string(textOf(e.messagingOperation)) {
		case "process", "receive", "deliver":
			return true
		}
	}
	return false
}

// The limits of what is made of attributes.
const (
	maxRouteBytes = 512
	maxViaBytes   = 256
)

// route returns the pattern of what was asked for.
func (d *traceDecoder) route(s *model.Span) string {
	e := &d.facts
	if route := textOf(e.httpRoute); len(route) > 0 {
		return d.text(route, maxRouteBytes)
	}
	var parts [3][]byte
	switch {
	case e.rpcMethod != nil:
		service, method := textOf(e.rpcService), textOf(e.rpcMethod)
		if len(service) == 0 || bytes.IndexByte(method, '/') >= 0 { // the method's full name since 1.39
			return d.text(method, maxRouteBytes)
		}
		parts = [...][]byte{service, []byte("/"), method}
	case s.Entry && e.messagingDestination != nil || e.messagingTemplate != nil:
		destination := textOf(e.messagingTemplate)
		if len(destination) == 0 {
			destination = textOf(e.messagingDestination)
		}
		operation := textOf(e.messagingOperation)
		if len(operation) == 0 {
			return d.text(destination, maxRouteBytes)
		}
		parts = [...][]byte{operation, []byte(" "), destination}
	case s.Kind == model.SpanServer:
		return routeOfName(s.Name)
	default:
		return ""
	}
	return d.text(bytes.Join(parts[:], nil), maxRouteBytes)
}

// routeOfName returns the route in a name such as "GET /cart/{id}", as the conventions ask
// for where there is a route. A name without a mark of a pattern is none: many an SDK puts the path there.
func routeOfName(name string) string {
	method, path, found := strings.Cut(name, " ")
	if !found || len(path) > maxRouteBytes || !strings.HasPrefix(path, "/") || !isMethod(method) || strings.ContainsAny(path, " ?#") {
		return ""
	}
	if strings.ContainsAny(path, "{<*") || strings.Contains(path, "/:") {
		return path
	}
	return ""
}

func isMethod(s string) bool {
	switch s {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "HTTP":
		return true
	default:
		return false
	}
}

// statusOf reads an HTTP status that an SDK wrote as a number or as text.
func statusOf(value []byte) int {
	n := numberOf(value)
	if n < 100 || n > 999 {
		return 0
	}
	return int(n)
}

// numberOf returns an AnyValue that is a whole number, or text that is one; else 0.
func numberOf(value []byte) int64 {
	one, err := parseValue(value)
	if err != nil {
		return 0
	}
	switch one.num {
	case valueInt:
		return int64(one.number) //nolint:gosec // an int64 as protobuf writes it
	case valueString:
		if n, err := strconv.ParseInt(string(one.data), 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// texts calls yield for each text of an AnyValue that is one or is a list of them, as the
// values of headers are, until it returns false.
func texts(value []byte, yield func([]byte) bool) {
	one, err := parseValue(value)
	if err != nil {
		return
	}
	switch one.num {
	case valueString:
		yield(one.data)
	case valueArray:
		f := fields{text: one.data}
		for f.next() {
			if f.message(arrayValues) && !yield(textOf(f.data())) {
				return
			}
		}
	}
}

// via names the intermediaries that the headers tell of, nearest first: those of Via, which
// each hop appends to (RFC 9110, section 7.6.3), the headers that only intermediaries
// set, then those of the answer's Via and Server.
func (d *traceDecoder) via() string {
	e := &d.facts
	if e.requestVia == nil && e.responseVia == nil && e.responseServer == nil && e.forwarded == [forwardedHeaders]bool{} {
		return ""
	}
	var l viaList
	l.addHops(e.requestVia)
	for i, there := range e.forwarded {
		if there {
			l.add([]byte(forwardedNames[i]))
		}
	}
	l.addHops(e.responseVia)
	texts(e.responseServer, func(name []byte) bool {
		l.add(bytes.TrimSpace(name))
		return true
	})
	return d.text(l.text, maxViaBytes)
}

// viaList is a Span.Via as it grows.
type viaList struct{ text []byte }

// add appends a name that is not there yet and fits.
func (l *viaList) add(name []byte) {
	if len(name) == 0 || len(l.text)+len(", ")+len(name) > maxViaBytes {
		return
	}
	for known := range bytes.SplitSeq(l.text, []byte(", ")) {
		if bytes.Equal(known, name) {
			return
		}
	}
	if len(l.text) > 0 {
		l.text = append(l.text, ", "...)
	}
	l.text = append(l.text, name...)
}

// addHops appends the hops of a Via header, the last one first.
func (l *viaList) addHops(header []byte) {
	var hops [][]byte
	texts(header, func(line []byte) bool {
		for hop := range bytes.SplitSeq(line, []byte(",")) {
			if len(hops) < maxHops {
				hops = append(hops, receivedBy(hop))
			}
		}
		return len(hops) < maxHops
	})
	for _, hop := range slices.Backward(hops) {
		l.add(hop)
	}
}

// maxHops bounds the hops of one Via header.
const maxHops = 16

// receivedBy returns the name in one element of Via: "1.1 varnish (comment)" has varnish.
func receivedBy(hop []byte) []byte {
	hop = bytes.TrimSpace(hop)
	if _, name, found := bytes.Cut(hop, []byte(" ")); found {
		hop = bytes.TrimSpace(name)
	}
	name, _, _ := bytes.Cut(hop, []byte(" "))
	return name
}

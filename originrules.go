package throughline

import (
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/throughline-rum/throughline/wire/servertiming"
)

// OriginRules says which pages of other origins may see the trace of a response. The
// zero value has no rules: every origin may. It must not be copied, and may be used
// and replaced by many goroutines at once.
type OriginRules struct {
	set atomic.Pointer[servertiming.RuleSet]
}

// Replace sets the rules for every response whose headers have not gone out yet; none:
// every origin may. Its error wraps [servertiming.ErrRule], and leaves the rules as they were.
func (o *OriginRules) Replace(rules ...servertiming.Rule) error {
	set, err := servertiming.NewRuleSet(rules...)
	if err != nil {
		return err
	}
	o.set.Store(set)
	return nil
}

// everyOrigin is the decision where there are no rules.
var everyOrigin = new(servertiming.RuleSet).Decide(servertiming.Request{})

// decide applies the rules to a request.
func (o *OriginRules) decide(r *http.Request) servertiming.Decision {
	if o == nil {
		return everyOrigin
	}
	set := o.set.Load()
	if set == nil {
		return everyOrigin
	}
	origin := strings.Join(r.Header["Origin"], ", ") // no browser sends several, and no rule matches what they are together
	if origin == "" {
		origin, _ = servertiming.OriginOf(r.Header.Get("Referer"))
	}
	request := servertiming.Request{Origin: origin, Own: isOwn(r.Header)}
	if isAtHost(origin, r.Host) {
		request.Self = origin
	}
	return set.Decide(request)
}

// isOwn reports whether a browser says that a page of the server itself reads the
// answer: one that asks at its own origin, or the page that is being opened
// (W3C Fetch Metadata). Browsers without these headers, as Safari before 16.4, tell the
// second by Upgrade-Insecure-Requests. Who makes them up gains nothing: without
// Timing-Allow-Origin a page of another origin reads no Server-Timing.
func isOwn(header http.Header) bool {
	return header.Get("Sec-Fetch-Site") == "same-origin" || header.Get("Sec-Fetch-Mode") == "navigate" ||
		header.Get("Upgrade-Insecure-Requests") != ""
}

// isAtHost reports whether an origin is at the host that was asked. Its scheme is not
// compared: behind a proxy that ends TLS the server does not know its own, and without
// Timing-Allow-Origin a page of the other scheme reads nothing.
func isAtHost(origin, host string) bool {
	_, at, _ := strings.Cut(origin, "://")
	return strings.EqualFold(at, host)
}

package traffic

import (
	"strconv"
	"time"
)

// FaroPayloads returns the session as the Grafana Faro web SDK would send it, one payload a
// page: a request as its resource event, a navigation as its navigation event, a web vital as a
// measurement. Faro writes every attribute as a string.
func (v *Session) FaroPayloads() []Beacon {
	all := make([]Beacon, 0, len(v.Pages))
	for i := range v.Pages {
		p := &v.Pages[i]
		b := &writer{to: make([]byte, 0, 24<<10)}
		b.raw(`{"meta":{"sdk":{"name":"faro-core","version":"1.19.0","integrations":[{"name":"performance","version":"1.19.0"}]},` +
			`"app":{"name":"shop","version":"1.14.2","environment":"production"},"session":{"id":"`).raw(v.SessionID[:10]).
			raw(`","attributes":{"instance":"`).raw(v.InstanceID).raw(`"}},"page":{"url":"https://` + shopHost).raw(p.path).
			raw(`"},"browser":{"name":"Chrome","version":"156.0.0.0","os":"Linux x86_64","userAgent":"` + userAgent + `","language":"en","mobile":false},` +
				`"view":{"name":"product"}},"events":[`)
		for j := range p.Requests {
			faroResource(b, &p.Requests[j])
			b.raw(",")
		}
		faroNavigation(b, p)
		b.raw(`],"measurements":[`)
		faroVital(b, p, "lcp", 1250.5)
		b.raw(",")
		faroVital(b, p, "inp", 88)
		all = append(all, Beacon{Body: b.raw("]}").to, Events: len(p.Requests) + 3, Client: v.ClientAddress})
	}
	return all
}

func faroResource(b *writer, r *Request) {
	total := ms(r.Duration)
	b.raw(`{"name":"faro.performance.resource","domain":"browser","timestamp":"`).time(r.Start).
		raw(`","attributes":{"faroResourceId":"`).raw(r.ID.String()).raw(`"`).
		text("name", r.URL).text("duration", fixed(total)).text("tcpHandshakeTime", "0").text("dnsLookupTime", "0").text("tlsNegotiationTime", "0").
		text("responseStatus", strconv.Itoa(r.Status)).text("redirectTime", "0").text("requestTime", fixed(total*0.9-1.4)).text("responseTime", fixed(total*0.1)).
		text("fetchTime", fixed(total-0.2)).text("serviceWorkerTime", "0").text("decodedBodySize", strconv.Itoa(r.size*3)).
		text("encodedBodySize", strconv.Itoa(r.size)).text("cacheHitStatus", "fullLoad").text("renderBlockingStatus", "non-blocking").
		text("protocol", "h2").text("initiatorType", initiator(r)).text("visibilityState", "visible").text("ttfb", fixed(total*0.9)).
		text("transferSize", strconv.Itoa(r.size+300)).raw("}")
	if !r.TraceID.IsZero() {
		b.raw(`,"trace":{"trace_id":"`).raw(r.TraceID.String()).raw(`","span_id":"`).raw(r.SpanID.String()).raw(`"}`)
	}
	b.raw("}")
}

func faroNavigation(b *writer, p *Page) {
	b.raw(`{"name":"faro.performance.navigation","domain":"browser","timestamp":"`).time(p.Start).
		raw(`","attributes":{"faroNavigationId":"`).raw(p.load.String()).
		raw(`","name":"https://` + shopHost).raw(p.path).raw(`","duration":"1204.5","pageLoadTime":"1204.5","documentParsingTime":"280","domProcessingTime":"790",` +
		`"domContentLoadHandlerTime":"11","onLoadTime":"14","ttfb":"91","type":"navigate"}}`)
}

func faroVital(b *writer, p *Page, name string, value float64) {
	b.raw(`{"type":"web-vitals","timestamp":"`).time(p.Start).raw(`","values":{"`).raw(name).raw(`":`).ms(value).
		raw(`},"context":{"id":"v5-1777270045450-1234","rating":"good","navigation_type":"navigate"}}`)
}

func (b *writer) time(t time.Time) *writer {
	b.to = t.UTC().AppendFormat(b.to, "2006-01-02T15:04:05.000Z")
	return b
}

func fixed(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

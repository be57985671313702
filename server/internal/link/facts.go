package link

import (
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
)

// FactsOf returns what the explanation of a verdict may say of the request that it was given on.
func FactsOf(e *model.Evidence, v model.Verdict) Facts {
	f := Facts{Host: e.Request.Host, Agent: e.Request.AgentVersion, Service: servicesOf(e.HostServices)}
	if e.SameAnswer != nil {
		f.Sessions = e.SameAnswer.Sessions + 1
	}
	s := joinedSpan(e, v.Joined)
	if s == nil {
		return f
	}
	if s.Service != "" {
		f.Service = s.Service
	}
	f.Hop = nearestHop(s.Via)
	j := judgement{Evidence: e, trace: spans{all: e.Trace}}
	if v.Detail == detailRecordedHop {
		if last := j.lastWithDtr(s); last != nil && last.Service != "" {
			f.Hop = last.Service
		}
	}
	return f
}

// FactsOfLink returns what is known of a request without a look at its evidence.
func FactsOfLink(r *model.LinkedRequest) Facts {
	return Facts{Host: r.Host, Agent: r.AgentVersion, Service: r.Link.Entry.Service}
}

// servicesOf names a few services.
func servicesOf(services []string) string {
	const most = 3
	if len(services) > most {
		return strings.Join(services[:most], ", ") + ", …"
	}
	return strings.Join(services, ", ")
}

// nearestHop says which hop the intermediaries of SpanFacts.Via point to; empty where none has a name. They begin with those that the request
// named, nearest first. Headers that hops set without their name follow, under the header's own, and then
// what the answer named, which may be the backend itself.
func nearestHop(via string) string {
	first, _, _ := strings.Cut(via, ", ")
	if !namesNobody(first) {
		return first
	}
	for name := range strings.SplitSeq(via, ", ") {
		if vendor := vendorOf(name); vendor != "" {
			return vendor
		}
	}
	return ""
}

// namesNobody reports whether a name is that of a header that hops set without their name.
func namesNobody(name string) bool {
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-") || vendorOf(name) != ""
}

// vendorOf names the hop whose vendor alone sets a header.
func vendorOf(header string) string {
	switch header {
	case "x-envoy-external-address":
		return "Envoy"
	case "x-amz-cf-id":
		return "Amazon CloudFront"
	case "x-amzn-trace-id":
		return "AWS load balancer"
	case "cf-ray":
		return "Cloudflare"
	case "x-azure-ref":
		return "Azure Front Door"
	case "x-cloud-trace-context":
		return "Google Cloud load balancer"
	default:
		return ""
	}
}

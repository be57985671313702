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
		return strings.Join(services[:most], ", ") + " and others"
	}
	return strings.Join(services, ", ")
}

// nearestHop returns the first of the intermediaries of SpanFacts.Via.
func nearestHop(via string) string {
	hop, _, _ := strings.Cut(via, ", ")
	return hop
}

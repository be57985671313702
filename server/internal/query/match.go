package query

import (
	"slices"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// matches reports whether a filter that is well-formed selects a request, as the store's contract has it.
func matches(f *store.Filter, r *model.LinkedRequest) bool {
	if !f.From.IsZero() && r.Start.Before(f.From) || !f.To.IsZero() && !r.Start.Before(f.To) {
		return false
	}
	return !slices.ContainsFunc(f.Terms, func(t store.Term) bool { return holds(&t, r) == t.Not })
}

func holds(t *store.Term, r *model.LinkedRequest) bool {
	for i, want := range t.Values {
		if fits(t, i, want, r) {
			return true
		}
	}
	return false
}

// fits reports whether a request has the value of a term.
func fits(t *store.Term, i int, want string, r *model.LinkedRequest) bool {
	if t.Field.IsNumber() {
		switch n := numberOf(t.Field, r); t.Op {
		case store.Greater:
			return n > t.Number(i)
		case store.Less:
			return n < t.Number(i)
		default:
			return n == t.Number(i)
		}
	}
	if t.Op == store.Contains {
		return slices.ContainsFunc(textsOf(t.Field, r), func(v string) bool { return store.ContainsFold(v, want) })
	}
	return slices.Contains(textsOf(t.Field, r), want)
}

func numberOf(f store.Field, r *model.LinkedRequest) float64 {
	if f == store.FieldStatusCode {
		return float64(r.StatusCode)
	}
	return store.Milliseconds(r.Duration)
}

// textsOf returns a request's value of a field; several of the trace id.
func textsOf(f store.Field, r *model.LinkedRequest) []string {
	switch f {
	case store.FieldTrace:
		return []string{r.Sent.TraceID.String(), r.Answer.TraceID.String(), r.Link.Joined.TraceID.String()}
	case store.FieldApplication:
		return []string{r.ApplicationID}
	case store.FieldInstance:
		return []string{r.InstanceID}
	case store.FieldSession:
		return []string{r.SessionID}
	case store.FieldPage:
		return []string{r.PageID}
	case store.FieldView:
		return []string{r.ViewID}
	case store.FieldAction:
		return []string{r.ActionID}
	case store.FieldBrowser:
		return []string{r.Client.Browser}
	case store.FieldOS:
		return []string{r.Client.OS}
	case store.FieldDevice:
		return []string{r.Client.Device}
	case store.FieldCountry:
		return []string{r.Client.Country}
	case store.FieldAgent:
		return []string{r.AgentVersion}
	case store.FieldKind:
		return []string{string(r.Kind)}
	case store.FieldInitiator:
		return []string{r.Initiator}
	case store.FieldURL:
		return []string{r.URL}
	case store.FieldHost:
		return []string{r.Host}
	case store.FieldEndpoint:
		return []string{store.EndpointOf(r)}
	case store.FieldMethod:
		return []string{r.Method}
	case store.FieldError:
		return []string{string(r.Error)}
	case store.FieldContextHint:
		return []string{string(r.TraceContextHint)}
	case store.FieldTimingHint:
		return []string{string(r.ServerTimingHint)}
	case store.FieldDelivery:
		return []string{string(r.Delivery)}
	case store.FieldProtocol:
		return []string{r.Protocol}
	case store.FieldStatus:
		return []string{string(r.Link.Status)}
	case store.FieldReason:
		return []string{string(r.Link.Reason)}
	case store.FieldDetail:
		return []string{r.Link.Detail}
	case store.FieldService:
		return []string{r.Link.Entry.Service}
	default:
		return nil
	}
}

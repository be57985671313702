package storetest

import (
	"slices"
	"strconv"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// fields is an event as a filter sees it.
type fields interface {
	time() time.Time
	text(store.Field) string
	number(store.Field) float64
	inTrace(tracecontext.TraceID) bool
}

// selects reports whether a filter, which was checked, selects an event.
func selects(f *store.Filter, e fields) bool {
	if !within(e.time(), f.From, f.To) {
		return false
	}
	for i := range f.Terms {
		if holds(&f.Terms[i], e) == f.Terms[i].Not {
			return false
		}
	}
	return true
}

// within reports whether a time lies in [from, to), where zero is no bound.
func within(at, from, to time.Time) bool {
	return (from.IsZero() || !at.Before(from)) && (to.IsZero() || at.Before(to))
}

// holds reports whether a term's condition holds, before Not.
func holds(t *store.Term, e fields) bool {
	for i, v := range t.Values {
		var hit bool
		switch {
		case t.Field == store.FieldTrace:
			id, err := tracecontext.ParseTraceID(v)
			hit = err == nil && e.inTrace(id)
		case t.Op == store.Greater:
			hit = e.number(t.Field) > t.Number(i)
		case t.Op == store.Less:
			hit = e.number(t.Field) < t.Number(i)
		case t.Op == store.Contains:
			hit = store.ContainsFold(e.text(t.Field), v)
		case t.Field.IsNumber():
			hit = e.number(t.Field) == t.Number(i)
		default:
			hit = e.text(t.Field) == v
		}
		if hit {
			return true
		}
	}
	return false
}

// frontendText returns the value of a field that all kinds of events have.
func frontendText(f store.Field, e *model.Frontend, url string) string {
	switch f {
	case store.FieldApplication:
		return e.ApplicationID
	case store.FieldInstance:
		return e.InstanceID
	case store.FieldSession:
		return e.SessionID
	case store.FieldPage:
		return e.PageID
	case store.FieldView:
		return e.ViewID
	case store.FieldAction:
		return e.ActionID
	case store.FieldBrowser:
		return e.Client.Browser
	case store.FieldOS:
		return e.Client.OS
	case store.FieldDevice:
		return e.Client.Device
	case store.FieldCountry:
		return e.Client.Country
	case store.FieldAgent:
		return e.AgentVersion
	case store.FieldURL:
		return url
	default:
		panic("storetest: the field " + string(f) + " wants a case here")
	}
}

type requestFields struct{ *model.LinkedRequest }

func (r requestFields) time() time.Time { return r.Start }

func (r requestFields) text(f store.Field) string {
	switch f {
	case store.FieldKind:
		return string(r.Kind)
	case store.FieldInitiator:
		return r.Initiator
	case store.FieldHost:
		return r.Host
	case store.FieldEndpoint:
		return store.EndpointOf(r.LinkedRequest)
	case store.FieldMethod:
		return r.Method
	case store.FieldStatusCode:
		return strconv.Itoa(r.StatusCode)
	case store.FieldError:
		return string(r.Error)
	case store.FieldContextHint:
		return string(r.TraceContextHint)
	case store.FieldTimingHint:
		return string(r.ServerTimingHint)
	case store.FieldDelivery:
		return string(r.Delivery)
	case store.FieldProtocol:
		return r.Protocol
	case store.FieldStatus:
		return string(r.Link.Status)
	case store.FieldReason:
		return string(r.Link.Reason)
	case store.FieldDetail:
		return r.Link.Detail
	case store.FieldService:
		return r.Link.Entry.Service
	default:
		return frontendText(f, &r.Frontend, r.URL)
	}
}

func (r requestFields) number(f store.Field) float64 {
	if f == store.FieldStatusCode {
		return float64(r.StatusCode)
	}
	return store.Milliseconds(r.Duration)
}

func (r requestFields) inTrace(id tracecontext.TraceID) bool {
	return slices.Contains(tracesOf(r.LinkedRequest), id)
}

// tracesOf returns the traces that a request carried, was answered with and is joined to.
func tracesOf(r *model.LinkedRequest) []tracecontext.TraceID {
	all := []tracecontext.TraceID{r.Sent.TraceID, r.Answer.TraceID, r.Link.Joined.TraceID}
	return slices.DeleteFunc(all, tracecontext.TraceID.IsZero)
}

type navigationFields struct{ *model.NavigationEvent }

func (n navigationFields) time() time.Time                   { return n.Start }
func (n navigationFields) text(f store.Field) string         { return frontendText(f, &n.Frontend, n.URL) }
func (n navigationFields) number(store.Field) float64        { return store.Milliseconds(n.Duration) }
func (n navigationFields) inTrace(tracecontext.TraceID) bool { return false }

type errorFields struct{ *model.ErrorEvent }

func (e errorFields) time() time.Time { return e.Time }

func (e errorFields) text(f store.Field) string {
	switch f {
	case store.FieldErrorSource:
		return e.Source
	case store.FieldErrorType:
		return e.Type
	default:
		return frontendText(f, &e.Frontend, e.URL)
	}
}

func (e errorFields) number(store.Field) float64        { return 0 }
func (e errorFields) inTrace(tracecontext.TraceID) bool { return false }

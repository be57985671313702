package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Filter selects events: those that start in [From, To) and of which every term
// holds. The zero value selects everything.
type Filter struct {
	From, To time.Time // zero: no bound
	Terms    []Term
}

// Term is one condition on a field; of several on one field all must hold.
type Term struct {
	Field  Field
	Op     Op
	Values []string // one or more, at most MaxValues, of which one must fit; Greater and Less take one number
	Not    bool     // the condition must not hold
}

// The limits of a filter.
const (
	MaxTerms      = 32
	MaxValues     = 32 // of a term
	MaxValueBytes = 1024
)

// Op is how a field is held against a term's values.
type Op int

// The comparisons.
const (
	Equal    Op = iota // the field is one of the values; numbers are compared as float64
	Contains           // the field contains one of the values, both in lower case, rune by rune (see ContainsFold)
	Greater            // of numbers: field > value
	Less               // of numbers: field < value
)

// Field names what a term is about. Its text is the name in the API.
type Field string

// The fields of request events. An empty value of Equal selects events without one. A number is
// decimal and finite, and its absence is 0.
const (
	FieldApplication Field = "rum.application.id"
	FieldInstance    Field = "rum.instance.id"
	FieldSession     Field = "session.id"
	FieldPage        Field = "page.instance_id"
	FieldView        Field = "view.instance_id"
	FieldAction      Field = "action.id"
	FieldBrowser     Field = "user_agent.name"
	FieldOS          Field = "os.name"
	FieldDevice      Field = "device.type"
	FieldCountry     Field = "geo.country.iso_code"
	FieldAgent       Field = "agent.version"
	FieldKind        Field = "request.kind"
	FieldInitiator   Field = "performance.initiator_type"
	FieldURL         Field = "url.full"
	FieldHost        Field = "server.address"
	FieldEndpoint    Field = "endpoint" // the entry span's route, else the URL's pattern (see EndpointOf)
	FieldMethod      Field = "http.request.method"
	FieldStatusCode  Field = "http.response.status_code" // a number; 0: no answer, or not readable
	FieldDuration    Field = "duration_ms"               // a number (see Milliseconds)
	FieldError       Field = "error.reason"
	FieldContextHint Field = "request.trace_context_hint"
	FieldTimingHint  Field = "request.server_timing_hint"
	FieldDelivery    Field = "performance.delivery"
	FieldProtocol    Field = "performance.next_hop_protocol"
	FieldStatus      Field = "link.status"
	FieldReason      Field = "link.reason"
	FieldDetail      Field = "link.detail"
	FieldService     Field = "service.name" // of the joined entry span
	FieldTrace       Field = "trace.id"     // carried, answered or joined; Equal alone, one value, not empty

	FieldErrorSource Field = "error.source"   // of errors alone
	FieldErrorType   Field = "exception.type" // of errors alone
)

// fieldTraits says where a field stands and how it compares.
type fieldTraits struct {
	navigation, err, request bool
	number                   bool
	facet                    bool // has few values, so that counting by them makes sense
}

// traits returns what is known of a field; nothing of one that is none.
func (f Field) traits() fieldTraits {
	switch f {
	case FieldApplication, FieldBrowser, FieldOS, FieldDevice, FieldCountry, FieldAgent:
		return fieldTraits{navigation: true, err: true, request: true, facet: true}
	case FieldInstance, FieldSession, FieldPage, FieldView, FieldAction, FieldURL:
		return fieldTraits{navigation: true, err: true, request: true}
	case FieldKind, FieldInitiator, FieldHost, FieldEndpoint, FieldMethod, FieldError, FieldContextHint, FieldTimingHint,
		FieldDelivery, FieldProtocol, FieldStatus, FieldReason, FieldDetail, FieldService:
		return fieldTraits{request: true, facet: true}
	case FieldStatusCode:
		return fieldTraits{request: true, facet: true, number: true}
	case FieldDuration:
		return fieldTraits{request: true, number: true, navigation: true}
	case FieldTrace:
		return fieldTraits{request: true}
	case FieldErrorSource, FieldErrorType:
		return fieldTraits{err: true}
	default:
		return fieldTraits{}
	}
}

// Fields returns all fields, in the order of their names.
func Fields() []Field {
	all := []Field{
		FieldApplication, FieldInstance, FieldSession, FieldPage, FieldView, FieldAction, FieldBrowser, FieldOS, FieldDevice,
		FieldCountry, FieldAgent, FieldKind, FieldInitiator, FieldURL, FieldHost, FieldEndpoint, FieldMethod, FieldStatusCode,
		FieldDuration, FieldError, FieldContextHint, FieldTimingHint, FieldDelivery, FieldProtocol, FieldStatus, FieldReason,
		FieldDetail, FieldService, FieldTrace, FieldErrorSource, FieldErrorType,
	}
	slices.Sort(all)
	return all
}

// OfRequest reports whether request events have the field.
func (f Field) OfRequest() bool { return f.traits().request }

// OfNavigation reports whether navigations have the field.
func (f Field) OfNavigation() bool { return f.traits().navigation }

// OfError reports whether errors have the field.
func (f Field) OfError() bool { return f.traits().err }

// IsNumber reports whether Greater and Less may be asked of the field.
func (f Field) IsNumber() bool { return f.traits().number }

// IsFacet reports whether requests may be counted by the field.
func (f Field) IsFacet() bool { return f.traits().facet }

// Check reports the first fault of a filter; has says which fields there are, such
// as Field.OfRequest.
func (f *Filter) Check(has func(Field) bool) error {
	if len(f.Terms) > MaxTerms {
		return fmt.Errorf("store: a filter of %d terms, and %d are the most", len(f.Terms), MaxTerms)
	}
	for i := range f.Terms {
		if err := f.Terms[i].check(has); err != nil {
			return err
		}
	}
	return nil
}

func (t *Term) check(has func(Field) bool) error {
	if !has(t.Field) {
		return fmt.Errorf("store: there is no field %q here", t.Field)
	}
	if len(t.Values) == 0 || len(t.Values) > MaxValues {
		return fmt.Errorf("store: %d values for %s, and 1 to %d are allowed", len(t.Values), t.Field, MaxValues)
	}
	for _, v := range t.Values {
		if len(v) > MaxValueBytes {
			return fmt.Errorf("store: a value for %s is longer than %d bytes", t.Field, MaxValueBytes)
		}
		if t.Field.IsNumber() {
			if _, err := parseNumber(v); err != nil {
				return fmt.Errorf("store: a value for %s is not a number", t.Field)
			}
		}
	}
	switch t.Op {
	case Equal:
		if t.Field != FieldTrace {
			return nil
		}
		if _, err := tracecontext.ParseTraceID(t.Values[0]); err != nil || len(t.Values) > 1 {
			return fmt.Errorf("store: %s is compared to one trace id", t.Field)
		}
		return nil
	case Contains:
		if t.Field.IsNumber() || t.Field == FieldTrace {
			return fmt.Errorf("store: %s is not searched for a part", t.Field)
		}
		return nil
	case Greater, Less:
		if !t.Field.IsNumber() || len(t.Values) != 1 {
			return fmt.Errorf("store: %s is not compared by size to one number", t.Field)
		}
		return nil
	default:
		return fmt.Errorf("store: there is no comparison %d", t.Op)
	}
}

var errNumber = errors.New("not a finite number")

// parseNumber reads a finite decimal number.
func parseNumber(s string) (float64, error) {
	if strings.ContainsAny(s, "xX_") {
		return 0, errNumber
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errNumber
	}
	return n, nil
}

package query

import (
	"slices"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/server/internal/store"
)

// subject is what a filter selects, and which fields it has.
type subject struct {
	name string
	has  func(store.Field) bool
}

func ofRequests() subject  { return subject{"requests", store.Field.OfRequest} }
func ofPageLoads() subject { return subject{"page loads", store.Field.OfNavigation} }
func ofErrors() subject    { return subject{"errors", store.Field.OfError} }

// Alias is a short name of a field in a filter.
type Alias struct {
	Name  string
	Field store.Field
}

// Aliases returns the short names of fields, in the order of the fields' meaning.
func Aliases() []Alias {
	return []Alias{
		{"status", store.FieldStatus},
		{"reason", store.FieldReason},
		{"detail", store.FieldDetail},
		{"hint", store.FieldContextHint},
		{"timing", store.FieldTimingHint},
		{"trace", store.FieldTrace},
		{"service", store.FieldService},
		{"url", store.FieldURL},
		{"host", store.FieldHost},
		{"method", store.FieldMethod},
		{"code", store.FieldStatusCode},
		{"duration", store.FieldDuration},
		{"kind", store.FieldKind},
		{"initiator", store.FieldInitiator},
		{"error", store.FieldError},
		{"delivery", store.FieldDelivery},
		{"protocol", store.FieldProtocol},
		{"app", store.FieldApplication},
		{"session", store.FieldSession},
		{"instance", store.FieldInstance},
		{"page", store.FieldPage},
		{"view", store.FieldView},
		{"action", store.FieldAction},
		{"browser", store.FieldBrowser},
		{"os", store.FieldOS},
		{"device", store.FieldDevice},
		{"country", store.FieldCountry},
		{"agent", store.FieldAgent},
		{"source", store.FieldErrorSource},
		{"exception", store.FieldErrorType},
	}
}

// fieldOf returns the field that a name in a filter stands for.
func fieldOf(name string) (store.Field, bool) {
	for _, a := range Aliases() {
		if a.Name == name {
			return a.Field, true
		}
	}
	f := store.Field(name)
	return f, f.OfRequest() || f.OfNavigation() || f.OfError()
}

// namesOf lists the names that a filter of the subject may use: aliases where there are, else the field's own.
func namesOf(s subject) []string {
	var names []string
	for _, f := range store.Fields() {
		if !s.has(f) {
			continue
		}
		name := string(f)
		for _, a := range Aliases() {
			if a.Field == f {
				name = a.Name
			}
		}
		names = append(names, name)
	}
	return names
}

// Values returns what a field may hold, where that is a closed list.
func Values(f store.Field) []string {
	switch f {
	case store.FieldStatus:
		return []string{string(model.Linked), string(model.Partial), string(model.Unlinked), string(model.NotApplicable), string(model.Pending)}
	case store.FieldReason:
		all := []string{}
		for _, r := range reasons() {
			all = append(all, string(r.reason))
		}
		return all
	case store.FieldContextHint:
		return texts(contextHints())
	case store.FieldTimingHint:
		return texts(timingHints())
	case store.FieldKind:
		return texts([]model.RequestKind{model.KindDocument, model.KindResource, model.KindFetch, model.KindXHR})
	case store.FieldError:
		return texts(errorReasons())
	case store.FieldDelivery:
		return texts([]model.Delivery{model.DeliveredByNetwork, model.DeliveredByCache, model.DeliveredByServiceWorker})
	default:
		return nil
	}
}

// reasonStatus is a row of the table of verdicts (linking contract, section 6).
type reasonStatus struct {
	reason model.LinkReason
	status model.LinkStatus
}

func reasons() []reasonStatus {
	return []reasonStatus{
		{model.Exact, model.Linked},
		{model.ViaIntermediary, model.Linked},
		{model.ByServerTiming, model.Linked},
		{model.TracestateLost, model.Partial},
		{model.TracestateAltered, model.Partial},
		{model.ParentRewritten, model.Partial},
		{model.TraceRestarted, model.Partial},
		{model.TraceparentDropped, model.Partial},
		{model.NotPropagated, model.Unlinked},
		{model.NoServerTiming, model.Unlinked},
		{model.NotSampled, model.Unlinked},
		{model.SpansMissing, model.Unlinked},
		{model.HeadersDropped, model.Unlinked},
		{model.BackendNotInstrumented, model.Unlinked},
		{model.ServedFromCache, model.NotApplicable},
		{model.ServedByWorker, model.NotApplicable},
		{model.RequestNeverSent, model.NotApplicable},
	}
}

func contextHints() []model.TraceContextHint {
	return []model.TraceContextHint{
		model.ContextSet, model.ContextIncluded, model.ContextExternal, model.ContextInvalid, model.ContextMaxLength,
		model.ContextMissingValues, model.ContextCrossOrigin, model.ContextExcluded, model.ContextDisabled, model.ContextNotHTTP,
		model.ContextFromServer, model.ContextNotSet, model.ContextCORSRejected, model.ContextNotSampled, model.ContextUnused,
		model.ContextAPISet, model.ContextAPIInvalid, model.ContextAPIUnused,
	}
}

func timingHints() []model.ServerTimingHint {
	return []model.ServerTimingHint{
		model.TimingReceived, model.TimingNotAvailable, model.TimingNoTraceInfo, model.TimingInvalid, model.TimingMismatch, model.TimingStale,
	}
}

func errorReasons() []model.ErrorReason {
	return []model.ErrorReason{
		model.ErrorAbort, model.ErrorAbortUnsent, model.ErrorNetwork, model.ErrorTimeout, model.ErrorOffline, model.ErrorBlocked,
		model.ErrorInvalidCall, model.ErrorUnknownReason,
	}
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// normal returns a value as the store holds it, where its case has no meaning.
func normal(f store.Field, v string) string {
	switch f {
	case store.FieldHost, store.FieldTrace:
		return strings.ToLower(v)
	case store.FieldMethod, store.FieldCountry:
		return strings.ToUpper(v)
	default:
		return v
	}
}

// closest returns the name that differs least from what was written; empty where none is near.
func closest(written string, names []string) string {
	best, least := "", min(3, max(1, len(written)/2))+1
	for _, n := range names {
		if d := distance(written, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// maxDistanceBytes bounds the work of distance.
const maxDistanceBytes = 64

// distance counts the letters to add, drop or change to make b of a.
func distance(a, b string) int {
	if len(a) > maxDistanceBytes || len(b) > maxDistanceBytes {
		return maxDistanceBytes
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// allNames lists every name that a filter of the subject understands.
func allNames(s subject) []string {
	var names []string
	for _, a := range Aliases() {
		if s.has(a.Field) {
			names = append(names, a.Name)
		}
	}
	for _, f := range store.Fields() {
		if s.has(f) && !slices.Contains(names, string(f)) {
			names = append(names, string(f))
		}
	}
	return names
}

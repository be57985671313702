package link

import "github.com/throughline-rum/throughline/server/internal/model"

// The details that Judge gives beside the agent's own hints and error reasons, which
// it passes on.
const (
	// detailNamedHop: HTTP headers that a span recorded name the hop that is suspected.
	detailNamedHop = "named_hop"
	// detailRecordedHop: spans that were recorded on the way show where it happened.
	detailRecordedHop = "recorded_hop"
	// detailParentRewritten: the parent was rewritten too.
	detailParentRewritten = string(model.ParentRewritten)
	// detailNotSampled: the agent, or the answer, said that the trace is not recorded.
	detailNotSampled = string(model.ContextNotSampled)
	// detailFlags: the flags of the application's own context said so.
	detailFlags = "flags"
	// detailSampled: the answer said that the trace is recorded.
	detailSampled = "sampled"
	// detailStale: the trace that the answer names is older than the request.
	detailStale = string(model.TimingStale)
	// detailSameAnswer: another session had the same answer before.
	detailSameAnswer = "same_answer"
	// The fields in which a dtr entry may contradict the event.
	detailSpanID, detailSession             = "span.id", "session.id"
	detailApplication, detailInstance       = "rum.application.id", "rum.instance.id"
	detailMismatch                          = string(model.TimingMismatch)
	detailAbort, detailTimeout, detailOther = string(model.ErrorAbort), string(model.ErrorTimeout), string(model.ErrorUnknownReason)
)

// reasonDetails are the details that Judge gives for a reason, beside none.
type reasonDetails struct {
	status  model.LinkStatus
	reason  model.LinkReason
	details []string
}

// verdicts lists all that Judge can say, in the order of the linking contract, section 6. A pending
// verdict and one that is a bug have no details.
func verdicts() []reasonDetails {
	hints := func(all ...model.TraceContextHint) []string {
		text := make([]string, len(all))
		for i, h := range all {
			text[i] = string(h)
		}
		return text
	}
	sampling := []string{detailNotSampled}
	noAnswer := []string{detailAbort, detailTimeout, detailOther}
	// Without dtr of ours, since the agent never put it on the request.
	neverSent := hints(model.ContextMaxLength, model.ContextMissingValues, model.ContextCrossOrigin, model.ContextExcluded, model.ContextDisabled,
		model.ContextCORSRejected, model.ContextNotSampled, model.ContextNotHTTP, model.ContextInvalid, model.ContextNotSet, model.ContextFromServer,
		model.ContextUnused, model.ContextAPIUnused, model.ContextAPIInvalid)
	return []reasonDetails{
		{model.Linked, model.Exact, sampling},
		{model.Linked, model.ViaIntermediary, sampling},
		{model.Linked, model.ByServerTiming, sampling},
		{model.Partial, model.TracestateLost, append([]string{detailNamedHop, detailRecordedHop, detailParentRewritten}, neverSent...)},
		{model.Partial, model.TracestateAltered, []string{detailSpanID, detailSession, detailApplication, detailInstance}},
		{model.Partial, model.ParentRewritten, []string{detailNamedHop}},
		{model.Partial, model.TraceRestarted, []string{detailNamedHop}},
		{model.Partial, model.TraceparentDropped, []string{detailNamedHop}},
		{model.Unlinked, model.NotPropagated, hints(model.ContextCrossOrigin, model.ContextExcluded, model.ContextDisabled, model.ContextNotHTTP,
			model.ContextInvalid, model.ContextCORSRejected, model.ContextUnused, model.ContextAPIUnused, model.ContextAPIInvalid,
			model.ContextSet, model.ContextIncluded, model.ContextExternal, model.ContextMaxLength, model.ContextMissingValues, model.ContextAPISet)},
		{model.Unlinked, model.NoServerTiming, []string{string(model.TimingNotAvailable), string(model.TimingNoTraceInfo), string(model.TimingInvalid),
			string(model.TimingReceived), detailMismatch}},
		{model.Unlinked, model.NotSampled, []string{detailNotSampled, detailFlags}},
		{model.Unlinked, model.SpansMissing, []string{detailSampled}},
		{model.Unlinked, model.HeadersDropped, append([]string{detailMismatch}, noAnswer...)},
		{model.Unlinked, model.BackendNotInstrumented, noAnswer},
		{model.NotApplicable, model.ServedFromCache, []string{detailStale, detailSameAnswer}},
		{model.NotApplicable, model.ServedByWorker, nil},
		{model.NotApplicable, model.RequestNeverSent, []string{string(model.ErrorAbortUnsent), string(model.ErrorOffline), string(model.ErrorBlocked),
			string(model.ErrorInvalidCall), string(model.ErrorNetwork)}},
		{model.Pending, model.LinkReasonNone, nil},
	}
}

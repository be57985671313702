package link

import (
	"testing"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

const wait = 2 * time.Minute

var (
	began    = time.Date(2026, 4, 27, 6, 7, 25, 0, time.UTC)
	received = began.Add(time.Second)
	early    = received.Add(time.Second)
	late     = received.Add(wait)

	ours    = tracecontext.TraceID{1}
	theirs  = tracecontext.TraceID{2}
	request = tracecontext.SpanID{0xa}
	entry   = tracecontext.SpanID{0xb}
	proxy   = tracecontext.SpanID{0xc}
	nobody  = tracecontext.SpanID{0xd}

	dtr = model.Dtr{SpanID: request, Sampled: true, ApplicationID: "745a78fe5b6e57f6", InstanceID: "I", SessionID: "S"}
)

const (
	remote = model.SpanFlagRemoteKnown | model.SpanFlagRemote
	local  = model.SpanFlagRemoteKnown
)

// fetch is a fetch that carried both headers and read nothing.
func fetch(change ...func(*model.RequestEvent)) model.RequestEvent {
	r := model.RequestEvent{
		ID: model.EventID{1}, Frontend: model.Frontend{ApplicationID: dtr.ApplicationID, InstanceID: dtr.InstanceID, SessionID: dtr.SessionID},
		Kind: model.KindFetch, Start: began, Duration: 100 * time.Millisecond, Received: received,
		URL: "https://shop.example/api", Host: "shop.example", Method: "GET",
		TraceContextHint: model.ContextSet, ServerTimingHint: model.TimingNotAvailable,
		Sent: model.SpanContext{TraceID: ours, SpanID: request},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

// document is a document whose Server-Timing named a trace and its entry span.
func document(change ...func(*model.RequestEvent)) model.RequestEvent {
	r := fetch()
	r.Kind, r.Sent = model.KindDocument, model.SpanContext{}
	r.TraceContextHint, r.ServerTimingHint = model.ContextFromServer, model.TimingReceived
	r.Answer.SpanContext = model.SpanContext{TraceID: ours, SpanID: entry}
	for _, f := range change {
		f(&r)
	}
	return r
}

func hint(h model.TraceContextHint) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) { r.TraceContextHint = h }
}

// unsent makes a request that carried nothing and read nothing.
func unsent(h model.TraceContextHint, t model.ServerTimingHint) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) {
		r.Sent, r.Answer, r.TraceContextHint, r.ServerTimingHint = model.SpanContext{}, model.ServerTiming{}, h, t
	}
}

// answers lets Server-Timing name a trace.
func answers(trace tracecontext.TraceID, span tracecontext.SpanID, h model.ServerTimingHint) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) {
		r.Answer.SpanContext, r.ServerTimingHint = model.SpanContext{TraceID: trace, SpanID: span}, h
	}
}

func sampled(is bool) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) { r.Answer.Sampled = &is }
}

func failed(reason model.ErrorReason) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) { r.Error = reason }
}

// measured lets the page have measured its clock against the backend's.
func measured(r *model.RequestEvent) { r.Clock.Source = model.ClockServerTiming }

func by(d model.Delivery) func(*model.RequestEvent) {
	return func(r *model.RequestEvent) { r.Delivery = d }
}

// server is a SERVER span with our dtr entry.
func server(id, parent tracecontext.SpanID, change ...func(*model.SpanFacts)) model.SpanFacts {
	s := model.SpanFacts{
		SpanContext: model.SpanContext{TraceID: ours, SpanID: id}, ParentSpanID: parent, Kind: model.SpanServer,
		Flags: remote, Start: began.Add(20 * time.Millisecond), Service: "cart", DtrState: model.DtrValid, Dtr: dtr,
	}
	for _, f := range change {
		f(&s)
	}
	// As ingest sees it.
	s.Entry = s.Kind == model.SpanServer || s.Kind == model.SpanConsumer || s.Flags&model.SpanFlagRemote != 0
	return s
}

func noDtr(s *model.SpanFacts)     { s.DtrState, s.Dtr = model.DtrAbsent, model.Dtr{} }
func brokenDtr(s *model.SpanFacts) { s.DtrState, s.Dtr = model.DtrInvalid, model.Dtr{} }
func noFlags(s *model.SpanFacts)   { s.Flags = 0 }
func isLocal(s *model.SpanFacts)   { s.Flags = local }
func inTheirs(s *model.SpanFacts)  { s.TraceID = theirs }
func behind(s *model.SpanFacts)    { s.Via = "edge.example, varnish" }

func kind(k model.SpanKind) func(*model.SpanFacts) {
	return func(s *model.SpanFacts) { s.Kind = k }
}

func at(d time.Duration) func(*model.SpanFacts) {
	return func(s *model.SpanFacts) { s.Start = began.Add(d) }
}

func dtrWith(change func(*model.Dtr)) func(*model.SpanFacts) {
	return func(s *model.SpanFacts) { change(&s.Dtr) }
}

// elsewhere is another session's request with the same answer, which began at a time from ours.
func elsewhere(d time.Duration) *model.SameAnswer {
	return &model.SameAnswer{RequestID: model.EventID{1, 1}, SessionID: "T", Start: began.Add(d), Sessions: 1}
}

type judgeCase struct {
	evidence model.Evidence
	now      time.Time // zero: early
	want     model.Verdict
}

func judgeCases() map[string]judgeCase {
	type spans = []model.SpanFacts
	to := func(trace tracecontext.TraceID, span tracecontext.SpanID) model.SpanContext {
		return model.SpanContext{TraceID: trace, SpanID: span}
	}
	return map[string]judgeCase{
		// linked
		"exact": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, SDK without flags, whole trace": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(nobody, entry, kind(model.SpanClient), noFlags), server(entry, request, noFlags)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, of two tries of a proxy the first": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, at(50*time.Millisecond)), server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, of two tries of a proxy the one that Server-Timing names": {
			evidence: model.Evidence{Request: fetch(answers(ours, proxy, model.TimingReceived)), Trace: spans{server(proxy, request, at(50*time.Millisecond)), server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, proxy), Final: true},
		},
		"exact, the span that Server-Timing names is still under way": {
			evidence: model.Evidence{Request: fetch(answers(ours, proxy, model.TimingReceived)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry)},
		},
		"exact, of a trace that many users share": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal)), Trace: spans{
				server(proxy, request, at(0), dtrWith(func(d *model.Dtr) { d.SessionID = "T" })), server(entry, request),
			}},
			want: model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, queue": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, kind(model.SpanConsumer))}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, span that calls out may be bettered": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanClient))}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, proxy)},
		},
		"exact, span within a service may be bettered": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanInternal), noFlags)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, proxy)},
		},
		"exact, span of no kind with a remote parent": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, kind(model.SpanUnspecified))}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, INTERNAL span with a remote parent": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(nobody, entry), server(entry, request, kind(model.SpanInternal))}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, an entry span that has dtr goes before an earlier one that lost it": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, noDtr, at(0)), server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, the entry span below which Server-Timing names another": {
			evidence: model.Evidence{Request: fetch(answers(ours, nobody, model.TimingReceived)), Trace: spans{server(entry, request), server(nobody, entry)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, though the application's own flags say that it is not sampled": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal), sampled(false)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Detail: "not_sampled", Joined: to(ours, entry), Final: true},
		},
		"exact, and another trace is not sampled": {
			evidence: model.Evidence{Request: fetch(answers(theirs, nobody, model.TimingMismatch), sampled(false)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, an old trace of an application's own that many share": {
			evidence: model.Evidence{
				Request: fetch(hint(model.ContextExternal), answers(ours, entry, model.TimingReceived)), SameAnswer: elsewhere(-time.Hour), Trace: spans{server(entry, request)},
			},
			want: model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, document of which others got copies": {
			evidence: model.Evidence{Request: document(measured), SameAnswer: elsewhere(time.Second), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, parent rewritten and named by Server-Timing": {
			evidence: model.Evidence{Request: fetch(answers(ours, entry, model.TimingReceived)), Trace: spans{server(entry, nobody)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, event without ids contradicts nothing": {
			evidence: model.Evidence{Request: fetch(func(r *model.RequestEvent) { r.Frontend = model.Frontend{} }), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, failed for the page and yet answered": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorNetwork)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, document": {
			evidence: model.Evidence{Request: document(measured), Trace: spans{server(entry, tracecontext.SpanID{}, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, document, clock not measured": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(entry, tracecontext.SpanID{}, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry)},
		},
		"exact, document, clock not measured, after the wait": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(entry, tracecontext.SpanID{}, noDtr)}}, now: late,
			want: model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"exact, document in a trace that began earlier": {
			evidence: model.Evidence{Request: document(measured), Trace: spans{server(nobody, tracecontext.SpanID{}, noDtr, at(-time.Hour)), server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"via intermediary": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{
				server(proxy, request, kind(model.SpanClient)), server(nobody, proxy, kind(model.SpanInternal), isLocal), server(entry, nobody),
			}},
			want: model.Verdict{Status: model.Linked, Reason: model.ViaIntermediary, Joined: to(ours, entry)},
		},
		"via intermediary, after the wait": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanClient)), server(entry, proxy)}}, now: late,
			want: model.Verdict{Status: model.Linked, Reason: model.ViaIntermediary, Joined: to(ours, entry)},
		},
		"via intermediary, said not to be sampled": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal), sampled(false)), Trace: spans{server(proxy, request, kind(model.SpanClient)), server(entry, proxy)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ViaIntermediary, Detail: "not_sampled", Joined: to(ours, entry)},
		},
		"via intermediary, the nearest": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{
				server(tracecontext.SpanID{0xe}, entry, at(0)), server(proxy, request, kind(model.SpanClient)), server(entry, proxy, noFlags),
			}},
			want: model.Verdict{Status: model.Linked, Reason: model.ViaIntermediary, Joined: to(ours, entry)},
		},
		"server timing": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(proxy, entry, noDtr, isLocal)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ByServerTiming, Joined: to(ours, entry)},
		},
		"server timing, no span named": {
			evidence: model.Evidence{Request: document(answers(ours, tracecontext.SpanID{}, model.TimingReceived)), Trace: spans{server(entry, tracecontext.SpanID{}, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ByServerTiming, Joined: to(ours, entry)},
		},
		"server timing, excluded fetch": {
			evidence: model.Evidence{Request: document(hint(model.ContextExcluded)), Trace: spans{server(proxy, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ByServerTiming, Joined: to(ours, entry)},
		},
		"server timing, said not to be sampled": {
			evidence: model.Evidence{Request: document(sampled(false)), Trace: spans{server(proxy, entry, noDtr, isLocal)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ByServerTiming, Detail: "not_sampled", Joined: to(ours, entry)},
		},
		"server timing, service worker passed it through": {
			evidence: model.Evidence{Request: document(measured, by(model.DeliveredByServiceWorker)), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"server timing, an application's trace of many requests": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal), answers(ours, entry, model.TimingReceived)), Trace: spans{server(proxy, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.ByServerTiming, Joined: to(ours, tracecontext.SpanID{})},
		},

		// partial
		"tracestate lost": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Joined: to(ours, entry)},
		},
		"tracestate lost, behind an intermediary that had it": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanClient)), server(entry, proxy, noDtr, behind)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Detail: "recorded_hop", Joined: to(ours, entry)},
		},
		"tracestate lost, before an intermediary": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanClient), noDtr), server(entry, proxy, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Joined: to(ours, entry)},
		},
		"tracestate lost, behind a hop that headers name": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, noDtr, behind)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Detail: "named_hop", Joined: to(ours, entry)},
		},
		"tracestate lost wins over an exact pair by Server-Timing": {
			evidence: model.Evidence{Request: fetch(answers(ours, entry, model.TimingReceived)), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Joined: to(ours, entry)},
		},
		"tracestate lost, never sent": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextMaxLength)), Trace: spans{server(entry, request, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Detail: "max_length", Joined: to(ours, entry)},
		},
		"tracestate lost, an application's own context": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextCrossOrigin)), Trace: spans{server(entry, request, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Detail: "cross_origin", Joined: to(ours, entry)},
		},
		"tracestate lost and parent rewritten": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateLost, Detail: "parent_rewritten", Joined: to(ours, entry)},
		},
		"tracestate altered, does not parse": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, brokenDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Joined: to(ours, entry)},
		},
		"tracestate altered, another request": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, dtrWith(func(d *model.Dtr) { d.SpanID = nobody }))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Detail: "span.id", Joined: to(ours, entry)},
		},
		"tracestate altered, another session": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, dtrWith(func(d *model.Dtr) { d.SessionID = "T" }))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Detail: "session.id", Joined: to(ours, entry)},
		},
		"tracestate altered, another application": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, dtrWith(func(d *model.Dtr) { d.ApplicationID = "A" }))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Detail: "rum.application.id", Joined: to(ours, entry)},
		},
		"tracestate altered, another browser": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, request, dtrWith(func(d *model.Dtr) { d.InstanceID = "J" }))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Detail: "rum.instance.id", Joined: to(ours, entry)},
		},
		"tracestate altered and parent rewritten": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, brokenDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Joined: to(ours, entry)},
		},
		"tracestate altered, session, and parent rewritten": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, dtrWith(func(d *model.Dtr) { d.SessionID = "T" }))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TracestateAltered, Detail: "session.id", Joined: to(ours, entry)},
		},
		"parent rewritten": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, behind a hop that headers name": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, behind)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Detail: "named_hop", Joined: to(ours, entry)},
		},
		"parent rewritten, INTERNAL span with a remote parent": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, kind(model.SpanInternal))}},
			want:     model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, to none": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, tracecontext.SpanID{}, isLocal)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, after the wait": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody)}}, now: late,
			want: model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, in an application's trace of many requests": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal)), Trace: spans{
				server(proxy, tracecontext.SpanID{0xe}, at(0), dtrWith(func(d *model.Dtr) { d.SpanID = tracecontext.SpanID{0xf} })), server(entry, nobody),
			}},
			want: model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, entry span never came": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(entry, nobody, isLocal, kind(model.SpanClient))}}, now: late,
			want: model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"parent rewritten, a cycle of hostile spans": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, nobody), server(nobody, proxy), server(entry, tracecontext.SpanID{0xe})}},
			want:     model.Verdict{Status: model.Partial, Reason: model.ParentRewritten, Joined: to(ours, entry)},
		},
		"trace restarted": {
			evidence: model.Evidence{Request: fetch(), ByDtr: spans{server(entry, request, inTheirs)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceRestarted, Joined: to(theirs, entry)},
		},
		"trace restarted, behind a hop that headers name": {
			evidence: model.Evidence{Request: fetch(), ByDtr: spans{server(entry, request, inTheirs, behind)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceRestarted, Detail: "named_hop", Joined: to(theirs, entry)},
		},
		"trace restarted behind a gateway that recorded its call": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, request, kind(model.SpanClient))}, ByDtr: spans{server(entry, nobody, inTheirs)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceRestarted, Joined: to(theirs, entry)},
		},
		"trace restarted, and Server-Timing says so": {
			evidence: model.Evidence{Request: fetch(answers(theirs, entry, model.TimingMismatch)), ByDtr: spans{server(entry, tracecontext.SpanID{}, inTheirs)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceRestarted, Joined: to(theirs, entry)},
		},
		"traceparent dropped": {
			evidence: model.Evidence{Request: fetch(answers(theirs, entry, model.TimingMismatch)), AnswerTrace: spans{server(entry, tracecontext.SpanID{}, inTheirs, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceparentDropped, Joined: to(theirs, entry)},
		},
		"traceparent dropped, behind a hop that headers name": {
			evidence: model.Evidence{Request: fetch(answers(theirs, entry, model.TimingMismatch)), AnswerTrace: spans{server(entry, tracecontext.SpanID{}, inTheirs, noDtr, behind)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceparentDropped, Detail: "named_hop", Joined: to(theirs, entry)},
		},
		"traceparent dropped, no span named": {
			evidence: model.Evidence{Request: fetch(answers(theirs, tracecontext.SpanID{}, model.TimingMismatch)), AnswerTrace: spans{server(entry, tracecontext.SpanID{}, inTheirs, noDtr)}},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceparentDropped, Joined: to(theirs, entry)},
		},
		"traceparent dropped, spans not there": {
			evidence: model.Evidence{Request: fetch(answers(theirs, tracecontext.SpanID{}, model.TimingMismatch))},
			want:     model.Verdict{Status: model.Partial, Reason: model.TraceparentDropped, Joined: to(theirs, tracecontext.SpanID{})},
		},

		// unlinked
		"not propagated": {
			evidence: model.Evidence{Request: fetch(unsent(model.ContextCrossOrigin, model.TimingNotAvailable)), HostSeen: true},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NotPropagated, Detail: "cross_origin", Final: true},
		},
		"not propagated, mobile": {
			evidence: model.Evidence{Request: fetch(unsent(model.ContextAPIUnused, model.TimingNoTraceInfo))},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NotPropagated, Detail: "api_unused", Final: true},
		},
		"no server timing": {
			evidence: model.Evidence{Request: document(unsent(model.ContextNotSet, model.TimingNoTraceInfo)), HostSeen: true},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NoServerTiming, Detail: "no_trace_info", Final: true},
		},
		"not sampled, by the agent": {
			evidence: model.Evidence{Request: fetch(unsent(model.ContextNotSampled, model.TimingNotAvailable))},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NotSampled, Detail: "not_sampled", Final: true},
		},
		"not sampled, by the backend": {
			evidence: model.Evidence{Request: fetch(answers(ours, entry, model.TimingReceived), sampled(false))},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NotSampled},
		},
		"not sampled, document": {
			evidence: model.Evidence{Request: document(sampled(false))},
			want:     model.Verdict{Status: model.Unlinked, Reason: model.NotSampled},
		},
		"said not to be sampled, and there": {
			evidence: model.Evidence{Request: document(measured, sampled(false)), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Detail: "not_sampled", Joined: to(ours, entry), Final: true},
		},
		"spans missing": {
			evidence: model.Evidence{Request: fetch(answers(ours, entry, model.TimingReceived), sampled(true)), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.SpansMissing, Detail: "sampled"},
		},
		"spans missing, document": {
			evidence: model.Evidence{Request: document()}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.SpansMissing},
		},
		"headers dropped": {
			evidence: model.Evidence{Request: fetch(), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		},
		"headers dropped, aborted under way": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorAbort)), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped, Detail: "abort"},
		},
		"headers dropped, another trace that was not told": {
			evidence: model.Evidence{Request: fetch(func(r *model.RequestEvent) { r.ServerTimingHint = model.TimingMismatch })}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped, Detail: "mismatch"},
		},
		"backend not instrumented": {
			evidence: model.Evidence{Request: fetch()}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented},
		},
		"backend not instrumented, timed out": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorTimeout))}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.BackendNotInstrumented, Detail: "timeout"},
		},
		"nothing of its own in an application's trace of many requests": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal)), Trace: spans{server(entry, nobody, noDtr)}, HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		},

		"another user's spans alone, in a trace that many share": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal)), Trace: spans{server(entry, request, dtrWith(func(d *model.Dtr) { d.SessionID = "T" }))}, HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		},
		"another trace with the same span id of another user": {
			evidence: model.Evidence{Request: fetch(), ByDtr: spans{server(entry, request, inTheirs, dtrWith(func(d *model.Dtr) { d.SessionID = "T" }))}, HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.HeadersDropped},
		},
		"not sampled, as the application's own flags say": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal), sampled(false)), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.Unlinked, Reason: model.NotSampled, Detail: "flags"},
		},

		// not applicable
		"served from cache, a copy that the browser cannot tell": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(entry, nobody, noDtr, at(-3*time.Hour))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "stale", Final: true},
		},
		"served from cache, a copy whose entry span may yet come": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(proxy, nobody, noDtr, at(-3*time.Hour))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "stale"},
		},
		"served from cache, a copy that no span is named of": {
			evidence: model.Evidence{Request: document(answers(ours, tracecontext.SpanID{}, model.TimingReceived)), Trace: spans{server(proxy, nobody, noDtr, at(-3*time.Hour))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "stale", Final: true},
		},
		"served from cache, a copy for a request with a context": {
			evidence: model.Evidence{Request: fetch(answers(theirs, entry, model.TimingMismatch)), AnswerTrace: spans{server(entry, nobody, inTheirs, noDtr, at(-3*time.Hour))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "stale"},
		},
		"served from cache, the answer that another session had": {
			evidence: model.Evidence{Request: document(measured), SameAnswer: elsewhere(-time.Second), Trace: spans{server(entry, nobody, noDtr)}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "same_answer", Final: true},
		},
		"served from cache, the answer that another session had at once": {
			evidence: model.Evidence{Request: document(func(r *model.RequestEvent) { r.ID = model.EventID{2} }), SameAnswer: elsewhere(0)},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "same_answer", Final: true},
		},
		"served from cache, the answer that another session had, to a request with a context": {
			evidence: model.Evidence{
				Request: fetch(answers(theirs, entry, model.TimingMismatch)), SameAnswer: elsewhere(-time.Second), AnswerTrace: spans{server(entry, nobody, inTheirs, noDtr)},
			},
			want: model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "same_answer"},
		},
		"exact, though the answer is like another session's": {
			evidence: model.Evidence{
				Request: fetch(answers(theirs, entry, model.TimingMismatch)), SameAnswer: elsewhere(-time.Second), Trace: spans{server(entry, request)},
			},
			want: model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"pending, in an application's own trace that other sessions share": {
			evidence: model.Evidence{Request: fetch(hint(model.ContextExternal), answers(ours, entry, model.TimingReceived)), SameAnswer: elsewhere(-time.Hour)},
			want:     model.Verdict{Status: model.Pending},
		},
		"exact, by a backend whose clock is minutes behind one that was not measured": {
			evidence: model.Evidence{Request: document(), Trace: spans{server(entry, nobody, noDtr, at(-3*time.Minute))}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry)},
		},
		"served from cache, a young copy, by a clock that was measured": {
			evidence: model.Evidence{Request: document(measured), Trace: spans{server(entry, nobody, noDtr, at(-3*time.Minute))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Detail: "stale", Final: true},
		},
		"served from cache": {
			evidence: model.Evidence{Request: document(by(model.DeliveredByCache)), Trace: spans{server(entry, nobody)}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Final: true},
		},
		"served from cache, stale": {
			evidence: model.Evidence{Request: document(unsent(model.ContextNotSet, model.TimingStale)), HostSeen: true},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache, Final: true},
		},
		"served from cache, with somebody else's trace": {
			evidence: model.Evidence{Request: fetch(by(model.DeliveredByCache), answers(theirs, entry, model.TimingMismatch)), AnswerTrace: spans{server(entry, nobody, inTheirs)}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedFromCache},
		},
		"thought to be from cache, and a backend has it": {
			evidence: model.Evidence{Request: fetch(by(model.DeliveredByCache)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"service worker": {
			evidence: model.Evidence{Request: fetch(by(model.DeliveredByServiceWorker)), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.NotApplicable, Reason: model.ServedByWorker},
		},
		"service worker, resource": {
			evidence: model.Evidence{Request: document(by(model.DeliveredByServiceWorker), unsent(model.ContextNotSet, model.TimingNotAvailable))},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedByWorker, Final: true},
		},
		"service worker, passed through, spans under way": {
			evidence: model.Evidence{Request: document(by(model.DeliveredByServiceWorker))},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedByWorker},
		},
		"service worker, its own old copy": {
			evidence: model.Evidence{Request: document(by(model.DeliveredByServiceWorker)), Trace: spans{server(entry, nobody, noDtr, at(-time.Hour))}},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.ServedByWorker},
		},
		"service worker, passed through with context": {
			evidence: model.Evidence{Request: fetch(by(model.DeliveredByServiceWorker)), Trace: spans{server(entry, request)}},
			want:     model.Verdict{Status: model.Linked, Reason: model.Exact, Joined: to(ours, entry), Final: true},
		},
		"never sent": {
			evidence: model.Evidence{Request: fetch(unsent(model.ContextNotSet, model.TimingNotAvailable), failed(model.ErrorBlocked)), HostSeen: true},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.RequestNeverSent, Detail: "csp", Final: true},
		},
		"never sent, with a context": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorAbortUnsent)), HostSeen: true},
			want:     model.Verdict{Status: model.NotApplicable, Reason: model.RequestNeverSent, Detail: "abort_unsent"},
		},
		"did not get through": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorNetwork)), HostSeen: true}, now: late,
			want: model.Verdict{Status: model.NotApplicable, Reason: model.RequestNeverSent, Detail: "network"},
		},

		// pending
		"pending": {
			evidence: model.Evidence{Request: fetch(), HostSeen: true},
			want:     model.Verdict{Status: model.Pending},
		},
		"pending, to the last moment": {
			evidence: model.Evidence{Request: fetch(), HostSeen: true}, now: late.Add(-1),
			want: model.Verdict{Status: model.Pending},
		},
		"pending, document": {
			evidence: model.Evidence{Request: document(sampled(true))},
			want:     model.Verdict{Status: model.Pending},
		},
		"pending, network error": {
			evidence: model.Evidence{Request: fetch(failed(model.ErrorNetwork))},
			want:     model.Verdict{Status: model.Pending},
		},
		"pending, inner spans came first": {
			evidence: model.Evidence{Request: fetch(), Trace: spans{server(proxy, entry, kind(model.SpanClient), isLocal)}},
			want:     model.Verdict{Status: model.Pending},
		},
	}
}

func TestJudge(t *testing.T) {
	for name, test := range judgeCases() {
		t.Run(name, func(t *testing.T) {
			now := test.now
			if now.IsZero() {
				now = early
			}
			want := test.want
			if now.Before(late) && !want.Final {
				want.Due = late // what is not final is judged again at the end of the wait
			}
			got := Judge(test.evidence, now, wait)
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

package servertiming

import (
	"strconv"
	"strings"
	"time"

	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// Entries is a set of metrics to write. The zero value stands for
// [DefaultEntries].
type Entries uint8

// The metrics (linking contract, section 3).
const (
	DtTrID      Entries = 1 << iota // trace id
	DtSInfo                         // whether the trace is recorded
	DtRpid                          // response id
	Trace                           // trace id, entry span and flags (W3C Trace Context Level 3, draft)
	Now                             // server clock
	Traceparent                     // as Trace, by the name that other vendors' agents read
	NoEntries                       // the set of none, which the zero value cannot be
)

// DefaultEntries is what is written where nothing else is asked for.
const DefaultEntries = DtTrID | DtSInfo | DtRpid | Trace | Now

// Response is what the metrics say of a response.
type Response struct {
	TraceID    tracecontext.TraceID
	SpanID     tracecontext.SpanID // the entry span
	Flags      tracecontext.Flags  // of the trace
	ResponseID int32               // unique per response
	Now        time.Time           // the server's clock, written in ms with three decimals
}

// MaxValueLen is the longest value that [Entries.AppendTo] appends, in bytes.
const MaxValueLen = len(`dtTrId;desc="2fdcef91d451fdffd6e5e36abc6bb609", dtSInfo;desc="0", dtRpid;desc="-2147483648", `+
	`trace;desc=, traceparent;desc="", now;dur=-9223372036854775.808, `) + 2*tracecontext.TraceparentLen

// AppendTo appends the value of a Server-Timing header field that tells r to dst.
// An empty set appends nothing; do not send the header then.
func (e Entries) AppendTo(dst []byte, r Response) []byte {
	if e == 0 {
		e = DefaultEntries
	}
	var buf [tracecontext.TraceparentLen]byte
	traceparent := tracecontext.Traceparent{TraceID: r.TraceID, ParentID: r.SpanID, Flags: r.Flags}.AppendTo(buf[:0])
	start := len(dst)
	if e&DtTrID != 0 {
		dst = append(dst, `dtTrId;desc="`...)
		dst = append(dst, traceparent[len("00-"):len("00-")+2*len(r.TraceID)]...)
		dst = append(dst, `", `...)
	}
	if e&DtSInfo != 0 {
		if r.Flags.Sampled() {
			dst = append(dst, `dtSInfo;desc="1", `...)
		} else {
			dst = append(dst, `dtSInfo;desc="0", `...)
		}
	}
	if e&DtRpid != 0 {
		dst = append(dst, `dtRpid;desc="`...)
		dst = strconv.AppendInt(dst, int64(r.ResponseID), 10)
		dst = append(dst, `", `...)
	}
	if e&Trace != 0 {
		dst = append(dst, `trace;desc=`...) // a token, as in the draft's example
		dst = append(dst, traceparent...)
		dst = append(dst, ", "...)
	}
	if e&Traceparent != 0 {
		dst = append(dst, `traceparent;desc="`...)
		dst = append(dst, traceparent...)
		dst = append(dst, `", `...)
	}
	if e&Now != 0 {
		dst = append(dst, `now;dur=`...)
		dst = appendMillis(dst, r.Now)
		dst = append(dst, ", "...)
	}
	return dst[:max(start, len(dst)-len(", "))]
}

// Value returns what [Entries.AppendTo] appends, in one allocation.
func (e Entries) Value(r Response) string {
	var buf [MaxValueLen]byte
	return string(e.AppendTo(buf[:0], r))
}

// appendMillis appends t as ms since 1970 with three decimals; a clock before 1970
// is written as 0, which readers take as none.
func appendMillis(dst []byte, t time.Time) []byte {
	us := max(t.UnixMicro(), 0)
	dst = strconv.AppendInt(dst, us/1000, 10)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// String names the metrics of the set, joined by commas.
func (e Entries) String() string {
	if e == 0 {
		e = DefaultEntries
	}
	var names []string
	for _, entry := range []struct {
		bit  Entries
		name string
	}{
		{DtTrID, NameDtTrID}, {DtSInfo, NameDtSInfo}, {DtRpid, NameDtRpid},
		{Trace, NameTrace}, {Now, NameNow}, {Traceparent, NameTraceparent},
	} {
		if e&entry.bit != 0 {
			names = append(names, entry.name)
		}
	}
	return strings.Join(names, ",")
}

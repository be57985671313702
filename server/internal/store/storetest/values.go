package storetest

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/throughline-rum/throughline/server/internal/model"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// epoch is the time about which the battery's values lie.
var epoch = time.Date(2026, time.April, 27, 6, 7, 25, 123456789, time.UTC)

func eventID(n int) (id model.EventID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func spanID(n int) (id tracecontext.SpanID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func traceID(n int) (id tracecontext.TraceID) {
	binary.BigEndian.PutUint64(id[:8], 0x2fdcef91d451fdff)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// request returns a request event that carried trace n and span n, one
// millisecond later than request n-1.
func request(n int) model.RequestEvent {
	return model.RequestEvent{
		ID:               eventID(n),
		Kind:             model.KindFetch,
		Start:            epoch.Add(time.Duration(n) * time.Millisecond),
		Duration:         20 * time.Millisecond,
		Received:         epoch.Add(time.Minute),
		URL:              fmt.Sprintf("https://shop.example/api/items/%d", n),
		Host:             "shop.example",
		Method:           "GET",
		StatusCode:       200,
		TraceContextHint: model.ContextSet,
		ServerTimingHint: model.TimingNotAvailable,
		Sent:             model.SpanContext{TraceID: traceID(n), SpanID: spanID(n)},
	}
}

// span returns an internal span of the trace.
func span(trace, id int) model.Span {
	return model.Span{
		TraceID:  traceID(trace),
		SpanID:   spanID(id),
		Name:     "work",
		Kind:     model.SpanInternal,
		Start:    epoch.Add(time.Duration(id) * time.Microsecond),
		Duration: time.Millisecond,
		Received: epoch.Add(time.Minute),
		Service:  "checkout",
	}
}

// entrySpan returns a SERVER span that dtr reached, naming the request's span id.
func entrySpan(trace, id, requestSpan int) model.Span {
	s := span(trace, id)
	s.Kind = model.SpanServer
	s.ParentSpanID = spanID(requestSpan)
	s.Flags = model.SpanFlagSampled | model.SpanFlagRemoteKnown | model.SpanFlagRemote
	s.DtrState = model.DtrValid
	s.Dtr = model.Dtr{
		SpanID: spanID(requestSpan), Sampled: true,
		ApplicationID: "745a78fe5b6e57f6", InstanceID: "instance", SessionID: "session",
	}
	s.Host = "shop.example"
	s.Entry = true
	return s
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// filler sets every field that it can reach to a value of its own, so that a
// field added to the model is covered without being named here.
type filler struct {
	n    int
	text func(n int) string
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		*p = epoch.Add(time.Duration(f.n) * 1001 * time.Nanosecond)
		return
	case *model.Attributes:
		*p = attributes(f.text(f.n))
		return
	case *[]model.SpanEvent:
		*p = []model.SpanEvent{
			{Name: f.text(f.n), Time: epoch.Add(time.Nanosecond), Attributes: attributes(f.text(f.n + 1))},
			{Name: "bare", Time: epoch.Add(2 * time.Nanosecond)},
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			f.fill(field)
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(f.n+i) | 0x80)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.String:
		v.SetString(f.text(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8:
		v.SetInt(int64(f.n % 128))
	case reflect.Int32:
		v.SetInt(-609157671)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n) * 1_000_003)
	case reflect.Uint32:
		v.SetUint(0xffffff00 + uint64(f.n))
	case reflect.Uint64: // Row, which means nothing in a test
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.1)
	default:
		panic(fmt.Sprintf("storetest: a field of the new type %v wants a case here", v.Type()))
	}
}

// filled returns a value all of whose fields are set.
func filled[T any](text func(n int) string) T {
	var v T
	(&filler{text: text}).fill(reflect.ValueOf(&v).Elem())
	return v
}

// attributes returns every shape that an attribute may have.
func attributes(text string) model.Attributes {
	return mustAttributes(map[string]any{
		text:             text,
		"string.empty":   "",
		"bool":           true,
		"bool.false":     false,
		"int":            int64(42),
		"int.negative":   int64(-9223372036854775808),
		"int.large":      int64(9223372036854775807),
		"float":          0.1,
		"float.integral": 1.0,
		"float.large":    1e300,
		"float.negative": -2.5e-9,
		"list":           []any{"a", int64(1), 1.0, false, []any{int64(2)}, map[string]any{"k": "v"}},
		"map":            map[string]any{"inner": map[string]any{"deep": []any{text}}, "n": int64(7)},
	})
}

func mustAttributes(m map[string]any) model.Attributes {
	a, err := model.NewAttributes(m)
	if err != nil {
		panic(err)
	}
	return a
}

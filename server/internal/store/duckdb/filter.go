package duckdb

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/throughline-rum/throughline/server/internal/store"
	"github.com/throughline-rum/throughline/wire/tracecontext"
)

// sqlFailed is store.Failed.
const sqlFailed = "(status_code >= 400 OR NOT list_contains(['', 'abort_unsent', 'no_network', 'csp', 'invalid_call'], error))"

// requestFields, navigationFields and errorFields are what the fields of a filter are in each table.
var (
	requestFields = withFrontend(map[store.Field]string{
		store.FieldKind:        "kind",
		store.FieldInitiator:   "initiator",
		store.FieldHost:        "host",
		store.FieldEndpoint:    "CASE WHEN entry_route <> '' THEN entry_route ELSE url_pattern END",
		store.FieldMethod:      "method",
		store.FieldStatusCode:  "status_code",
		store.FieldDuration:    "(duration::DOUBLE / 1e6)",
		store.FieldError:       "error",
		store.FieldContextHint: "trace_context_hint",
		store.FieldTimingHint:  "server_timing_hint",
		store.FieldDelivery:    "delivery",
		store.FieldProtocol:    "protocol",
		store.FieldStatus:      "link_status",
		store.FieldReason:      "link_reason",
		store.FieldDetail:      "link_detail",
		store.FieldService:     "entry_service",
	})
	navigationFields = withFrontend(map[store.Field]string{store.FieldDuration: "(duration::DOUBLE / 1e6)"})
	errorFields      = withFrontend(map[store.Field]string{store.FieldErrorSource: "source", store.FieldErrorType: "type"})
)

func withFrontend(m map[store.Field]string) map[store.Field]string {
	maps.Copy(m, map[store.Field]string{
		store.FieldApplication: "application_id", store.FieldInstance: "instance_id", store.FieldSession: "session_id",
		store.FieldPage: "page_id", store.FieldView: "view_id", store.FieldAction: "action_id", store.FieldBrowser: "browser",
		store.FieldOS: "os", store.FieldDevice: "device", store.FieldCountry: "country", store.FieldAgent: "agent_version",
		store.FieldURL: "url",
	})
	return m
}

// conditions puts together what a WHERE clause says. Its text is constant; all values are parameters.
type conditions struct {
	terms []string
	args  []any
}

// where begins with the arguments that come before those of the conditions.
func where(args ...any) *conditions { return &conditions{args: args} }

// and adds a condition; each ? in it stands for a value.
func (c *conditions) and(condition string, values ...any) {
	for _, v := range values {
		condition = strings.Replace(condition, "?", c.arg(v), 1)
	}
	c.terms = append(c.terms, condition)
}

func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

// text returns the conditions as one; true where there are none.
func (c *conditions) text() string {
	if len(c.terms) == 0 {
		return "true"
	}
	return strings.Join(c.terms, " AND ")
}

// in puts the conditions into a query.
func (c *conditions) in(query string) string {
	return strings.ReplaceAll(strings.ReplaceAll(query, "/*conditions*/", c.text()), "/*failed*/", sqlFailed)
}

// filter adds a filter's conditions; time is the column that From and To bound.
func (s *Store) filter(c *conditions, f *store.Filter, fields map[store.Field]string, time string) {
	if !f.From.IsZero() {
		c.and(time+" >= ?", clampNanos(f.From))
	}
	if !f.To.IsZero() {
		c.and(time+" < ?", clampNanos(f.To))
	}
	for i := range f.Terms {
		s.term(c, &f.Terms[i], fields)
	}
}

func (s *Store) term(c *conditions, t *store.Term, fields map[store.Field]string) {
	if t.Field == store.FieldTrace {
		s.traceTerm(c, t)
		return
	}
	column := fields[t.Field]
	values := make([]string, len(t.Values))
	for i, v := range t.Values {
		switch {
		case t.Field.IsNumber():
			values[i] = c.arg(t.Number(i))
		case t.Op == store.Contains:
			values[i] = fmt.Sprintf("contains(%s, %s)", sqlFold(column), c.arg(strings.ToLower(valid(v))))
		default:
			values[i] = c.arg(valid(v))
		}
	}
	var condition string
	switch t.Op {
	case store.Contains:
		condition = "(" + strings.Join(values, " OR ") + ")"
	case store.Greater:
		condition = column + " > " + values[0]
	case store.Less:
		condition = column + " < " + values[0]
	default:
		condition = column + " IN (" + strings.Join(values, ", ") + ")"
		s.nearTerm(c, t)
	}
	if t.Not {
		condition = "NOT (" + condition + ")"
	}
	c.terms = append(c.terms, condition)
}

// sqlFold is what store.ContainsFold compares.
func sqlFold(column string) string { return "lower(" + column + ")" }

// nearTerm adds in which rows the directory says that a term may hold.
func (s *Store) nearTerm(c *conditions, t *store.Term) {
	kind := map[store.Field]keyKind{store.FieldSession: keySession, store.FieldPage: keyPage}[t.Field]
	if kind == 0 || t.Not {
		return
	}
	keys := make([]key, 0, len(t.Values))
	for _, v := range t.Values {
		if v == "" {
			return
		}
		keys = append(keys, textKey(kind, v))
	}
	c.terms = append(c.terms, near(s.find(keys...)))
}

func (s *Store) traceTerm(c *conditions, t *store.Term) {
	id, _ := tracecontext.ParseTraceID(t.Values[0]) // Check has read it
	v := c.arg(id.String()) + "::VARCHAR::UUID"
	joined := "seq IN (SELECT request FROM joined WHERE trace_id = " + v + ")"
	is := fmt.Sprintf("(sent_trace_id IS NOT DISTINCT FROM %[1]s OR answer_trace_id IS NOT DISTINCT FROM %[1]s OR link_trace_id IS NOT DISTINCT FROM %[1]s)", v)
	if t.Not {
		c.terms = append(c.terms, "NOT "+is)
		return
	}
	c.terms = append(c.terms, fmt.Sprintf("(%s OR %s)", near(s.find(traceKey(keyRequestTrace, id))), joined), is)
}

// near is the condition that a row stands in one of some stretches.
func near(ranges []seqRange) string {
	if len(ranges) == 0 {
		return "false"
	}
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = r.text()
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// text is the condition that a row stands in a stretch.
func (r seqRange) text() string { return fmt.Sprintf("seq BETWEEN %d AND %d", r.first, r.last) }

-- Of each span id in $1 with the trace id beside it in $2 ('' for none), the first $3
-- SERVER spans of other traces whose dtr entry names it; wanted is its place in $1.
WITH asked AS (
    SELECT unnest(range(len($1::UBIGINT[]))) AS wanted,
        unnest($1::UBIGINT[]) AS span_id,
        nullif(unnest($2::VARCHAR[]), '')::UUID AS trace_id
)
SELECT a.wanted, s.trace_id, s.span_id, s.parent_span_id, s.kind, s.flags, s.start, s.service, s.dtr_state,
    s.dtr_span_id, s.dtr_sampled, s.dtr_application_id, s.dtr_instance_id, s.dtr_session_id
FROM spans AS s JOIN asked AS a ON s.dtr_span_id = a.span_id
WHERE s.kind = 2 AND s.dtr_state = 'valid' AND s.trace_id IS DISTINCT FROM a.trace_id
QUALIFY row_number() OVER (PARTITION BY a.wanted ORDER BY s.start, s.span_id, s.trace_id) <= $3
ORDER BY a.wanted, s.start, s.span_id, s.trace_id

-- Of each span id in $1 with the trace id beside it in $2 ('' for none), the first $3
-- SERVER spans of other traces whose dtr entry names it; wanted is its place in $1.
WITH asked AS MATERIALIZED (
    SELECT unnest(range(len($1::UBIGINT[]))) AS wanted,
        unnest($1::UBIGINT[]) AS wanted_span,
        nullif(unnest($2::VARCHAR[]), '')::UUID AS own_trace
)
SELECT a.wanted, s.* EXCLUDE (seq)
FROM /*near*/ AS s JOIN asked AS a ON s.dtr_span_id = a.wanted_span
WHERE s.kind = 2 AND s.dtr_state = 'valid' AND s.trace_id IS DISTINCT FROM a.own_trace
QUALIFY row_number() OVER (PARTITION BY a.wanted ORDER BY s.start, s.span_id, s.trace_id) <= $3
ORDER BY a.wanted, s.start, s.span_id, s.trace_id

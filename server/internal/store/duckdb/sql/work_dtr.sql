-- Of each of the span ids $1, the first SERVER spans whose dtr entry names it: $2 of one trace, and twice as many in all,
-- among which there are $2 of any but one trace.
SELECT * EXCLUDE (seq) FROM (
    SELECT * FROM /*near*/
    WHERE kind = 2 AND dtr_state = 'valid' AND dtr_span_id IN (SELECT unnest($1::UBIGINT[]))
    QUALIFY row_number() OVER (PARTITION BY dtr_span_id, trace_id ORDER BY start, span_id) <= $2
)
QUALIFY row_number() OVER (PARTITION BY dtr_span_id ORDER BY start, span_id, trace_id) <= 2 * $2

-- Of the spans of the trace $1 that come after the first $2, those whose parent is $3, and the span $4 itself; at most $2.
SELECT * EXCLUDE (seq, place) FROM (
    SELECT *, row_number() OVER (ORDER BY start, span_id) AS place FROM /*near*/
    WHERE trace_id = $1::VARCHAR::UUID
)
WHERE place > $2 AND (parent_span_id = $3 OR span_id = $4)
ORDER BY start, span_id
LIMIT $2

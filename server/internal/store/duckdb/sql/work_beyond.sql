-- Of the spans of the trace $1 that come after the first $2, those whose parent is in $3, and those in $4.
SELECT * EXCLUDE (seq, place) FROM (
    SELECT *, row_number() OVER (ORDER BY start, span_id) AS place FROM /*near*/
    WHERE trace_id = $1::VARCHAR::UUID
)
WHERE place > $2 AND (parent_span_id IN (SELECT unnest($3::UBIGINT[])) OR span_id IN (SELECT unnest($4::UBIGINT[])))
ORDER BY start, span_id

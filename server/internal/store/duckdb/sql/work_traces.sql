-- The first $2 spans of each of the traces $1. They are found by the narrow columns
-- alone; the others are read by seq, which leads to few row groups.
WITH first AS MATERIALIZED (
    SELECT seq FROM /*near*/
    WHERE trace_id IN (SELECT unnest($1::VARCHAR[])::UUID)
    QUALIFY row_number() OVER (PARTITION BY trace_id ORDER BY start, span_id) <= $2
)
SELECT * EXCLUDE (seq) FROM /*near*/
WHERE seq IN (SELECT seq FROM first)
ORDER BY trace_id, start, span_id

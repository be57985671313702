SELECT * FROM spans
WHERE /*rows*/ AND trace_id = $1::VARCHAR::UUID
ORDER BY start, span_id
LIMIT $2

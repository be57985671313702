-- The first $2 requests, by their seq, that carried a trace or were answered with it.
SELECT seq FROM requests
WHERE /*rows*/ AND (sent_trace_id = $1::VARCHAR::UUID OR answer_trace_id = $1::VARCHAR::UUID)
ORDER BY start DESC, id DESC
LIMIT $2

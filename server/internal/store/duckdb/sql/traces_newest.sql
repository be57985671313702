-- The newest $1 entry spans that the conditions select.
SELECT trace_id, start FROM spans WHERE /*conditions*/ ORDER BY start DESC LIMIT $1

-- The requests that are joined to a trace which they neither carried nor were answered with.
SELECT * FROM requests
WHERE seq IN (SELECT request FROM joined WHERE trace_id = $1::VARCHAR::UUID)
    AND link_trace_id = $1::VARCHAR::UUID
ORDER BY start DESC, id DESC
LIMIT $2

-- The first $2 spans of each of the traces $1. They are found by the narrow columns
-- alone; the others are read by seq, which leads to few row groups.
SELECT trace_id, span_id, parent_span_id, kind, flags, start, service, dtr_state,
    dtr_span_id, dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id
FROM spans
WHERE seq IN (
    SELECT seq FROM spans
    WHERE trace_id IN (SELECT unnest($1::VARCHAR[])::UUID)
    QUALIFY row_number() OVER (PARTITION BY trace_id ORDER BY start, span_id) <= $2
)
ORDER BY trace_id, start, span_id

-- The traces of the spans in ($1, $2], and the span ids that their dtr entries name.
SELECT DISTINCT trace_id, CASE WHEN kind = 2 AND dtr_state = 'valid' THEN dtr_span_id END
FROM spans WHERE seq > $1 AND seq <= $2

-- The traces of the spans in ($1, $2], and the span ids that their dtr entries name.
SELECT DISTINCT trace_id,
    CASE WHEN kind <> 2 OR dtr_state <> 'valid' THEN NULL WHEN dtr_is_parent THEN parent_span_id ELSE dtr_span_id END
FROM spans WHERE seq > $1 AND seq <= $2

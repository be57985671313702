-- $1: trace ids, $2: the span ids that belong to them
SELECT trace_id, span_id FROM spans
WHERE (trace_id, span_id) IN (SELECT unnest($1::VARCHAR[])::UUID, unnest($2::UBIGINT[]))

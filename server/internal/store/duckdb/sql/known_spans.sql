-- Those of the spans, by trace id ($3) and span id ($4), that stand in the rows $1 to $2.
SELECT trace_id, span_id FROM spans
WHERE seq BETWEEN $1 AND $2
    AND (trace_id, span_id) IN (SELECT unnest($3::VARCHAR[])::UUID, unnest($4::UBIGINT[]))

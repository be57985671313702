-- Of each of the traces $1, the first of its entry spans that the conditions select.
SELECT trace_id, start, duration, span_id, service, name, route, status_code = 2
FROM /*near*/
WHERE trace_id IN (SELECT unnest($1::VARCHAR[])::UUID) AND /*conditions*/
QUALIFY row_number() OVER (PARTITION BY trace_id ORDER BY start, span_id) = 1

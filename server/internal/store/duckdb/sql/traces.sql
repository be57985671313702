-- The first $1 traces, newest first, by the first of their entry spans that the conditions select.
WITH first AS (
    SELECT trace_id, start, duration, span_id, service, name, route, status_code = 2 AS failed
    FROM spans
    WHERE entry AND /*conditions*/
    QUALIFY row_number() OVER (PARTITION BY trace_id ORDER BY start, span_id) = 1
)
SELECT * FROM first
WHERE /*after*/
ORDER BY start DESC, trace_id DESC
LIMIT $1

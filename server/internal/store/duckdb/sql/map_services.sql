-- Of the newest $1 spans: which services called which.
WITH newest AS MATERIALIZED (
    SELECT trace_id, span_id, parent_span_id, service, entry, duration, status_code FROM spans
    WHERE /*conditions*/
    ORDER BY start DESC, span_id DESC, trace_id DESC
    LIMIT $1
)
SELECT p.service, c.service, count(*), count(*) FILTER (c.status_code = 2), least(sum(c.duration), 9223372036854775807)::BIGINT
FROM newest AS c JOIN newest AS p ON c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
WHERE c.entry AND c.service <> '' AND p.service <> '' AND c.service <> p.service
GROUP BY ALL

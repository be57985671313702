-- The requests that what was written in ($1, $2] concerns, each with the last of its
-- causes, by cause and then by bucket (see work.go). Of the cause after $1 the
-- buckets below $3 have been judged. At most $4.
WITH fresh AS MATERIALIZED (
    SELECT seq, trace_id, kind, dtr_state, CASE WHEN dtr_is_parent THEN parent_span_id ELSE dtr_span_id END AS dtr_span_id
    FROM spans WHERE seq > $1 AND seq <= $2
),
traces AS MATERIALIZED (
    SELECT trace_id, max(seq) AS seq FROM fresh GROUP BY trace_id
),
named AS MATERIALIZED (
    SELECT dtr_span_id, max(seq) AS seq FROM fresh
    WHERE kind = 2 AND dtr_state = 'valid' AND dtr_span_id IS NOT NULL
    GROUP BY dtr_span_id
),
near AS MATERIALIZED (
    SELECT * FROM /*near*/ WHERE NOT link_final
),
causes AS (
    SELECT seq AS request, seq AS cause FROM requests WHERE seq > $1 AND seq <= $2
    UNION ALL
    SELECT r.seq, t.seq FROM near r JOIN traces t ON r.sent_trace_id = t.trace_id
    UNION ALL
    SELECT r.seq, t.seq FROM near r JOIN traces t ON r.answer_trace_id = t.trace_id
    UNION ALL
    SELECT r.seq, n.seq FROM near r JOIN named n ON r.sent_span_id = n.dtr_span_id
    UNION ALL
    SELECT r.seq, t.seq FROM joined j JOIN traces t ON j.trace_id = t.trace_id JOIN requests r ON r.seq = j.request
    WHERE NOT r.link_final AND r.link_trace_id = j.trace_id
    UNION ALL
    SELECT r.seq, h.seq FROM requests r JOIN hosts h ON r.host = h.host
    WHERE h.seq > $1 AND h.seq <= $2 AND NOT r.link_final AND r.link_reason = 'backend_not_instrumented'
)
SELECT request, max(cause) AS last_cause FROM causes
GROUP BY request
HAVING NOT (last_cause = $1 + 1 AND request % 1048576 < $3)
ORDER BY last_cause, request % 1048576, request
LIMIT $4

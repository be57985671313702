-- Of each answer, by its trace id in $1, or where that is '' by its response id in $2 and the URL in $3: the requests that
-- got it, of each session the first by start, then id, and of the sessions the first $4.
WITH asked AS MATERIALIZED (
    SELECT unnest(range(len($1::VARCHAR[]))) AS asked, nullif(unnest($1::VARCHAR[]), '')::UUID AS trace_id,
        unnest($2::BIGINT[]) AS response_id, unnest($3::VARCHAR[]) AS url
),
near AS MATERIALIZED (
    SELECT * FROM /*near*/
    WHERE session_id <> '' AND (answer_trace_id IN (SELECT trace_id FROM asked) OR answer_response_id IN (SELECT response_id FROM asked))
),
same AS (
    SELECT a.asked, r.id, r.session_id, r.start FROM near AS r JOIN asked AS a ON r.answer_trace_id = a.trace_id
    UNION ALL
    SELECT a.asked, r.id, r.session_id, r.start FROM near AS r JOIN asked AS a ON r.answer_response_id = a.response_id AND r.url = a.url
),
firsts AS (
    SELECT * FROM same QUALIFY row_number() OVER (PARTITION BY asked, session_id ORDER BY start, id) = 1
)
SELECT asked, id, session_id, start FROM firsts
QUALIFY row_number() OVER (PARTITION BY asked ORDER BY start, id) <= $4

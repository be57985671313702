-- Of each answer, its trace id in $1 ('' for none), its response id in $2, of the session in $3 for the URL in
-- $4: the requests of other sessions that got it too; of those of one session the first by start, then id.
WITH asked AS MATERIALIZED (
    SELECT unnest(range(len($1::VARCHAR[]))) AS wanted, nullif(unnest($1::VARCHAR[]), '')::UUID AS trace_id,
        unnest($2::BIGINT[]) AS response_id, unnest($3::VARCHAR[]) AS session_id, unnest($4::VARCHAR[]) AS url
),
near AS MATERIALIZED (
    SELECT * FROM /*near*/
    WHERE session_id <> '' AND (answer_trace_id IN (SELECT trace_id FROM asked) OR answer_response_id IN (SELECT response_id FROM asked))
),
same AS (
    SELECT a.wanted, r.id, r.session_id, r.start FROM near AS r JOIN asked AS a ON r.answer_trace_id = a.trace_id
    WHERE r.session_id <> a.session_id
    UNION
    SELECT a.wanted, r.id, r.session_id, r.start FROM near AS r JOIN asked AS a ON r.answer_response_id = a.response_id AND r.url = a.url
    WHERE r.session_id <> a.session_id
)
SELECT wanted, id, session_id, start FROM same
QUALIFY row_number() OVER (PARTITION BY wanted, session_id ORDER BY start, id) = 1

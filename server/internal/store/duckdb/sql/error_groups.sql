-- The $1 most frequent causes, each with its last error.
WITH sums AS (
    SELECT fingerprint, count(*) AS n, count(DISTINCT nullif(session_id, '')) AS sessions,
        min(time) AS first, max(time) AS last, arg_max(seq, (time, id)) AS latest
    FROM errors
    WHERE /*conditions*/
    GROUP BY fingerprint
    ORDER BY n DESC, fingerprint
    LIMIT $1
)
SELECT s.n, s.sessions, s.first, s.last, e.*
FROM sums AS s JOIN errors AS e ON e.seq = s.latest
ORDER BY s.n DESC, s.fingerprint

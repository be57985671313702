-- $1: the step in nanoseconds, 0 for all time together; $2: how many values stand alone; $3: the name of the rest.
WITH counts AS MATERIALIZED (
    SELECT CASE WHEN $1::BIGINT = 0 THEN 0 ELSE start - ((start % $1::BIGINT) + $1::BIGINT) % $1::BIGINT END AS step,
        /*column*/ AS value, link_status AS status, count(*) AS n
    FROM requests
    WHERE /*conditions*/
    GROUP BY ALL
),
frequent AS (
    SELECT value FROM counts GROUP BY value ORDER BY sum(n) DESC, value LIMIT $2
)
SELECT step, CASE WHEN value IN (SELECT value FROM frequent) THEN value ELSE $3::VARCHAR END AS shown, status, sum(n)::BIGINT
FROM counts
GROUP BY ALL
ORDER BY step, shown, status

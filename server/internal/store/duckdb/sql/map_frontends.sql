-- Of the newest $1 requests: whom the applications called. The last column: whether there are more.
WITH selected AS MATERIALIZED (
    SELECT start, id, application_id, entry_service, duration, /*failed*/ AS failed FROM requests WHERE /*conditions*/
),
newest AS (
    SELECT * FROM selected ORDER BY start DESC, id DESC LIMIT $1
)
SELECT application_id, entry_service, count(*), count(*) FILTER (failed), sum(duration)::BIGINT,
    (SELECT count(*) FROM selected) > $1
FROM newest
WHERE entry_service <> ''
GROUP BY ALL

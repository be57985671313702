-- Of the newest $1 requests: whom the applications called.
WITH newest AS (
    SELECT application_id, entry_service, duration, /*failed*/ AS failed FROM requests
    WHERE /*conditions*/
    ORDER BY start DESC, id DESC
    LIMIT $1
)
SELECT application_id, entry_service, count(*), count(*) FILTER (failed), least(sum(duration), 9223372036854775807)::BIGINT
FROM newest
WHERE entry_service <> ''
GROUP BY ALL

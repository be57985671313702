-- The $1 most frequent endpoints. The formulas are those of store.Failed and store.PartsOf; quantile_disc
-- takes the bucket of rank ceil(q * n), as store.Buckets.Quantile does.
WITH selected AS (
    SELECT host, method, CASE WHEN entry_route <> '' THEN entry_route ELSE url_pattern END AS endpoint, duration_bucket,
        /*failed*/ AS failed, link_status, duration,
        entry_start > -9223372036854775808 AND request_start > 0 AND response_start > 0 AND duration > 0 AS timed,
        greatest(0, least(entry_duration, duration)) AS backend,
        CASE
            WHEN domain_lookup_end > domain_lookup_start THEN domain_lookup_start
            WHEN connect_end > connect_start THEN connect_start
            ELSE request_start
        END - greatest(0, redirect_end - redirect_start) AS waited
    FROM requests
    WHERE /*conditions*/
),
parts AS (
    SELECT *, greatest(0, least(waited, duration - backend)) AS frontend FROM selected
)
SELECT host, method, endpoint, count(*) AS total, count(*) FILTER (failed), count(*) FILTER (link_status = 'linked'),
    count(*) FILTER (link_status = 'partial'), count(*) FILTER (link_status = 'unlinked'),
    quantile_disc(duration_bucket, [0.5, 0.75, 0.95]), count(*) FILTER (timed),
    least(coalesce(sum(frontend) FILTER (timed), 0), 9223372036854775807)::BIGINT,
    least(coalesce(sum(duration - backend - frontend) FILTER (timed), 0), 9223372036854775807)::BIGINT,
    least(coalesce(sum(backend) FILTER (timed), 0), 9223372036854775807)::BIGINT
FROM parts
GROUP BY host, method, endpoint
ORDER BY total DESC, host, method, endpoint
LIMIT $1

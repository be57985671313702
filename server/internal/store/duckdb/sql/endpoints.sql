-- The $1 most frequent endpoints. The formulas are those of store.Failed and store.PartsOf; quantile_disc
-- takes the bucket of rank ceil(q * n), as store.Buckets.Quantile does. A function of a column that is stored by a
-- dictionary and of constants, as list_contains here, is called once for each entry of the dictionary; a comparison is
-- made for each row. A request that PartsOf knows nothing of is timed 0, and so are then its parts.
WITH selected AS (
    SELECT host, method, CASE WHEN list_contains([''], entry_route) THEN url_pattern ELSE entry_route END AS endpoint, duration_bucket,
        /*failed*/ AS failed, link_status, entry_duration,
        CASE
            WHEN entry_after IS NOT NULL AND request_start > 0 AND response_start > 0 AND duration > 0 THEN duration
            ELSE 0
        END AS timed,
        CASE
            WHEN domain_lookup_end > domain_lookup_start THEN domain_lookup_start
            WHEN connect_end > connect_start THEN connect_start
            ELSE request_start
        END - CASE WHEN redirect_end > redirect_start THEN redirect_end - redirect_start ELSE 0 END AS waited
    FROM requests
    WHERE /*conditions*/
),
backends AS (
    SELECT *, CASE WHEN entry_duration < 0 THEN 0 WHEN entry_duration < timed THEN entry_duration ELSE timed END AS backend FROM selected
),
sums AS (
    SELECT host, method, endpoint, count(*) AS total, count_if(failed) AS failed,
        count_if(list_contains(['linked'], link_status)) AS linked, count_if(list_contains(['partial'], link_status)) AS partial,
        count_if(list_contains(['unlinked'], link_status)) AS unlinked,
        quantile_disc(duration_bucket, [0.5, 0.75, 0.95]) AS quantiles, count_if(timed > 0) AS timed,
        sum(CASE WHEN waited < 0 THEN 0 WHEN waited < timed - backend THEN waited ELSE timed - backend END) AS frontend,
        sum(timed) AS duration, sum(backend) AS backend
    FROM backends
    GROUP BY host, method, endpoint
    ORDER BY total DESC, host, method, endpoint
    LIMIT $1
)
SELECT host, method, endpoint, total, failed::BIGINT, linked::BIGINT, partial::BIGINT, unlinked::BIGINT, quantiles, timed::BIGINT,
    least(frontend, 9223372036854775807)::BIGINT,
    least(duration - backend - frontend, 9223372036854775807)::BIGINT,
    least(backend, 9223372036854775807)::BIGINT
FROM sums
ORDER BY total DESC, host, method, endpoint

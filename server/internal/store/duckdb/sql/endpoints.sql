-- The $1 most frequent endpoints. The formulas are those of store.Failed, store.PartsOf and
-- store.Buckets.Quantile.
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
),
buckets AS (
    SELECT host, method, endpoint, duration_bucket, count(*) AS n, count(*) FILTER (failed) AS failed,
        count(*) FILTER (link_status = 'linked') AS linked, count(*) FILTER (link_status = 'partial') AS partial,
        count(*) FILTER (link_status = 'unlinked') AS unlinked, count(*) FILTER (timed) AS timed,
        coalesce(sum(frontend) FILTER (timed), 0) AS frontend,
        coalesce(sum(duration - backend - frontend) FILTER (timed), 0) AS network,
        coalesce(sum(backend) FILTER (timed), 0) AS backend
    FROM parts
    GROUP BY ALL
),
ranked AS (
    SELECT *, sum(n) OVER (endpoint_buckets ORDER BY duration_bucket) AS up_to, sum(n) OVER endpoint_buckets AS total
    FROM buckets
    WINDOW endpoint_buckets AS (PARTITION BY host, method, endpoint)
)
SELECT host, method, endpoint, sum(n)::BIGINT AS total, sum(failed)::BIGINT, sum(linked)::BIGINT, sum(partial)::BIGINT,
    sum(unlinked)::BIGINT,
    min(duration_bucket) FILTER (up_to * 100 >= total * 50),
    min(duration_bucket) FILTER (up_to * 100 >= total * 75),
    min(duration_bucket) FILTER (up_to * 100 >= total * 95),
    sum(timed)::BIGINT, sum(frontend)::BIGINT, sum(network)::BIGINT, sum(backend)::BIGINT
FROM ranked
GROUP BY host, method, endpoint
ORDER BY total DESC, host, method, endpoint
LIMIT $1

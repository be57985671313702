-- What is stored of each of the traces $1 in a stretch of rows.
SELECT trace_id, count(*), count(*) FILTER (status_code = 2), list(DISTINCT service)
FROM spans
WHERE /*rows*/ AND trace_id IN (SELECT unnest($1::VARCHAR[])::UUID)
GROUP BY trace_id

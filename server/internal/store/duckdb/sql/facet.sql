-- The $1 most frequent values of a column.
SELECT /*column*/ AS value, count(*) AS n FROM requests
WHERE /*conditions*/
GROUP BY value
ORDER BY n DESC, value
LIMIT $1

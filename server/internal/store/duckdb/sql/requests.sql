-- $1: limit. The conditions, with their parameters from $2 on, come from page.go.
SELECT * EXCLUDE (seq) FROM requests
WHERE /*conditions*/
ORDER BY start DESC, id DESC
LIMIT $1

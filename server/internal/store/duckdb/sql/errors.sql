SELECT * FROM errors
WHERE fingerprint = $2 AND /*conditions*/
ORDER BY time DESC, id DESC
LIMIT $1

SELECT * FROM navigations
WHERE /*conditions*/
ORDER BY start DESC, id DESC
LIMIT $1

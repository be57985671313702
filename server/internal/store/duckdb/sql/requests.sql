-- The first $1 in the order of a listing, by their seq: the narrow columns are read alone.
SELECT seq FROM requests
WHERE /*conditions*/
ORDER BY start DESC, id DESC
LIMIT $1

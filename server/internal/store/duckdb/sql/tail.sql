-- The first $1 in the order of writing.
SELECT seq FROM requests WHERE /*conditions*/ ORDER BY seq LIMIT $1

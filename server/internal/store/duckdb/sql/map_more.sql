-- Whether there are more than $1 rows.
SELECT count(*) > $1 FROM (SELECT 1 FROM %s WHERE /*conditions*/ LIMIT $1 + 1)

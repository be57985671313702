-- The requests of a portion; $2 and $3 are the bounds of the list $1.
SELECT * EXCLUDE (seq) FROM requests
WHERE seq >= $2 AND seq <= $3 AND seq IN (SELECT unnest($1::UBIGINT[]))

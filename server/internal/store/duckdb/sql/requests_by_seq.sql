-- $2 and $3 are the bounds of the list $1.
SELECT * FROM requests
WHERE seq BETWEEN $2 AND $3 AND seq IN (SELECT unnest($1::UBIGINT[]))

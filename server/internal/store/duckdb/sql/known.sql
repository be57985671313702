-- The ids among $3 that stand in the rows $1 to $2.
SELECT id FROM %s WHERE seq BETWEEN $1 AND $2 AND id IN (SELECT unnest($3::UBIGINT[]))

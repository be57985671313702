-- Of a table, the rows of a session or page, as the placeholder %[2]s names it; $2 at most.
SELECT * FROM %[1]s
WHERE /*rows*/ AND %[2]s = $1
ORDER BY %[3]s, id
LIMIT $2

-- Of a table, what lies before a time.
DELETE FROM %s WHERE %s < $1

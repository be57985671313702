SELECT * EXCLUDE (seq) FROM requests WHERE id = $1

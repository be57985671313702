SELECT * FROM requests WHERE /*rows*/ AND id = $1

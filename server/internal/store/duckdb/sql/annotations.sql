SELECT * FROM annotations WHERE /*conditions*/ ORDER BY time, id LIMIT $1

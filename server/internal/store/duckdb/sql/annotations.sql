SELECT * FROM annotations WHERE time >= $1 AND time < $2 ORDER BY time, id LIMIT $3

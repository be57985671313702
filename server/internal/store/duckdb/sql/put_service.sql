INSERT INTO services VALUES ($1, $2, $3)
ON CONFLICT DO UPDATE SET received = least(received, excluded.received)

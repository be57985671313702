SELECT service, list(host ORDER BY host) FILTER (host <> ''), min(received)
FROM services
GROUP BY service
ORDER BY service
LIMIT $1

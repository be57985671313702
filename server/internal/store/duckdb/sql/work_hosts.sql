-- Those of the hosts $1 that spans were seen from, with the services of each.
SELECT h.host, list(DISTINCT s.service) FILTER (s.service <> '')
FROM hosts AS h LEFT JOIN services AS s ON s.host = h.host
WHERE h.host IN (SELECT unnest($1::VARCHAR[]))
GROUP BY h.host

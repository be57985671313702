-- The requests whose verdict is due at $1, the longest overdue first. The smallest
-- BIGINT stands for no time.
SELECT seq FROM requests
WHERE NOT link_final AND link_due <= $1 AND link_due > $2
ORDER BY link_due, seq
LIMIT $3

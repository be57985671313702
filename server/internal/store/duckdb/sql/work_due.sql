-- The requests after the row $4 whose verdict is due at $1, the longest overdue first, each with the first
-- row that is due at any time; 0 where none is due now. The smallest BIGINT, $2, stands for no time.
WITH waiting AS MATERIALIZED (
    SELECT seq, link_due FROM requests WHERE seq > $4 AND NOT link_final AND link_due > $2
)
SELECT coalesce(d.seq, 0), w.first
FROM (SELECT min(seq) AS first FROM waiting) AS w
LEFT JOIN (SELECT seq, link_due FROM waiting WHERE link_due <= $1 ORDER BY link_due, seq LIMIT $3) AS d ON true
WHERE w.first IS NOT NULL
ORDER BY d.link_due, d.seq

-- The traces that the directory does not know as those of a request; $1 and $2 bound the rows.
INSERT INTO joined
SELECT j.trace_id, j.seq FROM judged AS j JOIN requests AS r ON r.seq = j.seq AND r.id = j.id
WHERE r.seq BETWEEN $1 AND $2 AND j.trace_id IS NOT NULL
    AND j.trace_id IS DISTINCT FROM r.sent_trace_id AND j.trace_id IS DISTINCT FROM r.answer_trace_id
    AND NOT EXISTS (SELECT 1 FROM joined AS k WHERE k.trace_id = j.trace_id AND k.request = j.seq)

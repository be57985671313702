-- The requests that are not final and joined to a trace in $1 which they neither carried nor were answered with.
SELECT r.seq, r.sent_trace_id, r.answer_trace_id, r.link_trace_id, r.sent_span_id
FROM requests AS r JOIN joined AS j ON j.request = r.seq AND j.trace_id = r.link_trace_id
WHERE j.trace_id IN (SELECT unnest($1::VARCHAR[])::UUID) AND NOT r.link_final

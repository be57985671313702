-- Of some stretches of rows, the requests that are not final and carried or were answered with a trace in $1, or carried
-- a span id in $2.
SELECT seq, sent_trace_id, answer_trace_id, NULL::UUID, sent_span_id FROM /*near*/
WHERE NOT link_final AND (
    sent_trace_id IN (SELECT unnest($1::VARCHAR[])::UUID)
    OR answer_trace_id IN (SELECT unnest($1::VARCHAR[])::UUID)
    OR sent_span_id IN (SELECT unnest($2::UBIGINT[]))
)

-- $1 and $2 bound the rows.
UPDATE requests SET
    link_status = j.status,
    link_reason = j.reason,
    link_detail = j.detail,
    link_trace_id = CASE WHEN j.trace_id = sent_trace_id OR j.trace_id = answer_trace_id THEN NULL ELSE j.trace_id END,
    link_span_id = CASE WHEN j.span_id = answer_span_id THEN NULL ELSE j.span_id END,
    link_is = CASE WHEN j.trace_id = sent_trace_id THEN 1 WHEN j.trace_id = answer_trace_id THEN 2 ELSE 0 END
        + CASE WHEN j.span_id = answer_span_id THEN 4 ELSE 0 END,
    link_final = j.final,
    link_due = j.due,
    link_judged_at = j.judged_at,
    entry_service = j.service,
    entry_route = j.route,
    -- the lower 64 bits of the difference
    entry_after = CASE WHEN j.entry_start > -9223372036854775808 THEN
        ((j.entry_start::HUGEINT - start + 27670116110564327424) % 18446744073709551616 - 9223372036854775808)::BIGINT END,
    entry_duration = j.entry_duration
FROM judged AS j
WHERE requests.seq BETWEEN $1 AND $2 AND requests.seq = j.seq AND requests.id = j.id
    AND requests.link_judged_at <= j.judged_at

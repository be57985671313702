-- $1 and $2 bound the rows.
UPDATE requests SET
    link_status = j.status,
    link_reason = j.reason,
    link_detail = j.detail,
    link_trace_id = j.trace_id,
    link_span_id = j.span_id,
    link_final = j.final,
    link_due = j.due,
    link_judged_at = j.judged_at,
    entry_service = j.service,
    entry_route = j.route,
    entry_start = j.entry_start,
    entry_duration = j.entry_duration
FROM judged AS j
WHERE requests.seq BETWEEN $1 AND $2 AND requests.seq = j.seq AND requests.id = j.id
    AND requests.link_judged_at <= j.judged_at

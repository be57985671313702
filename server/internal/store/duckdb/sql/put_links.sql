UPDATE requests SET
    link_status = j.status,
    link_reason = j.reason,
    link_detail = j.detail,
    link_trace_id = j.trace_id,
    link_span_id = j.span_id,
    link_final = j.final,
    link_due = j.due,
    link_judged_at = j.judged_at
FROM judged AS j
WHERE requests.id = j.id AND requests.link_judged_at <= j.judged_at

-- From version 2 to 3: the old tables are set aside, those of version 3 made, and the rows moved, in their order.

ALTER TABLE requests RENAME TO requests_2;
ALTER TABLE navigations RENAME TO navigations_2;
ALTER TABLE web_vitals RENAME TO web_vitals_2;
ALTER TABLE errors RENAME TO errors_2;
ALTER TABLE actions RENAME TO actions_2;
ALTER TABLE spans RENAME TO spans_2;
ALTER TABLE hosts RENAME TO hosts_2;
ALTER TABLE services RENAME TO services_2;
ALTER TABLE joined RENAME TO joined_2;
ALTER TABLE annotations RENAME TO annotations_2;
ALTER TABLE state RENAME TO state_2;
DROP TABLE directory; -- it is made anew from the rows
DROP TABLE schema_version;

/*schema*/

CREATE TEMP MACRO wrapped(n) AS ((n + 27670116110564327424) % 18446744073709551616 - 9223372036854775808)::BIGINT;

INSERT INTO requests SELECT
    seq, id, application_id, instance_id, session_id, page_id, view_id, action_id, agent_name, agent_version, browser,
    browser_version, os, device, country, client_address, kind, initiator, start, duration, duration_bucket,
    clock_offset, clock_uncertainty, clock_source, received, url, host, url_pattern, method, status_code, error,
    trace_context_hint, server_timing_hint, sent_trace_id, sent_span_id,
    CASE WHEN answer_trace_id = sent_trace_id THEN NULL ELSE answer_trace_id END, coalesce(answer_trace_id = sent_trace_id, false),
    answer_span_id, answer_sampled, answer_response_id, delivery, protocol, transfer_size, encoded_body_size,
    decoded_body_size, redirect_start, redirect_end, worker_start, fetch_start, domain_lookup_start,
    domain_lookup_end, connect_start, connect_end, secure_connection_start, request_start,
    first_interim_response_start, response_start, wrapped(response_end::HUGEINT - duration), attributes, link_status,
    link_reason, link_detail,
    CASE WHEN link_trace_id = sent_trace_id OR link_trace_id = answer_trace_id THEN NULL ELSE link_trace_id END,
    CASE WHEN link_span_id = answer_span_id THEN NULL ELSE link_span_id END,
    CASE WHEN link_trace_id = sent_trace_id THEN 1 WHEN link_trace_id = answer_trace_id THEN 2 ELSE 0 END
        + CASE WHEN link_span_id = answer_span_id THEN 4 ELSE 0 END,
    link_final, link_due, link_judged_at, entry_service, entry_route,
    CASE WHEN entry_start > -9223372036854775808 THEN wrapped(entry_start::HUGEINT - start) END,
    entry_duration
FROM requests_2;

INSERT INTO spans SELECT
    seq, trace_id, span_id, parent_span_id, name, kind, flags, start, duration, received,
    CASE WHEN cut IS NULL THEN trace_state ELSE trace_state[:cut] || trace_state[cut + 1 + length(value):] END,
    dtr_state,
    CASE WHEN dtr_span_id = parent_span_id THEN NULL ELSE dtr_span_id END, coalesce(dtr_span_id = parent_span_id, false),
    dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id, cut, service, scope, status_code, host, entry, route,
    http_status, via,
    encode(status_message) || '\xFF'::BLOB || events || '\xFF'::BLOB || attributes || '\xFF'::BLOB || resource
FROM (
    SELECT *, CASE WHEN place BETWEEN 1 AND 32767 AND strlen(trace_state[:place]) = place THEN place END AS cut -- in bytes
    FROM (
        SELECT *, CASE WHEN dtr_state = 'valid' THEN strpos(trace_state, '=' || value) END AS place
        FROM (
            SELECT *, '1;' || format('{:016x}', coalesce(dtr_span_id, 0)) || CASE WHEN dtr_sampled THEN ';1;' ELSE ';0;' END
                || dtr_application_id || ';' || dtr_instance_id || ';' || dtr_session_id AS value
            FROM spans_2
        )
    )
);

INSERT INTO navigations SELECT * FROM navigations_2;
INSERT INTO web_vitals SELECT * FROM web_vitals_2;
INSERT INTO errors SELECT * FROM errors_2;
INSERT INTO actions SELECT * FROM actions_2;
INSERT INTO hosts SELECT * FROM hosts_2;
INSERT INTO services SELECT * FROM services_2;
INSERT INTO joined SELECT * FROM joined_2;
INSERT INTO annotations SELECT * FROM annotations_2;
UPDATE state SET watermark = (SELECT watermark FROM state_2), position = (SELECT position FROM state_2);

DROP MACRO wrapped;
DROP TABLE requests_2;
DROP TABLE navigations_2;
DROP TABLE web_vitals_2;
DROP TABLE errors_2;
DROP TABLE actions_2;
DROP TABLE spans_2;
DROP TABLE hosts_2;
DROP TABLE services_2;
DROP TABLE joined_2;
DROP TABLE annotations_2;
DROP TABLE state_2;

-- From version 1 to 2: the old tables are set aside, those of version 2 made, and the
-- rows moved. What version 1 did not know is empty.

ALTER TABLE requests RENAME TO requests_1;
ALTER TABLE navigations RENAME TO navigations_1;
ALTER TABLE web_vitals RENAME TO web_vitals_1;
ALTER TABLE spans RENAME TO spans_1;
ALTER TABLE hosts RENAME TO hosts_1;
ALTER TABLE link_state RENAME TO link_state_1;
DROP TABLE schema_version;

/*schema*/

INSERT INTO requests SELECT
    seq, id, application_id, instance_id, session_id, page_id, view_id, '', agent_name, agent_version, '', '',
    '', '', '', '', kind, initiator, start, duration,
    CASE WHEN duration < 1000 THEN 0 ELSE least(1400, 1 + floor(ln(duration / 1000.0) / ln(1.02))) END,
    clock_offset, clock_uncertainty, clock_source, received, url, host, '', method, status_code, error,
    trace_context_hint, server_timing_hint, sent_trace_id, sent_span_id, answer_trace_id, answer_span_id,
    answer_sampled, answer_response_id, delivery, protocol, transfer_size, encoded_body_size, decoded_body_size,
    redirect_start, redirect_end, worker_start, fetch_start, domain_lookup_start, domain_lookup_end,
    connect_start, connect_end, secure_connection_start, request_start, first_interim_response_start,
    response_start, response_end, encode(attributes), link_status, link_reason, link_detail, link_trace_id,
    link_span_id, link_final, link_due, link_judged_at, '', '', -9223372036854775808, 0
FROM requests_1 ORDER BY seq;

INSERT INTO navigations SELECT
    seq, id, application_id, instance_id, session_id, page_id, view_id, '', agent_name, agent_version, '', '',
    '', '', '', '', start, duration, clock_offset, clock_uncertainty, clock_source, received, url, '', referrer,
    title, type, activation_start, dom_interactive, dom_content_loaded_event_start,
    dom_content_loaded_event_end, dom_complete, load_event_start, load_event_end, encode(attributes)
FROM navigations_1 ORDER BY seq;

INSERT INTO web_vitals SELECT
    seq, id, application_id, instance_id, session_id, page_id, view_id, '', agent_name, agent_version, '', '',
    '', '', '', '', time, clock_offset, clock_uncertainty, clock_source, received, url, name, value, rating
FROM web_vitals_1 ORDER BY seq;

INSERT INTO spans SELECT
    seq, trace_id, span_id, parent_span_id, name, kind, flags, start, duration, received, trace_state,
    dtr_state, dtr_span_id, dtr_sampled, dtr_application_id, dtr_instance_id, dtr_session_id, service, scope,
    status_code, status_message, host, kind IN (2, 5), '', 0, '', encode(attributes), encode(resource), encode(events)
FROM spans_1 ORDER BY seq;

INSERT INTO hosts SELECT host, seq FROM hosts_1;
INSERT INTO services SELECT service, '', min(received) FROM spans WHERE service <> '' GROUP BY service;
INSERT INTO services SELECT service, host, min(received) FROM spans WHERE service <> '' AND host <> '' GROUP BY service, host;
UPDATE state SET watermark = (SELECT max(watermark) FROM link_state_1);
INSERT INTO joined SELECT link_trace_id, seq FROM requests
WHERE link_trace_id IS NOT NULL AND link_trace_id IS DISTINCT FROM sent_trace_id AND link_trace_id IS DISTINCT FROM answer_trace_id;

DROP TABLE requests_1;
DROP TABLE navigations_1;
DROP TABLE web_vitals_1;
DROP TABLE spans_1;
DROP TABLE hosts_1;
DROP TABLE link_state_1;

-- Version 3 of the file format, as migrate_2.sql makes it. Ids are their bytes as big-endian numbers, NULL where
-- there is none; times are nanoseconds since 1970, the smallest BIGINT where there is
-- none; durations are nanoseconds; attributes are JSON text, empty where there are none, as BLOB, since
-- as VARCHAR its UTF-8 would be checked once more with every row.
-- What another column of the row holds too is not stored twice: it is NULL, and a narrow column says of which it is a copy.
-- Who looks for an id need not look at copies: it finds the other.
-- A column that is compressed as zstd takes two blocks of the file at least, in each 122,880 rows, so only those are that hold much.
-- seq numbers the rows of all tables in the order of writing, which is nearly that of time.
-- No table of events has an index: see directory.go.

CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (3);

CREATE TABLE requests (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    instance_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    page_id VARCHAR NOT NULL,
    view_id VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    agent_name VARCHAR NOT NULL,
    agent_version VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    client_address VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    initiator VARCHAR NOT NULL,
    start BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    duration_bucket SMALLINT NOT NULL, -- model.DurationBucket
    clock_offset BIGINT NOT NULL,
    clock_uncertainty BIGINT NOT NULL,
    clock_source VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    url VARCHAR NOT NULL USING COMPRESSION zstd,
    host VARCHAR NOT NULL,
    url_pattern VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    status_code BIGINT NOT NULL,
    error VARCHAR NOT NULL USING COMPRESSION dictionary, -- DuckDB would take one that is slow to read
    trace_context_hint VARCHAR NOT NULL,
    server_timing_hint VARCHAR NOT NULL,
    sent_trace_id UUID,
    sent_span_id UBIGINT,
    answer_trace_id UUID, -- NULL where it is sent_trace_id
    answer_is_sent BOOLEAN NOT NULL,
    answer_span_id UBIGINT,
    answer_sampled BOOLEAN,
    answer_response_id INTEGER,
    delivery VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    transfer_size BIGINT NOT NULL,
    encoded_body_size BIGINT NOT NULL,
    decoded_body_size BIGINT NOT NULL,
    redirect_start BIGINT NOT NULL,
    redirect_end BIGINT NOT NULL,
    worker_start BIGINT NOT NULL,
    fetch_start BIGINT NOT NULL,
    domain_lookup_start BIGINT NOT NULL,
    domain_lookup_end BIGINT NOT NULL,
    connect_start BIGINT NOT NULL,
    connect_end BIGINT NOT NULL,
    secure_connection_start BIGINT NOT NULL,
    request_start BIGINT NOT NULL,
    first_interim_response_start BIGINT NOT NULL,
    response_start BIGINT NOT NULL,
    end_after BIGINT NOT NULL, -- response_end less duration, nearly always 0; beyond 64 bits it wraps
    attributes BLOB NOT NULL USING COMPRESSION zstd,
    -- The verdict. It stands beside the event, so that a listing needs no join; a
    -- request that was never judged is pending.
    link_status VARCHAR NOT NULL,
    link_reason VARCHAR NOT NULL,
    link_detail VARCHAR NOT NULL,
    link_trace_id UUID, -- NULL where it is sent_trace_id or answer_trace_id
    link_span_id UBIGINT, -- NULL where it is answer_span_id
    link_is UTINYINT NOT NULL, -- a sum: 1, the trace is sent_trace_id; 2, it is answer_trace_id; 4, the span is answer_span_id
    link_final BOOLEAN NOT NULL,
    link_due BIGINT NOT NULL,
    link_judged_at BIGINT NOT NULL,
    -- Of the joined entry span, so that sums need no look at spans.
    entry_service VARCHAR NOT NULL,
    entry_route VARCHAR NOT NULL,
    entry_after BIGINT, -- its start less start; beyond 64 bits it wraps
    entry_duration BIGINT NOT NULL
);

CREATE TABLE navigations (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    instance_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    page_id VARCHAR NOT NULL,
    view_id VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    agent_name VARCHAR NOT NULL,
    agent_version VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    client_address VARCHAR NOT NULL,
    start BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    clock_offset BIGINT NOT NULL,
    clock_uncertainty BIGINT NOT NULL,
    clock_source VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    url VARCHAR NOT NULL USING COMPRESSION zstd,
    url_pattern VARCHAR NOT NULL,
    referrer VARCHAR NOT NULL USING COMPRESSION zstd,
    title VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    activation_start BIGINT NOT NULL,
    dom_interactive BIGINT NOT NULL,
    dom_content_loaded_event_start BIGINT NOT NULL,
    dom_content_loaded_event_end BIGINT NOT NULL,
    dom_complete BIGINT NOT NULL,
    load_event_start BIGINT NOT NULL,
    load_event_end BIGINT NOT NULL,
    attributes BLOB NOT NULL USING COMPRESSION zstd
);

CREATE TABLE web_vitals (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    instance_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    page_id VARCHAR NOT NULL,
    view_id VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    agent_name VARCHAR NOT NULL,
    agent_version VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    client_address VARCHAR NOT NULL,
    time BIGINT NOT NULL,
    clock_offset BIGINT NOT NULL,
    clock_uncertainty BIGINT NOT NULL,
    clock_source VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    url VARCHAR NOT NULL USING COMPRESSION zstd,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    rating VARCHAR NOT NULL
);

CREATE TABLE errors (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    instance_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    page_id VARCHAR NOT NULL,
    view_id VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    agent_name VARCHAR NOT NULL,
    agent_version VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    client_address VARCHAR NOT NULL,
    time BIGINT NOT NULL,
    clock_offset BIGINT NOT NULL,
    clock_uncertainty BIGINT NOT NULL,
    clock_source VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    url VARCHAR NOT NULL USING COMPRESSION zstd,
    source VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    message VARCHAR NOT NULL USING COMPRESSION zstd,
    stack VARCHAR NOT NULL USING COMPRESSION zstd,
    handled BOOLEAN NOT NULL,
    request_id UBIGINT,
    fingerprint UBIGINT NOT NULL,
    attributes BLOB NOT NULL USING COMPRESSION zstd
);

CREATE TABLE actions (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    instance_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    page_id VARCHAR NOT NULL,
    view_id VARCHAR NOT NULL,
    action_id VARCHAR NOT NULL,
    agent_name VARCHAR NOT NULL,
    agent_version VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR NOT NULL,
    os VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    country VARCHAR NOT NULL,
    client_address VARCHAR NOT NULL,
    start BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    clock_offset BIGINT NOT NULL,
    clock_uncertainty BIGINT NOT NULL,
    clock_source VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    url VARCHAR NOT NULL USING COMPRESSION zstd,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    attributes BLOB NOT NULL USING COMPRESSION zstd
);

CREATE TABLE spans (
    seq UBIGINT NOT NULL,
    trace_id UUID NOT NULL,
    span_id UBIGINT NOT NULL,
    parent_span_id UBIGINT,
    name VARCHAR NOT NULL,
    kind TINYINT NOT NULL,
    flags UINTEGER NOT NULL,
    start BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    received BIGINT NOT NULL,
    trace_state VARCHAR NOT NULL, -- without the value of the dtr entry where dtr_at is not NULL
    dtr_state VARCHAR NOT NULL,
    dtr_span_id UBIGINT, -- NULL where it is parent_span_id
    dtr_is_parent BOOLEAN NOT NULL,
    dtr_sampled BOOLEAN NOT NULL,
    dtr_application_id VARCHAR NOT NULL,
    dtr_instance_id VARCHAR NOT NULL,
    dtr_session_id VARCHAR NOT NULL,
    dtr_at SMALLINT, -- the byte of trace_state before which that value stands
    service VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    status_code TINYINT NOT NULL,
    host VARCHAR NOT NULL,
    entry BOOLEAN NOT NULL,
    route VARCHAR NOT NULL,
    http_status BIGINT NOT NULL,
    via VARCHAR NOT NULL,
    -- What nothing asks for alone: status message, events, attributes and resource, each but the last with a byte 0xFF after it,
    -- which no text in UTF-8 has.
    detail BLOB NOT NULL USING COMPRESSION zstd
);

-- The hosts that spans were seen from, with the seq of the first of them.
CREATE TABLE hosts (
    host VARCHAR PRIMARY KEY,
    seq UBIGINT NOT NULL
);

-- The services that sent spans, and the hosts that their entry spans answered for ('' for a
-- service as such); received is that of the first span.
CREATE TABLE services (
    service VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (service, host)
);

-- Traces that requests are joined to though they neither carried nor were answered with them.
CREATE TABLE joined (
    trace_id UUID NOT NULL,
    request UBIGINT NOT NULL -- its seq
);

CREATE TABLE annotations (
    id UBIGINT PRIMARY KEY,
    time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    application_id VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    tags VARCHAR NOT NULL -- a JSON list
);

-- One row: how far the link pass has come (see work.go for its two parts), the position in
-- the journal up to which everything is stored, and the seed of the directory's hash.
CREATE TABLE state (
    watermark UBIGINT NOT NULL,
    position UBIGINT NOT NULL,
    seed0 UBIGINT NOT NULL,
    seed1 UBIGINT NOT NULL
);

INSERT INTO state VALUES (0, 0, 0, 0);

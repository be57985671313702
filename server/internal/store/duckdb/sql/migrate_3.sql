-- From version 3 to 4: web vitals get attributes, and page events a table. The directory stays: the rows keep their numbers.

ALTER TABLE web_vitals RENAME TO web_vitals_3;

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
    rating VARCHAR NOT NULL,
    attributes BLOB NOT NULL USING COMPRESSION zstd
);

CREATE TABLE page_events (
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
    type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    attributes BLOB NOT NULL USING COMPRESSION zstd
);

INSERT INTO web_vitals SELECT *, ''::BLOB FROM web_vitals_3;

DROP TABLE web_vitals_3;
UPDATE schema_version SET version = 4;

-- Where verdicts wait within a transaction for put_links.sql; ids and times are all there.
CREATE TEMP TABLE judged (
    seq UBIGINT NOT NULL,
    id UBIGINT NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    trace_id UUID,
    span_id UBIGINT,
    final BOOLEAN NOT NULL,
    due BIGINT NOT NULL,
    judged_at BIGINT NOT NULL,
    service VARCHAR NOT NULL,
    route VARCHAR NOT NULL,
    entry_start BIGINT NOT NULL,
    entry_duration BIGINT NOT NULL
)

-- Where verdicts wait within a transaction for put_links.sql; columns as in requests.
CREATE TEMP TABLE judged (
    id UBIGINT NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    trace_id UUID,
    span_id UBIGINT,
    final BOOLEAN NOT NULL,
    due BIGINT NOT NULL,
    judged_at BIGINT NOT NULL
)

-- $1: hosts, $2: the seq of the first span of each
INSERT INTO hosts SELECT unnest($1::VARCHAR[]), unnest($2::UBIGINT[])
ON CONFLICT DO NOTHING

-- The last seq after $1 that may make work.
SELECT greatest(
    (SELECT max(seq) FROM requests WHERE seq > $1),
    (SELECT max(seq) FROM spans WHERE seq > $1)
)

-- A group of the directory, by the first of its rows: which keys stand in the rows of a stretch of seqs (see directory.go). Level
-- 0 are its runs, level 1 is the group, once it is closed. Each group has a table of its own, since a checkpoint writes a table's
-- last 122,880 rows anew where any came to them; and filters do not become smaller by compression.
CREATE TABLE IF NOT EXISTS directory_%d (
    level UTINYINT NOT NULL,
    first_seq UBIGINT NOT NULL,
    last_seq UBIGINT NOT NULL,
    filter BLOB NOT NULL USING COMPRESSION uncompressed
)

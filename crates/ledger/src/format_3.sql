-- The third format: which calls made each row that a run gave. Rows are counted from 0 in the order in which they were
-- given; a list tells of the rows from first to last.
CREATE TABLE result_rows (
    run   INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    calls BLOB NOT NULL,
    PRIMARY KEY (run, first)
) STRICT, WITHOUT ROWID;

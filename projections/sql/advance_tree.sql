-- State the size that the tiles now have, with its checkpoint.
-- locks: nothing new; the row is locked already
-- index: none: there is one row
-- rows: one
UPDATE tree
SET
    size = $1,
    checkpoint = $2

-- Say how far all is counted.
-- locks: nothing new; the row is locked already
-- index: none: there is one row
-- rows: one
UPDATE projector
SET
    next_seq = $1,
    recorded_at_us = $2

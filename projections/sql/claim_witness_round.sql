-- Take the turn to ask the witnesses, unless one was taken within the last $1 microseconds.
-- locks: the one row
-- index: none: there is one row
-- rows: one, or none when it is not the time
UPDATE witnessed
SET asked_at_us = (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
WHERE asked_at_us <= (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint - $1
RETURNING asked_at_us

-- Keep a checkpoint of size $1 that was cosigned, unless a larger one is kept already.
-- locks: the one row
-- index: none: there is one row
-- rows: one, or none
UPDATE witnessed
SET
    size = $1,
    checkpoint = $2,
    cosigned_at_us = (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint
WHERE size <= $1

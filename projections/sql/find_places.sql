-- Which entries have these numbers, in their order.
-- locks: nothing
-- index: sequence_pkey
-- rows: at most one per number given
SELECT
    seq,
    stream_id,
    version
FROM sequence
WHERE seq = ANY($1::bigint[])
ORDER BY seq

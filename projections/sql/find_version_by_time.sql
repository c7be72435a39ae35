-- The last version of a stream, of its first $3, that was recorded by a time; 0 when none was.
--   Time never runs back within a stream, so it is found by halving.
-- locks: nothing
-- index: ledger_pkey, once for each halving
-- rows: one
WITH RECURSIVE halving (low, high) AS (
    SELECT
        0::bigint,
        $3::bigint
    UNION ALL
    SELECT
        CASE WHEN probe.recorded_at_us <= $2 THEN probe.version ELSE halving.low END,
        CASE WHEN probe.recorded_at_us <= $2 THEN halving.high ELSE probe.version - 1 END
    FROM halving
    CROSS JOIN LATERAL (
        SELECT
            version,
            recorded_at_us
        FROM ledger
        WHERE stream_id = $1 AND version = (halving.low + halving.high + 1) / 2
    ) AS probe
    WHERE halving.low < halving.high
)

SELECT low
FROM halving
WHERE low = high

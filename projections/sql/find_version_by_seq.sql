-- The last version of a stream, of its first $3, numbered up to a seq; 0 when none was. A stream's
--   numbers ascend with its versions, so it is found by halving; what has no number is after all.
-- locks: nothing
-- index: sequence_stream_id_version_key, once for each halving
-- rows: one
WITH RECURSIVE halving (low, high) AS (
    SELECT
        0::bigint,
        $3::bigint
    UNION ALL
    SELECT
        CASE WHEN numbered.seq <= $2 THEN probe.version ELSE halving.low END,
        CASE WHEN numbered.seq <= $2 THEN halving.high ELSE probe.version - 1 END
    FROM halving
    CROSS JOIN LATERAL (SELECT (halving.low + halving.high + 1) / 2 AS version) AS probe
    LEFT JOIN sequence AS numbered
        ON numbered.stream_id = $1 AND numbered.version = probe.version
    WHERE halving.low < halving.high
)

SELECT low
FROM halving
WHERE low = high

-- Number the entries of the streams named that have no number, at most $2 of each stream: all that
--   this statement's snapshot sees, in the order of time and each stream's in that of its versions.
-- locks: the new rows; the sequencer's row is locked already
-- index: sequenced_pkey, then ledger_pkey from each stream's mark on
-- rows: one: how many were numbered in all, and of the stream with the most
WITH numbered AS (
    INSERT INTO sequence (seq, stream_id, version)
    SELECT
        (SELECT next_seq FROM sequencer)
        + row_number() OVER (ORDER BY fresh.recorded_at_us, named.stream_id, fresh.version) - 1,
        named.stream_id,
        fresh.version
    FROM unnest($1::uuid[]) AS named (stream_id)
    LEFT JOIN sequenced ON sequenced.stream_id = named.stream_id
    CROSS JOIN LATERAL (
        SELECT
            ledger.version,
            ledger.recorded_at_us
        FROM ledger
        WHERE ledger.stream_id = named.stream_id AND ledger.version > coalesce(sequenced.version, 0)
        ORDER BY ledger.version
        LIMIT $2
    ) AS fresh
    RETURNING stream_id
),

of_stream AS (
    SELECT count(*) AS entries
    FROM numbered
    GROUP BY stream_id
)

SELECT
    coalesce(sum(entries), 0)::bigint AS entries,
    coalesce(max(entries), 0)::bigint AS of_one_stream
FROM of_stream

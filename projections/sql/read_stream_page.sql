-- A page of a stream's entries, in the order of versions; the newest may have no number yet.
--   From the next version on as many as the limit says, fewer where some are missing. So it costs
--   what the page has, however long the stream is and whatever the planner believes of that: with
--   LIMIT it was known to join the whole stream to each entry of the page.
-- locks: nothing
-- index: ledger_pkey from the version given on, then sequence_stream_id_version_key
-- rows: at most the limit given
WITH next AS (
    SELECT min(version) AS version
    FROM ledger
    WHERE stream_id = $1 AND version > $2
)

SELECT
    (
        SELECT sequence.seq
        FROM sequence
        WHERE sequence.stream_id = ledger.stream_id AND sequence.version = ledger.version
    ) AS seq,
    ledger.stream_id,
    ledger.version,
    ledger.type,
    ledger.schema_version,
    ledger.payload,
    ledger.recorded_at_us,
    ledger.actor,
    ledger.idempotency_key,
    ledger.request_hash,
    ledger.prev_hash,
    ledger.hash
FROM ledger
WHERE
    ledger.stream_id = $1
    AND ledger.version >= (SELECT next.version FROM next)
    AND ledger.version < (SELECT next.version FROM next) + $3
ORDER BY ledger.version

-- A page of all entries, in the order of their numbers; of an entry that is missing the number alone.
--   OFFSET 0 keeps the planner from joining the whole ledger instead of looking each entry up.
-- locks: nothing
-- index: sequence_pkey from the number given on, then ledger_pkey
-- rows: at most the limit given
SELECT
    numbered.seq,
    entry.stream_id,
    entry.version,
    entry.type,
    entry.schema_version,
    entry.payload,
    entry.recorded_at_us,
    entry.actor,
    entry.idempotency_key,
    entry.request_hash,
    entry.prev_hash,
    entry.hash
FROM (
    SELECT
        seq,
        stream_id,
        version
    FROM sequence
    WHERE seq > $1
    ORDER BY seq
    LIMIT $2
) AS numbered
LEFT JOIN LATERAL (
    SELECT
        stream_id,
        version,
        type,
        schema_version,
        payload,
        recorded_at_us,
        actor,
        idempotency_key,
        request_hash,
        prev_hash,
        hash
    FROM ledger
    WHERE ledger.stream_id = numbered.stream_id AND ledger.version = numbered.version
    OFFSET 0
) AS entry ON true
ORDER BY numbered.seq

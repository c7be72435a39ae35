-- The entries of a stream at the versions named, in order.
-- locks: nothing
-- index: ledger_pkey
-- rows: one per version named
SELECT
    stream_id,
    version,
    recorded_at_us,
    actor,
    idempotency_key,
    request_hash,
    type,
    schema_version,
    payload,
    prev_hash,
    hash
FROM ledger
WHERE stream_id = $1 AND version = ANY($2::bigint[])
ORDER BY version

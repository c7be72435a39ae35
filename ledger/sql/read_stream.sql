-- The entries of one stream in the order of versions.
-- locks: nothing
-- index: ledger_pkey gives the order
-- rows: all of the stream
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
WHERE stream_id = $1
ORDER BY version

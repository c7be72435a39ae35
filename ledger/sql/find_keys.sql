-- The entries that carry the idempotency keys named, on whichever stream.
-- locks: nothing; the stream rows are locked already
-- index: ledger_idempotency_key_key
-- rows: at most one per key and stream
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
WHERE idempotency_key = ANY($1::bytea[])

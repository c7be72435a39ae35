-- Append all entries of a batch.
-- locks: the new rows; their stream rows are locked already
-- index: ledger_pkey and ledger_idempotency_key_key hold L3 and L4
-- rows: one per entry
INSERT INTO ledger (
    stream_id, version, type, schema_version, payload, prev_hash, hash, recorded_at_us,
    idempotency_key, request_hash, actor
)
SELECT *
FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[],
    $9::bytea[], $10::bytea[], $11::uuid[]
)

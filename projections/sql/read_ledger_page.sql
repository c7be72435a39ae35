-- A page of all entries, in the order of their numbers.
-- locks: nothing
-- index: sequence_pkey from the number given on, then ledger_pkey
-- rows: at most the limit given
SELECT
    sequence.seq,
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
FROM sequence
INNER JOIN ledger ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
WHERE sequence.seq > $1
ORDER BY sequence.seq
LIMIT $2

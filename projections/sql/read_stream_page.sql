-- A page of a stream's entries, in the order of versions; the newest may have no number yet.
-- locks: nothing
-- index: ledger_pkey from the version given on, then sequence_stream_id_version_key
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
FROM ledger
LEFT JOIN sequence ON sequence.stream_id = ledger.stream_id AND sequence.version = ledger.version
WHERE ledger.stream_id = $1 AND ledger.version > $2
ORDER BY ledger.version
LIMIT $3

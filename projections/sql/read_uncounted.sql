-- The numbered entries from a number on, in order.
-- locks: nothing; the projector's row is locked already
-- index: sequence_pkey from the number on, then ledger_pkey
-- rows: at most the limit given; without a type where the entry is gone
SELECT
    sequence.seq,
    sequence.stream_id::text AS stream_id,
    sequence.version,
    ledger.recorded_at_us,
    ledger.type,
    ledger.schema_version,
    ledger.payload
FROM sequence
LEFT JOIN ledger ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
WHERE sequence.seq >= $1
ORDER BY sequence.seq
LIMIT $2

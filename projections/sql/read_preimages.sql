-- The bytes of the entries from one number up to and not including another, in order.
-- locks: nothing
-- index: sequence_pkey, then ledger_pkey
-- rows: at most the difference of the two
SELECT entry_preimage(ledger) AS preimage
FROM sequence
INNER JOIN ledger ON ledger.stream_id = sequence.stream_id AND ledger.version = sequence.version
WHERE sequence.seq >= $1 AND sequence.seq < $2
ORDER BY sequence.seq

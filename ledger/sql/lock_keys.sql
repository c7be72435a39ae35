-- Make batches that carry the same idempotency key, or begin the same stream, take turns.
-- locks: a transaction-level advisory lock per key, by 64 bits of it, in order so that two batches
--        never deadlock; after the stream rows, so that it is never held while waiting for one
-- index: none
-- rows: one per key
SELECT pg_advisory_xact_lock(key_bits)
FROM unnest($1::bigint[]) AS named (key_bits)
ORDER BY key_bits

-- All API keys, for a process to hold in memory.
-- locks: nothing
-- index: none: the table is small and read whole
-- rows: one per key
SELECT
    key_hash,
    key_id,
    role
FROM api_keys

-- When an entry was recorded.
-- locks: nothing
-- index: ledger_pkey
-- rows: one or none
SELECT recorded_at_us
FROM ledger
WHERE stream_id = $1 AND version = $2

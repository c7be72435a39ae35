-- The hash of one entry: whether a commit whose answer was lost took place.
-- locks: nothing; the caller holds the stream row, so the lost transaction has ended
-- index: ledger_pkey
-- rows: one or none
SELECT hash
FROM ledger
WHERE stream_id = $1 AND version = $2

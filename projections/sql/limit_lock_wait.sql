-- Bound how long this transaction waits for a lock, in milliseconds.
-- locks: nothing
-- index: none
-- rows: one
SELECT set_config('lock_timeout', $1, true)

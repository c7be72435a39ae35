-- Bound what this transaction may wait for, and keep its plans on the indexes.
-- locks: nothing
-- index: none; with plans made while a table was empty, a sold-out stadium later means a sequential
--        scan of it per batch, so the planner may not choose those here
-- rows: one
SELECT
    set_config('lock_timeout', $1, true),
    set_config('statement_timeout', $2, true),
    set_config('idle_in_transaction_session_timeout', $2, true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)

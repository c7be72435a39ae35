-- Keep this transaction's plans on indexes that have the order asked for.
-- locks: nothing
-- index: none; sorting a part of the ledger, and hashing its numbers, takes three times as long
-- rows: one
SELECT
    set_config('enable_sort', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_seqscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true)

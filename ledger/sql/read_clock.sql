-- The time at which a batch is decided: one clock for all processes, read under the lock.
-- locks: nothing
-- index: none
-- rows: one, microseconds since 1970 UTC
SELECT (extract(EPOCH FROM clock_timestamp()) * 1000000)::bigint

-- Let other connections see what this transaction sees.
-- locks: nothing
-- index: none
-- rows: one
SELECT pg_export_snapshot()

-- Every allotment, in the order of read_ledger.
-- locks: nothing
-- index: allotments_pkey gives the order
-- rows: all
SELECT
    stream_id,
    kind,
    name,
    capacity,
    taken
FROM allotments
ORDER BY stream_id, kind, name

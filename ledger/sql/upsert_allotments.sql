-- Write how much of each category and quota of a batch's streams is taken.
-- locks: the rows named; their stream rows are locked already
-- index: allotments_pkey
-- rows: one per category and quota
INSERT INTO allotments (stream_id, kind, name, capacity, taken)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::integer[])
ON CONFLICT (stream_id, kind, name) DO UPDATE
SET taken = excluded.taken

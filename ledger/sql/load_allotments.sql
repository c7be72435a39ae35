-- How much of each category of the streams named is taken.
-- locks: nothing; the stream rows are locked already
-- index: allotments_pkey
-- rows: one per category
SELECT
    stream_id,
    name,
    taken
FROM allotments
WHERE stream_id = ANY($1::uuid[]) AND kind = 'category'
